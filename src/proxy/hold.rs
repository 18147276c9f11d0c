//! Reads a chat body, so that the call can be split and, if need be, asked again.
//!
//! A body is held only within two limits: its own (`limits.body`) and the process's
//! (`limits.buffered`, reserved before the bytes are read). Over either, what was read goes on to
//! the original with the rest streaming after it.

use crate::clock;
use crate::telemetry::metrics::{Held, Metrics};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The process's budget for held bodies, in KiB.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    kib: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Budget {
    /// A budget of `bytes`.
    pub(super) fn new(bytes: usize, metrics: Arc<Metrics>) -> Self {
        let kib = Arc::new(Semaphore::new((bytes / KIB).min(Semaphore::MAX_PERMITS)));
        Self { kib, metrics }
    }

    fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(KIB)).ok()?;
        Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()
    }
}

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
    _kib: OwnedSemaphorePermit,
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
pub(super) async fn read(budget: &Budget, mut body: Incoming, limit: usize) -> Read {
    let size = body.size_hint();
    if size.lower() > limit as u64 {
        return Read::TooLarge(Bytes::new(), body);
    }
    // A chunked body's length is not known: room is reserved as it grows.
    let expected = usize::try_from(size.exact().unwrap_or(0))
        .unwrap_or(limit)
        .max(KIB);
    let Some(mut room) = budget.reserve(expected) else {
        return Read::NoRoom(Bytes::new(), body);
    };
    let mut reserved = expected;
    let until = clock::io_now() + PATIENCE;
    let mut bytes = Gathered::Nothing;
    loop {
        let data = match tokio::time::timeout_at(until, body.frame()).await {
            Ok(None) => {
                let bytes = bytes.freeze();
                let _shown = budget.metrics.buffered(bytes.len());
                let room = Room { _kib: room, _shown };
                return Read::Whole(HeldBody { bytes, room });
            }
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(_))) => return Read::Broken,
            Err(_) => return Read::Slow(bytes.freeze(), body),
        };
        bytes.add(data, expected);
        if bytes.len() > limit {
            return Read::TooLarge(bytes.freeze(), body);
        }
        if bytes.len() > reserved {
            match budget.reserve(reserved) {
                Some(more) => room.merge(more),
                None => return Read::NoRoom(bytes.freeze(), body),
            }
            reserved *= 2;
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

const KIB: usize = 1024;

/// A body that takes longer is not waited for: the original gets it as it comes, as it would at
/// 0 %, and the room is free for others. 32 MiB take that long at 9 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(30);
