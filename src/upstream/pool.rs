//! Open connections to the providers, kept for the next call.
//!
//! For each origin one stack, last in, first out: in a quiet hour the same few connections serve,
//! and the others grow old and are closed. A connection comes back when the body of its answer is
//! dropped, read or not; hyper then finishes or closes it, and only one that is ready again is
//! taken. A call that finds none opens its own, and does not wait for one to come back.
//!
//! Why not hyper-util's pooled client: it hashes the origin three times a call, races every new
//! connection against a returned one and starts a task where one comes back late. A sidecar has
//! two or three origins, and what it adds to a call is what its users pay. What a call does with a
//! connection is [`transport`](super::transport)'s.

use super::body::RequestBody;
use crate::clock::io_now;
use bytes::Bytes;
use http::Uri;
use http::uri::{Authority, Scheme};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Connections that no call uses. Cloning shares them.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Kept>>);

/// What is kept.
#[derive(Default)]
struct Kept {
    /// As many as the configurations of this process ever named.
    origins: Vec<Origin>,
    is_swept: bool,
}

/// Where connections lead, and those that are idle; the oldest in front.
struct Origin {
    scheme: Scheme,
    authority: Authority,
    idle: VecDeque<Idle>,
}

struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// An origin's place in this pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct OriginId(usize);

impl Pool {
    /// The origin of an absolute URI; none of another one.
    pub(super) fn origin(&self, uri: &Uri) -> Option<OriginId> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let mut kept = self.lock();
        let same = |known: &Origin| known.scheme == *scheme && known.authority == *authority;
        let found = kept.origins.iter().position(same).unwrap_or_else(|| {
            kept.origins.push(Origin {
                scheme: scheme.clone(),
                authority: authority.clone(),
                idle: VecDeque::new(),
            });
            kept.origins.len() - 1
        });
        Some(OriginId(found))
    }

    /// The connection that was used last, of those that can take a request.
    pub(super) fn take(&self, origin: OriginId) -> Option<SendRequest<RequestBody>> {
        let now = io_now();
        let mut kept = self.lock();
        let idle = &mut kept.origins.get_mut(origin.0)?.idle;
        let is_settled = |it: &Idle| it.sender.is_ready() || it.sender.is_closed();
        // From the end, and as a rule the first one is it. Passed over are those whose answer was
        // left half read, or whose request is still on its way.
        while let Some(place) = idle.iter().rposition(is_settled) {
            let it = idle.remove(place)?;
            if it.sender.is_ready() && !is_old(&it, now) {
                return Some(it.sender);
            }
        }
        None
    }

    /// Takes a connection back, unless it is closed; the oldest gives way if there are too many.
    fn put(&self, origin: OriginId, sender: SendRequest<RequestBody>) {
        if sender.is_closed() {
            return;
        }
        let since = io_now();
        let mut kept = self.lock();
        let Some(origin) = kept.origins.get_mut(origin.0) else {
            return;
        };
        if origin.idle.len() >= MAX_IDLE {
            // Those of abandoned answers close a little later than they come back.
            origin.idle.retain(|it| !it.sender.is_closed());
        }
        if origin.idle.len() >= MAX_IDLE {
            origin.idle.pop_front();
        }
        origin.idle.push_back(Idle { sender, since });
    }

    /// Closes old connections from now on, where nobody does it yet. Only inside a runtime.
    pub(super) fn sweep(&self) {
        if !std::mem::replace(&mut self.lock().is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what is old, until the pool is gone.
async fn sweep(pool: Weak<Mutex<Kept>>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = io_now();
        let mut kept = pool.lock().unwrap_or_else(PoisonError::into_inner);
        for origin in &mut kept.origins {
            origin
                .idle
                .retain(|it| !it.sender.is_closed() && !is_old(it, now));
        }
    }
}

fn is_old(idle: &Idle, now: Instant) -> bool {
    now.saturating_duration_since(idle.since) > IDLE
}

/// The body of an answer. Dropping it gives its connection back, or cancels what is not read yet.
pub(crate) struct AnswerBody {
    body: Incoming,
    borrowed: Option<Borrowed>,
}

/// The connection of an answer.
pub(super) struct Borrowed {
    /// Where it goes back to.
    pub(super) pool: Pool,
    /// Where it leads.
    pub(super) origin: OriginId,
    /// What takes the next request.
    pub(super) sender: SendRequest<RequestBody>,
}

impl Borrowed {
    /// Puts the connection back.
    pub(super) fn give_back(self) {
        self.pool.put(self.origin, self.sender);
    }
}

impl AnswerBody {
    /// A body and its connection; none where that is used for nothing else afterwards.
    pub(super) const fn new(body: Incoming, borrowed: Option<Borrowed>) -> Self {
        Self { body, borrowed }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(borrowed) = self.borrowed.take() {
            borrowed.give_back();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long an unused connection is kept: below the 90 s and more after which providers' load
/// balancers close it, so that a request rarely meets a closing connection.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is looked for old ones that no call comes across.
const SWEEP: Duration = Duration::from_secs(30);

/// Unused connections kept for one origin.
const MAX_IDLE: usize = 256;

#[cfg(test)]
mod tests;
