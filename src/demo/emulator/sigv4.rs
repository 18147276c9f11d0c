//! Checks who calls the Bedrock emulator: the signature is computed again, with the SDK's own
//! signer, from what arrived.
//!
//! Only the listed headers are signed again, so a client may sign any set that names `host` and
//! `x-amz-date`. The wording of a refusal is the service's.

use super::log::sha256_hex;
use aws_credential_types::Credentials as SdkCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_types::DateTime;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far a signature's time may be from the service's.
const SKEW: Duration = Duration::from_secs(300);

/// Who may call; dummies, nothing here opens anything but an emulator.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: String,
    /// The session token that must come with it; none: none may.
    pub session_token: Option<String>,
    /// The API key for `Authorization: Bearer`; none: none is accepted.
    pub bearer: Option<String>,
    /// The region that signatures must name.
    pub region: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            access_key_id: "emulator-access-key-id".to_owned(),
            secret_access_key: "emulator-secret-access-key".to_owned(),
            session_token: None,
            bearer: Some("emulator-bearer-token".to_owned()),
            region: "us-east-1".to_owned(),
        }
    }
}

/// A refusal: the exception's name and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: 403,
            code,
            message: message.into(),
        }
    }

    fn signature(message: impl Into<String>) -> Self {
        Self::new("InvalidSignatureException", message)
    }

    fn mismatch() -> Self {
        Self::signature(
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method. Consult the service \
             documentation for details.",
        )
    }
}

/// What is checked of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'r> {
    pub(super) method: &'r str,
    /// Path and query as sent.
    pub(super) target: &'r str,
    pub(super) headers: &'r [(String, String)],
    pub(super) body: &'r [u8],
}

impl<'r> Received<'r> {
    fn header(&self, name: &str) -> Option<&'r str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether `request` may be served at `unix_ms`.
pub(super) fn check(
    request: Received<'_>,
    credentials: &Credentials,
    unix_ms: u64,
) -> Result<(), Refusal> {
    let Some(authorization) = request.header("authorization") else {
        let code = "MissingAuthenticationTokenException";
        return Err(Refusal::new(code, "Missing Authentication Token"));
    };
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return if credentials.bearer.as_deref() == Some(token) {
            Ok(())
        } else {
            let message = "Authentication failed: Please make sure your API Key is valid.";
            Err(Refusal::new("AccessDeniedException", message))
        };
    }
    let claim = Claim::parse(authorization).ok_or_else(|| {
        let message = "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' \
                       parameters.";
        Refusal {
            status: 400,
            ..Refusal::new("IncompleteSignatureException", message)
        }
    })?;
    claim.check_scope(&request, credentials)?;
    let time = check_time(request.header("x-amz-date").unwrap_or_default(), unix_ms)?;
    let token = request.header("x-amz-security-token");
    if token != credentials.session_token.as_deref() {
        let message = "The security token included in the request is invalid.";
        return Err(Refusal::new("UnrecognizedClientException", message));
    }
    let expected = claim
        .sign_again(&request, credentials, time)
        .ok_or_else(Refusal::mismatch)?;
    if expected == claim.signature {
        Ok(())
    } else {
        Err(Refusal::mismatch())
    }
}

