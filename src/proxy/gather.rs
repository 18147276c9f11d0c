//! Writes stream frames together that are ready together.
//!
//! hyper hands one decoded chunk per turn of the event loop from the upstream connection to the
//! caller's, which writes each by itself: a burst of 50 deltas costs 50 system calls. Here a frame
//! that comes after a pause goes out at once; one that follows another within [`BURST`] is held
//! while up to [`EMPTY_TURNS`] turns of the loop bring more, or until [`FULL_BYTES`] are held. There
//! is no timer, so a paced stream waits for nothing, and a single frame is passed on without a copy.

use crate::clock;
use bytes::{Bytes, BytesMut};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What one poll of the source brought.
pub(crate) enum Pulled<E> {
    /// Bytes of the stream.
    Data(Bytes),
    /// The stream is over.
    End(Result<(), E>),
}

/// The frames that are held.
#[derive(Debug)]
pub(crate) struct Gather<E> {
    /// When the last frame came.
    last: Option<Instant>,
    held: Held,
    empty_turns: u8,
    end: Option<Result<(), E>>,
}

#[derive(Debug)]
enum Held {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl<E> Gather<E> {
    pub(crate) const fn new() -> Self {
        Self {
            last: None,
            held: Held::Nothing,
            empty_turns: 0,
            end: None,
        }
    }

    /// The next bytes to write, `None` at the end.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut pull: impl FnMut(&mut Context<'_>) -> Poll<Pulled<E>>,
    ) -> Poll<Option<Result<Bytes, E>>> {
        while self.end.is_none() && self.held.len() < FULL_BYTES {
            match pull(cx) {
                // No frame: held, it would cost turns and a write, and make the next one wait.
                Poll::Ready(Pulled::Data(data)) if data.is_empty() => {}
                Poll::Ready(Pulled::Data(data)) => {
                    if self.is_after_a_pause() && matches!(self.held, Held::Nothing) {
                        return Poll::Ready(Some(Ok(data)));
                    }
                    self.empty_turns = 0;
                    self.held.add(data);
                }
                Poll::Ready(Pulled::End(end)) => self.end = Some(end),
                Poll::Pending if matches!(self.held, Held::Nothing) => return Poll::Pending,
                Poll::Pending if self.empty_turns < EMPTY_TURNS => {
                    self.empty_turns += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => break,
            }
        }
        self.empty_turns = 0;
        if let Some(data) = self.held.take() {
            return Poll::Ready(Some(Ok(data)));
        }
        match self.end.replace(Ok(())) {
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(())) | None => Poll::Ready(None),
        }
    }

    /// Notes that a frame came; whether none came shortly before it.
    fn is_after_a_pause(&mut self) -> bool {
        let now = clock::io_now();
        let last = self.last.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) > BURST)
    }
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn add(&mut self, data: Bytes) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut both = BytesMut::with_capacity(2 * (first.len() + data.len()));
                both.extend_from_slice(&first);
                both.extend_from_slice(&data);
                Self::Several(both)
            }
            Self::Several(mut bytes) => {
                bytes.extend_from_slice(&data);
                Self::Several(bytes)
            }
        };
    }

    fn take(&mut self) -> Option<Bytes> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => None,
            Self::One(bytes) => Some(bytes),
            Self::Several(bytes) => Some(bytes.freeze()),
        }
    }
}

/// Frames this close together were sent together: no model generates so fast.
const BURST: Duration = Duration::from_millis(1);

/// Measured: one empty turn merges almost nothing, three merge a burst into three writes.
const EMPTY_TURNS: u8 = 3;

