//! Calls Bedrock's ConverseStream.
//!
//! The SDK decides where (endpoint rules) and as whom (credentials); signing and framing are its
//! own crates; our transport carries. The request starts from an empty header map: nothing that
//! the app sent can reach AWS but what the translation put into the body.

use super::body::RequestBody;
use super::credentials::{Identity, Keyring, Standing};
use super::frames::EventStream;
use super::pool::AnswerBody;
use super::signature::{self, Signer};
use super::transport::Transport;
use super::{Failure, retry_after, with_causes};
use crate::clock;
use crate::config;
use crate::converse::ServiceError;
use crate::outcome::{Class, Fault};
use crate::translate::error::{Kind, kind};
use arc_swap::ArcSwapOption;
use aws_sdk_bedrockruntime::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// The Bedrock side of this process.
#[derive(Debug)]
pub(crate) struct Bedrock {
    transport: Transport,
    keyring: Arc<Keyring>,
    endpoint: ArcSwapOption<Endpoint>,
    signer: Signer,
    /// How far our wall clock is behind the service's, in seconds; signatures are dated with it.
    skew_s: AtomicI64,
}

/// Where a configuration's calls go.
#[derive(Debug)]
struct Endpoint {
    region: String,
    configured: Option<Uri>,
    scheme: Scheme,
    authority: Authority,
    /// Without a trailing slash.
    path_prefix: String,
    host: HeaderValue,
}

impl Bedrock {
    pub(crate) fn new(transport: Transport, keyring: Arc<Keyring>) -> Self {
        Self {
            transport,
            keyring,
            endpoint: ArcSwapOption::empty(),
            signer: Signer::default(),
            skew_s: AtomicI64::new(0),
        }
    }

    /// Whether the identity is still being looked up for the first time: no call waits for that.
    pub(crate) fn starting(&self) -> bool {
        matches!(*self.keyring.standing(), Standing::Pending)
    }

    /// Where calls go: host and port; none before the first one.
    pub(crate) fn server(&self) -> Option<(String, u16)> {
        let endpoint = self.endpoint.load();
        let endpoint = endpoint.as_ref()?;
        let encrypted = endpoint.scheme == Scheme::HTTPS;
        let port = endpoint.authority.port_u16();
        Some((
            endpoint.authority.host().to_owned(),
            port.unwrap_or(if encrypted { 443 } else { 80 }),
        ))
    }

    /// Sends a Converse body and returns the events of the answer. Dropping either cancels the
    /// call. The time is the caller's to limit.
    ///
    /// # Errors
    ///
    /// Why no stream of events came, with what it counts as.
    pub(crate) async fn converse_stream(
        &self,
        to: &config::Bedrock,
        model_id: &str,
        body: Vec<u8>,
    ) -> Result<EventStream<AnswerBody>, Failure> {
        let endpoint = self.endpoint(to).await?;
        let request = self.signed(&endpoint, model_id, Bytes::from(body))?;
        let sent = self.transport.send(request).await;
        let response = sent.map_err(|error| Failure::new(Class::Network, with_causes(&error)))?;
        if response.status() == StatusCode::OK {
            self.keyring.accepted();
            let kind = response
                .headers()
                .get(CONTENT_TYPE)
                .map(HeaderValue::as_bytes);
            if kind.is_some_and(|kind| kind.starts_with(EVENT_STREAM.as_bytes())) {
                return Ok(EventStream::new(response.into_body()));
            }
            return Err(Failure::new(
                Class::Malformed,
                "the answer is no event stream",
            ));
        }
        Err(self.refusal(response).await)
    }

    /// Where a configuration's calls go: scheme and authority.
    ///
    /// # Errors
    ///
    /// Why the SDK's rules give no endpoint.
    pub(crate) async fn base(&self, to: &config::Bedrock) -> Result<Uri, Failure> {
        let endpoint = self.endpoint(to).await?;
        Uri::builder()
            .scheme(endpoint.scheme.clone())
            .authority(endpoint.authority.clone())
            .path_and_query("/")
            .build()
            .map_err(|error| Failure::new(Class::Config, format!("no endpoint: {error}")))
    }

