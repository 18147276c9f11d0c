use super::*;

#[test]
fn base_urls_are_read_strictly() {
    for (url, expected) in [
        ("https://api.openai.com", Some("https://api.openai.com")),
        ("https://api.openai.com/", Some("https://api.openai.com")),
        ("https://API.OpenAI.com:443", Some("https://api.openai.com")),
        ("http://127.0.0.1:80/", Some("http://127.0.0.1")),
        (
            "http://[::1]:9000/a/b_c~d/",
            Some("http://[::1]:9000/a/b_c~d"),
        ),
        ("http://origin:9000", Some("http://origin:9000")),
        ("HTTPS://api.openai.com", None),
        ("ftp://api.openai.com", None),
        ("api.openai.com", None),
        ("https://", None),
        ("https:///v1", None),
        ("https://user:pass@host", None),
        ("https://evil.test#.openai.com", None),
        ("https://host?x=1", None),
        ("https://host\\@evil.test", None),
        ("https://ho st", None),
        ("https://host/a%2fb", None),
        ("https://host/../x", None),
        ("https://host//x", None),
        ("https://host\r\nx: y", None),
        ("https://host:0", None),
        ("https://host:65536", None),
        ("https://host:+80", None),
        ("https://host:", None),
        ("https://host:80:80", None),
        ("https://-host", None),
        ("https://.host", None),
        ("https://127.1", None),
        ("https://2130706433", None),
        ("https://[::1", None),
        ("https://[::1]x", None),
        ("https://[fe80::1%25eth0]", None),
        ("https://höst", None),
    ] {
        let read = BaseUrl::parse(url).ok().map(|url| {
            let scheme = if url.tls { "https" } else { "http" };
            format!("{scheme}://{}{}", url.authority, url.path_prefix)
        });
        assert_eq!(read.as_deref(), expected, "{url:?}");
    }
}

#[test]
fn a_refused_url_is_shown_without_its_secrets() {
    for url in [
        "https://user:canary@host/x",
        "https://host/x?key=canary",
        "https://canary@host?canary#canary",
        "user:canary@host",
    ] {
        let mistake = BaseUrl::parse(url).expect_err("not a base URL");
        let found = mistake.found.expect("shown by its own words");
        assert!(
            !found.contains("canary") && found.contains("host"),
            "{found}"
        );
    }
}

#[test]
fn a_refused_url_is_told_what_to_leave_out() {
    for (url, left_out) in [
        ("https://user@host", "without credentials"),
        ("https://host/x?y", "without a query"),
        ("https://host#x", "without a query (?) and a fragment (#)"),
        ("https://host/../x", "without `..`"),
    ] {
        let accepted = BaseUrl::parse(url).expect_err("not a base URL").accepted;
        assert!(accepted.contains(left_out), "{url}: {accepted}");
    }
}

#[test]
fn azure_is_told_by_its_host() {
    for (url, dialect) in [
        ("https://name.openai.azure.com", Dialect::Azure),
        ("https://NAME.OpenAI.Azure.com:443/x", Dialect::Azure),
        ("https://name.cognitiveservices.azure.com", Dialect::Azure),
        ("https://name.services.ai.azure.com", Dialect::Azure),
        ("https://api.openai.com", Dialect::OpenAi),
        ("https://openai.azure.com.evil.test", Dialect::OpenAi),
        ("https://notopenai.azure.com", Dialect::OpenAi),
    ] {
        assert_eq!(
            BaseUrl::parse(url).expect("valid").dialect(),
            dialect,
            "{url}"
        );
    }
}

#[test]
fn a_call_to_ourselves_is_seen() {
    for (url, own, expected) in [
        ("http://127.0.0.1:8787", "127.0.0.1:8787", true),
        ("http://127.0.0.1:8788", "127.0.0.1:8787", false),
        ("http://localhost:8787", "127.0.0.1:8787", true),
        ("http://localhost:8787", "[::1]:8787", true),
        ("http://localhost:8787", "0.0.0.0:8787", true),
        ("http://127.0.0.1:8787", "0.0.0.0:8787", true),
        ("http://127.0.0.2:8787", "127.0.0.1:8787", false),
        ("http://[::1]:8787", "[::]:8787", true),
        ("http://[::ffff:127.0.0.1]:8787", "127.0.0.1:8787", true),
        ("http://0.0.0.0:8787", "127.0.0.1:8787", true),
        ("http://10.0.0.5:8787", "10.0.0.5:8787", true),
        ("http://10.0.0.5:8787", "0.0.0.0:8787", false),
        ("http://localhost", "127.0.0.1:80", true),
        ("http://name.test:8787", "127.0.0.1:8787", false),
        ("http://127.0.0.1:8787", "127.0.0.1:0", false),
    ] {
        let url_read = BaseUrl::parse(url).expect("valid");
        let own_read = own.parse().expect("an address");
        assert_eq!(url_read.leads_to(own_read), expected, "{url} → {own}");
    }
}

#[test]
fn listeners_collide_on_one_port() {
    for (a, b, expected) in [
        ("127.0.0.1:1", "127.0.0.1:1", true),
        ("127.0.0.1:1", "127.0.0.1:2", false),
        ("0.0.0.0:1", "127.0.0.1:1", true),
        ("[::]:1", "127.0.0.1:1", true),
        ("127.0.0.1:1", "127.0.0.2:1", false),
        ("127.0.0.1:0", "127.0.0.1:0", false),
    ] {
        let read = |text: &str| text.parse().expect("an address");
        assert_eq!(collide(read(a), read(b)), expected, "{a} {b}");
    }
}
