use super::{Credentials, Received, check};
use aws_credential_types::Credentials as SdkCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::time::{Duration, UNIX_EPOCH};

const NOW_MS: u64 = 1_780_000_000_000;
const TARGET: &str = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fp/converse";
const BODY: &[u8] = br#"{"messages":[]}"#;

struct Signed {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A request as the SDK's signer sends it.
fn signed(credentials: &Credentials, at_ms: u64) -> Signed {
    let identity = SdkCredentials::new(
        credentials.access_key_id.as_str(),
        credentials.secret_access_key.as_str(),
        credentials.session_token.clone(),
        None,
        "test",
    )
    .into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&credentials.region)
        .name("bedrock")
        .time(UNIX_EPOCH + Duration::from_millis(at_ms))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let mut headers = vec![
        ("Host".to_owned(), "127.0.0.1:9000".to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
    ];
    let lines: Vec<_> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let uri = format!("http://127.0.0.1:9000{TARGET}");
    let request =
        SignableRequest::new("POST", uri, lines.into_iter(), SignableBody::Bytes(BODY)).unwrap();
    let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
    headers.extend(
        instructions
            .headers()
            .map(|(n, v)| (n.to_owned(), v.to_owned())),
    );
    Signed {
        method: "POST",
        target: TARGET.to_owned(),
        headers,
        body: BODY.to_vec(),
    }
}

impl Signed {
    fn verdict_at(&self, credentials: &Credentials, now_ms: u64) -> Result<(), (u16, String)> {
        let received = Received {
            method: self.method,
            target: &self.target,
            headers: &self.headers,
            body: &self.body,
        };
        check(received, credentials, now_ms).map_err(|refusal| {
            (
                refusal.status,
                format!("{}: {}", refusal.code, refusal.message),
            )
        })
    }

    fn refusal(&self) -> String {
        self.verdict_at(&Credentials::default(), NOW_MS)
            .unwrap_err()
            .1
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

fn with_token() -> Credentials {
    Credentials {
        session_token: Some("a-token".to_owned()),
        ..Credentials::default()
    }
}

#[test]
fn what_the_sdk_signs_is_accepted() {
    for credentials in [Credentials::default(), with_token()] {
        assert_eq!(
            signed(&credentials, NOW_MS).verdict_at(&credentials, NOW_MS),
            Ok(())
        );
    }
}

#[test]
fn a_header_that_is_not_signed_may_be_added() {
    let mut request = signed(&Credentials::default(), NOW_MS);
    request.set("X-Amzn-Trace-Id", "Root=1");
    assert_eq!(request.verdict_at(&Credentials::default(), NOW_MS), Ok(()));
}

#[test]
fn whatever_is_tampered_with_is_refused() {
    let tampers: [fn(&mut Signed); 6] = [
        |request| request.body.push(b' '),
        |request| request.method = "PUT",
        |request| request.target.push('2'),
        |request| request.target = request.target.replace("%2F", "/"),
        |request| request.set("Content-Type", "application/json; charset=utf-8"),
        |request| request.set("Host", "127.0.0.1:9001"),
    ];
    for tamper in tampers {
        let mut request = signed(&Credentials::default(), NOW_MS);
        tamper(&mut request);
        let refusal = request.refusal();
        assert!(
            refusal.starts_with("InvalidSignatureException: The request signature"),
            "{refusal}"
        );
    }
}

#[test]
fn a_wrong_secret_key_region_or_key_id_is_refused() {
    let own = Credentials::default;
    let wrong = [
        (
            Credentials {
                secret_access_key: "other".to_owned(),
                ..own()
            },
            "does not match",
        ),
        (
            Credentials {
                region: "eu-west-1".to_owned(),
                ..own()
            },
            "valid region",
        ),
        (
            Credentials {
                access_key_id: "other".to_owned(),
                ..own()
            },
            "security token",
        ),
        (with_token(), "security token"),
    ];
    for (credentials, words) in wrong {
        let refusal = signed(&credentials, NOW_MS).refusal();
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_clock_more_than_five_minutes_off_is_refused() {
    let request = signed(&Credentials::default(), NOW_MS);
    let at = |now_ms| request.verdict_at(&Credentials::default(), now_ms);
    assert_eq!(at(NOW_MS + 300_000), Ok(()));
    assert_eq!(at(NOW_MS - 300_000), Ok(()));
    let late = at(NOW_MS + 301_000).unwrap_err();
    assert_eq!(late.0, 403);
    assert_eq!(
        late.1,
        "InvalidSignatureException: Signature expired: 20260528T202640Z is now earlier than \
         20260528T202641Z (20260528T203141Z - 5 min.)"
    );
    let early = at(NOW_MS - 301_000).unwrap_err();
    assert!(early.1.contains("Signature not yet current"), "{}", early.1);
}

#[test]
fn bearer_tokens_are_compared() {
    let mut request = signed(&Credentials::default(), NOW_MS);
    request.set("Authorization", "Bearer emulator-bearer-token");
    assert_eq!(request.verdict_at(&Credentials::default(), NOW_MS), Ok(()));
    request.set("Authorization", "Bearer other");
    assert!(
        request
            .refusal()
            .starts_with("AccessDeniedException: Authentication failed")
    );
}

#[test]
fn half_a_header_and_none_are_refused() {
    let mut request = signed(&Credentials::default(), NOW_MS);
    request.set(
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
    );
    assert_eq!(
        request
            .verdict_at(&Credentials::default(), NOW_MS)
            .unwrap_err()
            .0,
        400
    );
    request.headers.retain(|(name, _)| name != "Authorization");
    assert!(
        request
            .refusal()
            .starts_with("MissingAuthenticationTokenException")
    );
}
