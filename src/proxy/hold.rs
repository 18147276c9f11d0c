//! Reads a chat body, so that the call can be split and, if need be, asked again.
//!
//! A body is held only within two limits: its own (`limits.body`) and the process's
//! (`limits.buffered`, taken as the bytes arrive). Over either, what was read goes on to
//! the original with the rest streaming after it.

use super::Shared;
use super::quota::Taken;
use crate::clock;
use crate::config::Limits;
use crate::telemetry::metrics::Held;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::time::Duration;

/// A body that is held, and the room that it takes.
#[derive(Debug)]
pub(super) struct HeldBody {
    /// The body.
    pub(super) bytes: Bytes,
    /// Gives the room back.
    pub(super) room: Room,
}

/// The room that a held body takes, until it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    _bytes: Taken,
    _shown: Held,
}

/// What became of reading a body.
#[derive(Debug)]
pub(super) enum Read {
    /// It is held whole.
    Whole(HeldBody),
    /// It is larger than `limits.body`.
    TooLarge(Bytes, Incoming),
    /// The process holds enough already.
    NoRoom(Bytes, Incoming),
    /// It takes too long to arrive.
    Slow(Bytes, Incoming),
    /// The caller's message is broken.
    Broken,
}

/// Reads `body`, whose length may be known from its head.
pub(super) async fn read(shared: &Shared, mut body: Incoming, limits: &Limits) -> Read {
    let size = body.size_hint();
    if size.lower() > limits.body as u64 {
        return Read::TooLarge(Bytes::new(), body);
    }
    let expected = usize::try_from(size.lower()).unwrap_or(0);
    let Some(mut room) = shared.held_bytes.take(0, limits.buffered) else {
        return Read::NoRoom(Bytes::new(), body);
    };
    let until = clock::io_now() + PATIENCE;
    let mut bytes = Gathered::Nothing;
    loop {
        let data = match tokio::time::timeout_at(until, body.frame()).await {
            Ok(None) => {
                let bytes = bytes.freeze();
                let _shown = shared.metrics.buffered(bytes.len());
                let room = Room {
                    _bytes: room,
                    _shown,
                };
                return Read::Whole(HeldBody { bytes, room });
            }
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(_))) => return Read::Broken,
            Err(_) => return Read::Slow(bytes.freeze(), body),
        };
        // Room is taken for what is there, not for what a head claims.
        let fits = room.grow(data.len(), limits.buffered);
        bytes.add(data, expected);
        if bytes.len() > limits.body {
            return Read::TooLarge(bytes.freeze(), body);
        }
        if !fits {
            return Read::NoRoom(bytes.freeze(), body);
        }
    }
}

/// Bytes that came in one piece are not copied.
enum Gathered {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn add(&mut self, data: Bytes, expected: usize) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(expected.max(first.len() + data.len()));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Self::Several(all)
            }
            Self::Several(mut all) => {
                all.extend_from_slice(&data);
                Self::Several(all)
            }
        };
    }

    fn freeze(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

/// A body that takes longer is not waited for: the original gets it as it comes, as it would at
/// 0 %, and the room is free for others. 32 MiB take that long at 9 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(30);