    /// How far this machine's clock is behind the service's, in seconds, as far as the service has
    /// complained of it; negative: ahead.
    pub(crate) fn clock_skew_s(&self) -> i64 {
        self.skew_s.load(Ordering::Relaxed)
    }

    /// The endpoint that the SDK's rules give, resolved once for a configuration.
    async fn endpoint(&self, to: &config::Bedrock) -> Result<Arc<Endpoint>, Failure> {
        if let Some(known) = self.endpoint.load_full()
            && known.region == to.region
            && known.configured == to.endpoint
        {
            return Ok(known);
        }
        let endpoint = Arc::new(
            resolve(to)
                .await
                .map_err(|why| Failure::new(Class::Config, why))?,
        );
        self.endpoint.store(Some(Arc::clone(&endpoint)));
        Ok(endpoint)
    }

    fn signed(
        &self,
        endpoint: &Endpoint,
        model_id: &str,
        body: Bytes,
    ) -> Result<Request<RequestBody>, Failure> {
        let path = path_behind(&endpoint.path_prefix, model_id);
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(HOST, endpoint.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        match &*self.keyring.standing() {
            Standing::Held(Identity::Keys(keys)) => {
                let call = signature::Call {
                    host: endpoint.authority.as_str(),
                    path: &path,
                    body: &body,
                };
                let now = self.service_time();
                self.signer
                    .sign(&mut headers, call, keys, &endpoint.region, now)
                    .map_err(|_| Failure::new(Class::Config, "a signature is no header"))?;
            }
            Standing::Held(Identity::Bearer(token)) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                    .map_err(|_| Failure::new(Class::Config, "the bearer token is no header"))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            Standing::Pending => {
                return Err(Failure::new(
                    Class::Config,
                    "AWS credentials are not known yet",
                ));
            }
            Standing::Missing(why) => {
                // The whole story is in the log of the look-up; each call repeats its first line.
                let why = why.lines().next().unwrap_or_default();
                return Err(Failure::new(
                    Class::Config,
                    format!("no AWS credentials: {why}"),
                ));
            }
        }
        let mut request = Request::new(RequestBody::Held(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::builder()
            .scheme(endpoint.scheme.clone())
            .authority(endpoint.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|error| {
                Failure::new(Class::Config, format!("no URL for this model: {error}"))
            })?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The wall clock, corrected by what the service said of its own.
    fn service_time(&self) -> SystemTime {
        let (now, skew) = (clock::wall(), self.skew_s.load(Ordering::Relaxed));
        let by = Duration::from_secs(skew.unsigned_abs());
        let corrected = if skew < 0 {
            now.checked_sub(by)
        } else {
            now.checked_add(by)
        };
        corrected.unwrap_or(now)
    }

    /// Reads the service's error and draws what consequences it has for later calls.
    async fn refusal(&self, response: Response<AnswerBody>) -> Failure {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ERROR_BYTES).collect().await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let error_type = head
            .headers
            .get("x-amzn-errortype")
            .and_then(|v| v.to_str().ok());
        let error = ServiceError::from_http(head.status.as_u16(), error_type, &body);
        match kind(&error) {
            Kind::Credentials | Kind::CredentialsExpired => self.keyring.refused(),
            Kind::ClockSkew => self.correct_clock(head.headers.get(DATE)),
            Kind::Server
            | Kind::Unavailable
            | Kind::Timeout
            | Kind::Model
            | Kind::ModelStream
            | Kind::NotReady
            | Kind::Throttle
            | Kind::Quota
            | Kind::Config
            | Kind::Validation
            | Kind::ContextWindow => {}
        }
        let failure = failure_of(&error);
        let throttled = failure.fault == Fault::Counted(Class::Throttle);
        Failure {
            retry_after: throttled
                .then(|| retry_after::read(&head.headers))
                .flatten(),
            ..failure
        }
    }

    /// Signs the next calls with the service's time.
    fn correct_clock(&self, date: Option<&HeaderValue>) {
        let theirs = date.and_then(|value| value.to_str().ok());
        let Some(theirs) = theirs.and_then(|text| {
            let format = aws_smithy_types::date_time::Format::HttpDate;
            aws_smithy_types::DateTime::from_str(text, format).ok()
        }) else {
            return;
        };
        let ours = clock::wall()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            });
        let skew = theirs.secs().saturating_sub(ours);
        self.skew_s.store(skew, Ordering::Relaxed);
        tracing::warn!(
            skew_s = skew,
            "this machine's clock is off; AWS calls are dated by theirs"
        );
    }
}

/// The path of a streamed call of a model.
pub(crate) fn path(model_id: &str) -> String {
    path_behind("", model_id)
}

fn path_behind(prefix: &str, model_id: &str) -> String {
    let (before, after) = ("/model/", "/converse-stream");
    let most = prefix.len() + before.len() + 3 * model_id.len() + after.len();
    let mut path = String::with_capacity(most);
    path.push_str(prefix);
    path.push_str(before);
    path.extend(utf8_percent_encode(model_id, URI_LABEL));
    path.push_str(after);
    path
}

/// What an error of the service, from its answer or from inside the stream, counts as.
pub(crate) fn failure_of(error: &ServiceError) -> Failure {
    let fault = match kind(error) {
        Kind::Server | Kind::Unavailable | Kind::Timeout | Kind::Model | Kind::ModelStream => {
            Fault::Counted(Class::Server)
        }
        Kind::NotReady | Kind::Throttle | Kind::Quota => Fault::Counted(Class::Throttle),
        Kind::Config | Kind::Credentials | Kind::CredentialsExpired | Kind::ClockSkew => {
            Fault::Counted(Class::Config)
        }
        Kind::Validation => Fault::Refused,
        Kind::ContextWindow => Fault::ContextWindow,
    };
    let message: String = error
        .message
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect();
    Failure {
        fault,
        detail: format!("{} ({}): {message}", error.code, error.status),
        retry_after: None,
        error: Some(Box::new(error.clone())),
    }
}

async fn resolve(to: &config::Bedrock) -> Result<Endpoint, String> {
    let params = Params::builder()
        .region(to.region.clone())
        .set_endpoint(to.endpoint.as_ref().map(ToString::to_string))
        .build()
        .map_err(|error| error.to_string())?;
    let found = DefaultResolver::new();
    let found = found
        .resolve_endpoint(&params)
        .await
        .map_err(|error| error.to_string())?;
    let no_url = || format!("{} is no URL", found.url());
    let uri: Uri = found.url().parse().map_err(|_| no_url())?;
    let uri = uri.into_parts();
    let authority = uri.authority.ok_or_else(no_url)?;
    let path = uri.path_and_query.as_ref();
    Ok(Endpoint {
        region: to.region.clone(),
        configured: to.endpoint.clone(),
        scheme: uri.scheme.ok_or_else(no_url)?,
        host: HeaderValue::from_str(authority.as_str()).map_err(|_| no_url())?,
        authority,
        path_prefix: path
            .map_or("", |path| path.path())
            .trim_end_matches('/')
            .to_owned(),
    })
}

/// What a URI label leaves as it is (RFC 3986's unreserved characters): an ARN's `/` and `:` are
/// encoded, as the SDK does it.
const URI_LABEL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is sent.
pub(super) const JSON: &str = "application/json";

/// What is asked for.
pub(super) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// More than any error of the service; the rest of a longer one is not read.
const MAX_ERROR_BYTES: usize = 64 << 10;
