//! Signs a Bedrock call (AWS Signature Version 4).
//!
//! Deriving the key and signing with it are `aws-sigv4`'s. A key is good for one day, region and
//! secret, and is kept until one of them changes. The canonical request is written here: that crate
//! makes one of any shape, at ten times the cost, and ours has a single shape, a POST without a
//! query. A property test holds ours against the crate's own.

use super::bedrock::{EVENT_STREAM, JSON};
use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

/// What is signed, beside the constant headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// `Host`, as it is sent.
    pub(super) host: &'a str,
    /// The path, as it is sent: nothing in it but unreserved characters, `/` and escapes.
    pub(super) path: &'a str,
    /// The body.
    pub(super) body: &'a [u8],
}

/// Signs calls, and keeps the derived key.
#[derive(Debug, Default)]
pub(super) struct Signer {
    key: ArcSwapOption<DayKey>,
}

/// A derived key, and what it was derived from.
struct DayKey {
    keys: Credentials,
    region: String,
    /// `YYYYMMDD`.
    day: String,
    /// `day/region/service/aws4_request`.
    scope: String,
    key: Vec<u8>,
}

impl Signer {
    /// Adds the headers of a signature made at `now` to `headers`, which must be the ones that are
    /// signed: `accept`, `content-type` and `host`.
    ///
    /// # Errors
    ///
    /// A key id or session token that cannot be in a header.
    pub(super) fn sign(
        &self,
        headers: &mut HeaderMap,
        call: Call<'_>,
        keys: &Credentials,
        region: &str,
        now: SystemTime,
    ) -> Result<(), InvalidHeaderValue> {
        // `YYYY-MM-DDTHH:MM:SSZ` in its basic form.
        let mut time = String::with_capacity(20);
        // Writing to a string cannot fail, here and below.
        let _ = write!(time, "{}", humantime::format_rfc3339_seconds(now));
        time.retain(|letter| letter != '-' && letter != ':');
        let day = time.split('T').next().unwrap_or_default();
        let day_key = self.key(keys, region, day, now);
        let scope = &*day_key.scope;
        let (names, request) = canonical(call, &time, keys.session_token());
        let to_sign = [
            "AWS4-HMAC-SHA256\n",
            &time,
            "\n",
            scope,
            "\n",
            request.as_str(),
        ]
        .concat();
        let signature = calculate_signature(&day_key.key, to_sign.as_bytes());
        let authorization = [
            "AWS4-HMAC-SHA256 Credential=",
            keys.access_key_id(),
            "/",
            scope,
            ", SignedHeaders=",
            names,
            ", Signature=",
            &signature,
        ]
        .concat();
        headers.insert(X_AMZ_DATE, HeaderValue::try_from(time)?);
        if let Some(token) = keys.session_token() {
            let mut token = HeaderValue::from_str(token)?;
            token.set_sensitive(true);
            headers.insert(X_AMZ_SECURITY_TOKEN, token);
        }
        let mut authorization = HeaderValue::try_from(authorization)?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        Ok(())
    }

    /// The key of the day, derived anew when it is another one.
    fn key(&self, keys: &Credentials, region: &str, day: &str, now: SystemTime) -> Arc<DayKey> {
        if let Some(known) = self.key.load_full()
            && known.day == day
            && known.region == region
            && known.keys.secret_access_key() == keys.secret_access_key()
        {
            return known;
        }
        let key = generate_signing_key(keys.secret_access_key(), now, region, SERVICE);
        let key = Arc::new(DayKey {
            keys: keys.clone(),
            region: region.to_owned(),
            day: day.to_owned(),
            scope: format!("{day}/{region}/{SERVICE}/aws4_request"),
            key: key.as_ref().to_vec(),
        });
        self.key.store(Some(Arc::clone(&key)));
        key
    }
}