/// A write is not made larger by holding more.
const FULL_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::task::Waker;

    /// What happens between two polls, or in one.
    #[derive(Clone, Copy)]
    enum Step {
        /// A frame is ready.
        Frame(&'static str),
        /// Nothing is ready in this turn.
        Turn,
        /// Nothing is ready in this turn, nor for a while after it.
        Pause,
    }

    use Step::{Frame, Pause, Turn};

    /// Polls until the end of the script.
    async fn writes(script: &[Step]) -> Vec<String> {
        let mut script: VecDeque<_> = script.iter().copied().collect();
        let mut gather: Gather<()> = Gather::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut writes = Vec::new();
        loop {
            let mut paused = false;
            let polled = gather.poll(&mut cx, |_| match script.pop_front() {
                Some(Frame(data)) => Poll::Ready(Pulled::Data(Bytes::from_static(data.as_bytes()))),
                Some(step @ (Turn | Pause)) => {
                    paused = matches!(step, Pause);
                    Poll::Pending
                }
                None => Poll::Ready(Pulled::End(Ok(()))),
            });
            if paused {
                tokio::time::advance(2 * BURST).await;
            }
            match polled {
                Poll::Pending => {}
                Poll::Ready(Some(data)) => {
                    let data = data.expect("the script has no errors");
                    writes.push(String::from_utf8(data.to_vec()).expect("the script is text"));
                }
                Poll::Ready(None) => return writes,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_frame_goes_out_at_once_and_a_burst_together() {
        let burst = [
            Frame("a"),
            Frame("b"),
            Turn,
            Frame("c"),
            Turn,
            Turn,
            Frame("d"),
        ];
        assert_eq!(writes(&burst).await, ["a", "bcd"]);
        let two = [
            Frame("a"),
            Frame("b"),
            Turn,
            Turn,
            Turn,
            Pause,
            Frame("c"),
            Frame("d"),
        ];
        assert_eq!(writes(&two).await, ["a", "b", "c", "d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_frame_waits_for_three_empty_turns_and_no_longer() {
        let script = [Frame("a"), Frame("b"), Turn, Turn, Turn, Turn, Frame("c")];
        assert_eq!(writes(&script).await, ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_frame_waits_for_nothing() {
        let mut gather: Gather<()> = Gather::new();
        let mut cx = Context::from_waker(Waker::noop());
        for data in ["a", "b", "c"] {
            tokio::time::advance(2 * BURST).await;
            let data = Bytes::from_static(data.as_bytes());
            let polled = gather.poll(&mut cx, |_| Poll::Ready(Pulled::Data(data.clone())));
            assert_eq!(polled, Poll::Ready(Some(Ok(data))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_piece_is_no_frame() {
        let script = [Frame(""), Frame("a"), Frame(""), Turn, Pause, Frame("b")];
        assert_eq!(writes(&script).await, ["a", "b"]);
        let mut gather: Gather<()> = Gather::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut pieces = ["a", ""].into_iter();
        let mut poll = || {
            gather.poll(&mut cx, |_| {
                pieces.next().map_or(Poll::Pending, |piece| {
                    Poll::Ready(Pulled::Data(Bytes::from_static(piece.as_bytes())))
                })
            })
        };
        assert_eq!(poll(), Poll::Ready(Some(Ok(Bytes::from_static(b"a")))));
        assert_eq!(poll(), Poll::Pending);
        for _ in 0..=EMPTY_TURNS {
            assert_eq!(
                poll(),
                Poll::Pending,
                "nothing is held, so nothing is written"
            );
        }
    }

    #[test]
    fn what_is_held_is_written_before_an_error() {
        let mut steps = VecDeque::from([
            Pulled::Data(Bytes::from_static(b"a")),
            Pulled::Data(Bytes::from_static(b"b")),
            Pulled::End(Err("reset")),
        ]);
        let mut gather = Gather::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut seen = Vec::new();
        for _ in 0..4 {
            let next = gather.poll(&mut cx, |_| {
                Poll::Ready(steps.pop_front().expect("scripted"))
            });
            seen.push(next);
        }
        assert_eq!(
            seen,
            [
                Poll::Ready(Some(Ok(Bytes::from_static(b"a")))),
                Poll::Ready(Some(Ok(Bytes::from_static(b"b")))),
                Poll::Ready(Some(Err("reset"))),
                Poll::Ready(None),
            ]
        );
    }
}
