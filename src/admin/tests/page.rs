//! The page and its event stream, through a real listener.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};

/// What is between `open` and `close`, each time.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open)
        .skip(1)
        .map(move |rest| rest.split(close).next().unwrap_or_default())
}

/// An event stream, and its lines so far.
struct Events(BufReader<TcpStream>, Vec<String>);

impl Events {
    async fn open(bench: &Bench) -> Self {
        let mut stream = TcpStream::connect(bench.address).await.expect("connected");
        let request = b"GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("sent");
        Self(BufReader::new(stream), Vec::new())
    }

    /// The next line; none at the end.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).await.expect("readable");
        let line = (read > 0).then(|| line.trim_end().to_owned());
        self.1.extend(line.clone());
        line
    }

    /// The data of the next event of this name; none if the stream ends first.
    async fn next(&mut self, name: &str) -> Option<Value> {
        while self.line().await? != format!("event: {name}") {}
        let data = self.line().await?;
        let data = data.strip_prefix("data: ").expect("data");
        Some(serde_json::from_str(data).expect("JSON"))
    }
}

#[tokio::test]
async fn the_policy_admits_what_is_in_the_page_and_nothing_else() {
    let bench = Bench::start(LOOPBACK).await;
    let reply = bench.get("/").await;
    // The head of a reply is in lower case, and hashes are not.
    let policy = |name| {
        let page = between(&reply.raw_head, "content-security-policy: ", "\r\n").next();
        between(page.expect("a policy"), name, ";")
            .next()
            .expect("a directive")
            .to_owned()
    };
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let hashes: String = between(&reply.body, &open, &close)
            .map(|text| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text))))
            .collect();
        assert!(hashes.len() > 100, "{element}s were not found");
        assert_eq!(policy(directive), hashes, "{element}");
    }
    assert_eq!(policy("default-src"), " 'none'");
    assert_eq!(policy("connect-src"), " 'self'");
    // No handler or style in an attribute: the policy would refuse it.
    let markup = include_str!("../page/page.html");
    assert!(!markup.contains(" on") || !markup.contains("onclick"));
    assert!(!markup.contains("style="));
    // Nothing is asked of anybody else.
    for far in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!reply.body.contains(far), "{far}");
    }
}

#[tokio::test]
async fn a_reason_that_is_markup_stays_text() {
    let bench = Bench::start(LOOPBACK).await;
    let reason = r#"{"reason":"</script><img src=x onerror=alert(1)>"}"#;
    assert_eq!(bench.post("/api/rollback", reason).await.status, 200);
    let page = bench.get("/").await.body;
    assert!(
        page.contains("&lt;img src=x onerror=alert(1)&gt;"),
        "{page}"
    );
    assert!(!page.contains("<img"));
    let data = between(&page, "id=\"data\">", "</script>").next();
    let data: Value = serde_json::from_str(data.expect("the data")).expect("JSON");
    let sentence = data["live"]["status"]["rollback"]["sentence"].as_str();
    assert!(sentence.expect("a sentence").contains("</script><img"));
    for script in [
        include_str!("../page/page.js"),
        include_str!("../page/ask.js"),
        include_str!("../page/words.js"),
        crate::page::CHARTS_JS,
    ] {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
        ] {
            assert!(!script.contains(way), "{way}");
        }
    }
}

#[tokio::test]
async fn events_tell_the_status_at_once_and_when_it_changes() {
    let bench = Bench::start(LOOPBACK).await;
    let mut events = Events::open(&bench).await;
    let history = events.next("history").await.expect("the points");
    assert!(history.is_array(), "{history}");
    let close = "connection: close".to_owned();
    assert!(events.1.contains(&close), "the next has its own connection");
    let config = events.next("config").await.expect("the configuration");
    assert_eq!(config["rows"][0][0], "share");
    assert_eq!(
        config["rules"]["errors"],
        "more than 2 % of the calls fail for 10m"
    );
    let first = events.next("status").await.expect("the status");
    assert_eq!(first["status"]["percent"], 25);
    assert_eq!(first["automatic"], false);
    assert_eq!(first["latency_limit_ms"], 5_000);
    bench.post("/api/rollback", r#"{"reason":"a test"}"#).await;
    bench.stepper.advance(5_000).await;
    loop {
        let told = events.next("status").await.expect("a status");
        if told["status"]["percent"] == 0 {
            assert_eq!(told["status"]["state"], "rolled_back");
            break;
        }
    }
    bench.drain.enter(Phase::Draining);
    while events.next("status").await.is_some() {}
    let [.., last, after] = events.1.as_slice() else {
        panic!("no stream")
    };
    assert_eq!([last.as_str(), after], ["0", ""], "it ends in order");
}

#[tokio::test]
async fn places_for_watchers_are_few_and_come_back() {
    let bench = Bench::start(LOOPBACK).await;
    let mut all = Vec::new();
    for _ in 0..super::super::WATCHERS {
        let mut events = Events::open(&bench).await;
        events.next("status").await.expect("a status");
        all.push(events);
    }
    let refused = bench.get("/api/events").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.code(), "too_many_watchers");
    assert_eq!(bench.get("/api/status").await.status, 200);
    all.clear();
    // Their tasks find out when they tell the next time.
    loop {
        let mut events = Events::open(&bench).await;
        if events.line().await.expect("an answer").contains(" 200 ") {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_page_says_what_a_change_needs() {
    for (ip, changes) in [(LOOPBACK, "open"), ([0, 0, 0, 0], "token")] {
        let bench = Bench::start(ip).await;
        let page = bench.get("/").await.body;
        let data = between(&page, "id=\"data\">", "</script>").next();
        let data: Value = serde_json::from_str(data.expect("the data")).expect("JSON");
        assert_eq!(data["changes"], changes);
    }
}
