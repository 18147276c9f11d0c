//! Protocol upgrades, WebSocket among them: forwarded to the original, and once it agrees, bytes
//! both ways until one side leaves.

use super::reply::{self, ReplyBody};
use super::{Lease, Shared, refused_key};
use crate::drain::Phase;
use crate::upstream::body::RequestBody;
use crate::upstream::original::{self, Hop};
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use std::sync::Arc;

/// Forwards the request and, if the original switches protocols, joins the two connections.
pub(super) async fn upgrade(
    shared: &Arc<Shared>,
    mut head: Box<Parts>,
    body: Incoming,
) -> Response<ReplyBody> {
    shared.metrics.other_request();
    let config = Arc::clone(&shared.snapshot.load().config);
    if let Some(refusal) = refused_key(&config, &head.headers) {
        return refusal;
    }
    let callers_side = head.extensions.remove::<OnUpgrade>();
    let lease = head.extensions.remove::<Lease>();
    let body = RequestBody::Streamed(body);
    let sent = original::send(
        &shared.transport,
        &config.original,
        head,
        body,
        Hop::Upgrades,
    )
    .await;
    let mut response = match sent {
        Ok(response) => response,
        Err(why) => {
            why.log(None);
            return reply::unanswered(&why);
        }
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response.map(|body| ReplyBody::Forward(super::ForwardBody::plain(body)));
    }
    let originals_side = on(&mut response);
    if let Some(callers_side) = callers_side {
        tokio::spawn(join(
            callers_side,
            originals_side,
            Arc::clone(shared),
            lease,
        ));
    }
    response.map(|_| ReplyBody::Held(Bytes::new()))
}

/// Copies both ways until one side ends, or the process does. The caller keeps its place.
async fn join(
    callers_side: OnUpgrade,
    originals_side: OnUpgrade,
    shared: Arc<Shared>,
    _lease: Option<Lease>,
) {
    let both = async {
        let (caller, original) = tokio::try_join!(callers_side, originals_side)?;
        let (mut caller, mut original) = (TokioIo::new(caller), TokioIo::new(original));
        // An end without a farewell is how many of these connections end.
        let _ = tokio::io::copy_bidirectional(&mut caller, &mut original).await;
        Ok::<(), hyper::Error>(())
    };
    tokio::select! {
        joined = both => {
            if let Err(error) = joined {
                tracing::warn!(%error, "an upgraded connection could not be joined");
            }
        }
        () = shared.drain.clone().reached(Phase::Cut) => {}
    }
}