/// The parts of an `AWS4-HMAC-SHA256` header.
struct Claim<'a> {
    access_key_id: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(authorization: &'a str) -> Option<Self> {
        let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let parameter = |name: &str| {
            parameters
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let mut scope = parameter("Credential")?.split('/');
        let claim = Self {
            access_key_id: scope.next()?,
            day: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            signed_headers: parameter("SignedHeaders")?.split(';').collect(),
            signature: parameter("Signature")?,
        };
        (scope.next()? == "aws4_request" && scope.next().is_none()).then_some(claim)
    }

    fn check_scope(
        &self,
        request: &Received<'_>,
        credentials: &Credentials,
    ) -> Result<(), Refusal> {
        if self.access_key_id != credentials.access_key_id {
            let message = "The security token included in the request is invalid.";
            return Err(Refusal::new("UnrecognizedClientException", message));
        }
        if self.service != "bedrock" {
            let message = "Credential should be scoped to correct service: 'bedrock'.";
            return Err(Refusal::signature(message));
        }
        if self.region != credentials.region {
            return Err(Refusal::signature(
                "Credential should be scoped to a valid region.",
            ));
        }
        let signed = |name: &str| self.signed_headers.contains(&name);
        let token = request.header("x-amz-security-token").is_some();
        if !signed("host") || !signed("x-amz-date") || (token && !signed("x-amz-security-token")) {
            let message = "'Host', 'X-Amz-Date' and 'X-Amz-Security-Token' must be signed headers.";
            return Err(Refusal::signature(message));
        }
        let date = request.header("x-amz-date").unwrap_or_default();
        if date.get(..8) != Some(self.day) {
            let message = "Date in Credential scope does not match YYYYMMDD from X-Amz-Date.";
            return Err(Refusal::signature(message));
        }
        Ok(())
    }

    /// The signature that `credentials` give; none where the request cannot be signed at all.
    fn sign_again(
        &self,
        request: &Received<'_>,
        credentials: &Credentials,
        time: SystemTime,
    ) -> Option<String> {
        let mut settings = SigningSettings::default();
        // What was listed as signed is signed, whatever the signer itself would leave out.
        settings.excluded_headers = None;
        let hash = sha256_hex(request.body);
        let mut body = SignableBody::Bytes(request.body);
        if self.signed_headers.contains(&"x-amz-content-sha256") {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        match request.header("x-amz-content-sha256") {
            Some("UNSIGNED-PAYLOAD") => body = SignableBody::UnsignedPayload,
            Some(claimed) if claimed != hash => return None,
            Some(_) | None => {}
        }
        // These three the signer adds itself.
        let own = ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];
        let headers = self
            .signed_headers
            .iter()
            .filter(|name| !own.contains(name))
            .flat_map(|name| {
                let same = move |(known, value): &'_ (String, String)| {
                    known.eq_ignore_ascii_case(name).then(|| value.clone())
                };
                request
                    .headers
                    .iter()
                    .filter_map(same)
                    .map(move |value| (*name, value))
            })
            .collect::<Vec<_>>();
        let identity = SdkCredentials::new(
            credentials.access_key_id.as_str(),
            credentials.secret_access_key.as_str(),
            credentials.session_token.clone(),
            None,
            "emulator",
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(time)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let uri = format!("http://{}{}", request.header("host")?, request.target);
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new(request.method, uri, headers, body).ok()?;
        Some(sign(signable, &parameters).ok()?.signature().to_owned())
    }
}

/// The time of `x-amz-date`, if the service's clock is near it.
fn check_time(date: &str, unix_ms: u64) -> Result<SystemTime, Refusal> {
    let Some(time) = parse_date(date) else {
        let message = "Date must be in ISO-8601 'basic format'. Got '{}'.";
        let refusal = Refusal::new("IncompleteSignatureException", message.replace("{}", date));
        return Err(Refusal {
            status: 400,
            ..refusal
        });
    };
    let now = UNIX_EPOCH + Duration::from_millis(unix_ms);
    let shown = |time: SystemTime| basic_date(time).unwrap_or_default();
    if time + SKEW < now {
        return Err(Refusal::signature(format!(
            "Signature expired: {date} is now earlier than {} ({} - 5 min.)",
            shown(now - SKEW),
            shown(now)
        )));
    }
    if time > now + SKEW {
        return Err(Refusal::signature(format!(
            "Signature not yet current: {date} is still later than {} ({} + 5 min.)",
            shown(now + SKEW),
            shown(now)
        )));
    }
    Ok(time)
}

/// `20260102T030405Z` as a time.
fn parse_date(date: &str) -> Option<SystemTime> {
    let part = |range: std::ops::Range<usize>| date.get(range);
    if !date.is_ascii() || date.len() != 16 || part(8..9)? != "T" || part(15..16)? != "Z" {
        return None;
    }
    let extended = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    let parsed = DateTime::from_str(&extended, aws_smithy_types::date_time::Format::DateTime);
    SystemTime::try_from(parsed.ok()?).ok()
}

fn basic_date(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let date = DateTime::from_secs(i64::try_from(seconds).ok()?);
    let extended = date
        .fmt(aws_smithy_types::date_time::Format::DateTime)
        .ok()?;
    Some(extended.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests;
