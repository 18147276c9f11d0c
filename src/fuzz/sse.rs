//! A stream of server-sent events in any split, through what gathers it for the app.
//!
//! Each byte of an input is a turn of the event loop: nothing is ready, or that many bytes (its
//! square, so that a few turns fill a write), or the end. What is written must be what came,
//! in its order, and nobody may wait for a wake-up that never comes.

use crate::proxy::gather::{Gather, Pulled};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Checks `data`; see the module.
pub fn check(data: &[u8]) {
    let mut script = data.iter().copied();
    let mut came: Vec<u8> = Vec::new();
    let mut written: Vec<u8> = Vec::new();
    let (mut end, mut ended) = (None, false);
    let mut gather: Gather<u8> = Gather::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    loop {
        let (woken, held) = (wakes.count(), came.len() - written.len());
        let mut pending = false;
        let polled = gather.poll(&mut cx, |_| {
            assert!(!ended, "the source was asked after its end");
            match script.next() {
                Some(PENDING) => {
                    pending = true;
                    Poll::Pending
                }
                Some(code @ (END | ERROR)) => {
                    ended = true;
                    end = (code == ERROR).then_some(code);
                    Poll::Ready(Pulled::End(end.map_or(Ok(()), Err)))
                }
                Some(root) => {
                    let data = piece(came.len(), usize::from(root) * usize::from(root));
                    came.extend_from_slice(&data);
                    Poll::Ready(Pulled::Data(data))
                }
                None => {
                    ended = true;
                    Poll::Ready(Pulled::End(Ok(())))
                }
            }
        });
        match polled {
            Poll::Pending => {
                assert!(pending, "nothing to wait for");
                let holds = came.len() > written.len();
                assert_eq!(wakes.count() > woken, holds, "{held} bytes were held");
            }
            Poll::Ready(Some(Ok(data))) => {
                assert!(!data.is_empty(), "a write of nothing");
                if written.is_empty() {
                    assert_eq!(data.len(), came.len(), "the first piece goes out alone");
                }
                written.extend_from_slice(&data);
            }
            Poll::Ready(Some(Err(code))) => {
                assert_eq!(end.take(), Some(code), "the source's own error, once");
            }
            Poll::Ready(None) => break,
        }
    }
    assert!(ended && end.is_none(), "the end was told");
    assert!(came == written, "the bytes are what came");
}

/// Nothing is ready.
const PENDING: u8 = 0xff;

/// The source ends as it should.
const END: u8 = 0xfe;

/// The source breaks.
const ERROR: u8 = 0xfd;

/// `length` bytes, none like its neighbours, from place `from` of the stream on.
fn piece(from: usize, length: usize) -> Bytes {
    (from..from + length)
        .map(|at| (at ^ (at >> 8)).to_le_bytes()[0])
        .collect()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
