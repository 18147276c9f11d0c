//! A collector of traces: an OTLP receiver over HTTP that reads what it is sent with types which are
//! generated from OpenTelemetry's own schema.

use super::ANY_PORT;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What it does with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Takes it.
    Take,
    /// Takes all but so many spans.
    Reject(i64),
    /// Answers with this status.
    Status(u16),
    /// Never answers.
    Hang,
}

/// One export.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) request: ExportTraceServiceRequest,
    pub(crate) reply: Reply,
}

/// The receiver. It takes everything unless it is told otherwise.
pub(crate) struct Collector {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    exports: Vec<Export>,
    replies: VecDeque<Reply>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let read = ExportTraceServiceRequest::decode(body.clone()).expect("OTLP");
        let reply = {
            let mut state = self.lock();
            let reply = state.replies.pop_front().unwrap_or(Reply::Take);
            state.exports.push(Export {
                path: head.uri.path().to_owned(),
                headers: head.headers,
                body,
                request: read,
                reply,
            });
            reply
        };
        self.changed.send_replace(());
        let partial = |rejected_spans| ExportTraceServiceResponse {
            partial_success: (rejected_spans > 0).then(|| ExportTracePartialSuccess {
                rejected_spans,
                error_message: "not today".to_owned(),
            }),
        };
        let (status, answer) = match reply {
            Reply::Take => (200, partial(0)),
            Reply::Reject(spans) => (200, partial(spans)),
            Reply::Status(status) => (status, partial(0)),
            Reply::Hang => std::future::pending().await,
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/x-protobuf")
            .body(Full::from(answer.encode_to_vec()))
            .expect("an answer")
    }
}

impl Collector {
    /// Starts it on a port of its own.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(ANY_PORT).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a caller");
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.answer(request).await) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, shared }
    }

    /// `traces:` with this collector, for `rollout.yaml`.
    pub(crate) fn section(&self) -> String {
        format!("traces: {{ otlp: '{}' }}\n", self.url)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it does with the next exports.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().replies.extend(replies);
    }

    /// All that it was sent, whatever it answered.
    pub(crate) fn exports(&self) -> Vec<Export> {
        self.shared.lock().exports.clone()
    }

    /// Returns once there are so many exports.
    pub(crate) async fn wait_for_exports(&self, count: usize) -> Vec<Export> {
        let mut changes = self.shared.changed.subscribe();
        loop {
            changes.mark_unchanged();
            let exports = self.exports();
            if exports.len() >= count {
                return exports;
            }
            changes.changed().await.expect("it runs");
        }
    }

    /// The spans that it has taken.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let taken = |export: &Export| matches!(export.reply, Reply::Take | Reply::Reject(_));
        let exports = self.exports().into_iter().filter(taken);
        let resources = exports.flat_map(|export| export.request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// Returns once it has taken so many spans, and checks what every span must be.
    pub(crate) async fn wait_for_spans(&self, count: usize) -> Vec<Span> {
        let mut changes = self.shared.changed.subscribe();
        loop {
            changes.mark_unchanged();
            let spans = self.spans();
            if spans.len() >= count {
                spans.iter().for_each(check);
                return spans;
            }
            changes.changed().await.expect("it runs");
        }
    }
}

/// What the schema demands of every span.
fn check(span: &Span) {
    let is_id = |id: &[u8], bytes| id.len() == bytes && id.iter().any(|byte| *byte != 0);
    assert!(
        is_id(&span.trace_id, 16) && is_id(&span.span_id, 8),
        "{span:?}"
    );
    assert!(
        span.parent_span_id.is_empty() || is_id(&span.parent_span_id, 8),
        "{span:?}"
    );
    assert!(!span.name.is_empty() && span.kind > 0, "{span:?}");
    assert!(
        span.start_time_unix_nano > 1_700_000_000_000_000_000,
        "{span:?}"
    );
    assert!(
        span.end_time_unix_nano >= span.start_time_unix_nano,
        "{span:?}"
    );
    assert!(span.flags & 1 == 1, "{span:?}");
}

/// An attribute's value as text; empty if it is missing.
pub(crate) fn said(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|pair| pair.key == name);
    let value = found.and_then(|pair| pair.value.as_ref()?.value.as_ref());
    match value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::ArrayValue(list)) => {
            let texts = list.values.iter().filter_map(|value| match &value.value {
                Some(Value::StringValue(text)) => Some(text.as_str()),
                _ => None,
            });
            texts.collect::<Vec<_>>().join(",")
        }
        Some(other) => panic!("{other:?}"),
    }
}