/// The names of the signed headers, and the hash of the canonical request (the rule of AWS' "Create a
/// signed AWS API request", steps 1 and 2), which is not put together but hashed as it goes. The path is
/// escaped a second time, as for every service but S3.
fn canonical(call: Call<'_>, time: &str, token: Option<&str>) -> (&'static str, HexHash) {
    let mut request = Sha256::new();
    let mut put = |texts: &[&str]| texts.iter().for_each(|text| request.update(text));
    put(&["POST\n"]);
    for (index, between) in call.path.split('%').enumerate() {
        put(&[if index == 0 { "" } else { "%25" }, between]);
    }
    put(&["\n\naccept:", EVENT_STREAM, "\ncontent-type:", JSON]);
    put(&["\nhost:", call.host, "\nx-amz-date:", time, "\n"]);
    let names = match token {
        None => "accept;content-type;host;x-amz-date",
        Some(token) => {
            put(&["x-amz-security-token:", token, "\n"]);
            "accept;content-type;host;x-amz-date;x-amz-security-token"
        }
    };
    let body = HexHash::of(Sha256::new_with_prefix(call.body));
    put(&["\n", names, "\n", body.as_str()]);
    (names, HexHash::of(request))
}

/// A hash in hexadecimal digits. Not `hex::encode`'s text, which grows letter by letter.
struct HexHash([u8; 64]);

impl HexHash {
    fn of(hash: Sha256) -> Self {
        let mut digits = [b'0'; 64];
        // Two digits for each of 32 bytes fit.
        let _ = hex::encode_to_slice(hash.finalize(), &mut digits);
        Self(digits)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DayKey({}, {})", self.day, self.region)
    }
}

/// The signing name of Bedrock's runtime.
const SERVICE: &str = "bedrock";

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;
    use http::header::{ACCEPT, CONTENT_TYPE, HOST};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// What the crate's own signing adds.
    fn judge(
        headers: &HeaderMap,
        call: Call<'_>,
        keys: &Credentials,
        region: &str,
        now: SystemTime,
    ) -> BTreeMap<String, String> {
        let identity = keys.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .expect("complete")
            .into();
        let uri = format!("https://{}{}", call.host, call.path);
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        let body = SignableBody::Bytes(call.body);
        let request = SignableRequest::new("POST", uri, headers, body).expect("signable");
        let signed = sign(request, &params).expect("signed");
        let added = signed.into_parts().0.into_parts().0;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let added = added
            .iter()
            .map(|header| pair(header.name(), header.value()));
        added.collect()
    }

    proptest! {
        #[test]
        fn signatures_are_those_of_the_crate(
            host in "[a-z]{1,9}(:[1-9][0-9]{3})?",
            path in "(/[a-z.]{2,4}x)?/model/[a-zA-Z0-9]([a-zA-Z0-9._~-]|%3A|%2F){0,19}/converse-stream",
            body: Vec<u8>,
            secret in "[!-~]{1,40}",
            token in prop::option::of("[!-~]{1,60}"),
            seconds in prop::collection::vec(0..4_000_000_000_u64, 1..4),
        ) {
            let call = Call { host: &host, path: &path, body: &body };
            let keys = Credentials::new("AKID", secret, token, None, "test");
            let signer = Signer::default();
            for second in seconds {
                let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
                let mut headers = HeaderMap::new();
                headers.insert(HOST, host.parse().expect("a value"));
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
                headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
                for region in ["us-east-1", "eu-west-1"] {
                    let expected = judge(&headers, call, &keys, region, now);
                    let mut signed = headers.clone();
                    signer.sign(&mut signed, call, &keys, region, now).expect("signed");
                    for name in headers.keys() {
                        signed.remove(name);
                    }
                    let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
                    let added: BTreeMap<_, _> = signed
                        .iter()
                        .map(|(name, value)| (name.to_string(), text(value)))
                        .collect();
                    prop_assert_eq!(added, expected);
                }
            }
        }
    }

    #[test]
    fn a_rotated_secret_is_noticed() {
        let signer = Signer::default();
        let keys = |secret: &str| Credentials::new("AKID", secret, None, None, "test");
        let key = |secret| {
            signer.key(
                &keys(secret),
                "us-east-1",
                "19700101",
                SystemTime::UNIX_EPOCH,
            )
        };
        let (first, again, other) = (key("a"), key("a"), key("b"));
        assert!(Arc::ptr_eq(&first, &again));
        assert_ne!(first.key, other.key);
        assert!(!format!("{first:?}").contains("AKID"));
    }
}
