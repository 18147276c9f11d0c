//! Writes stream frames together that are ready together.
//!
//! hyper hands one decoded chunk per turn of the event loop from the upstream connection to the
//! caller's, which writes each by itself: a burst of 50 deltas costs 50 system calls. Here the
//! first frame goes out at once; a later one is held while up to [`EMPTY_TURNS`] turns of the loop
//! bring another, or until [`FULL_BYTES`] are held. There is no timer, so a paced stream waits for
//! nothing that could be noticed, and a single frame is passed on without a copy.

use bytes::{Bytes, BytesMut};
use std::task::{Context, Poll};

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
    begun: bool,
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
            begun: false,
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
                Poll::Ready(Pulled::Data(data)) if !self.begun => {
                    self.begun = true;
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Pulled::Data(data)) => {
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

/// Measured: one empty turn merges almost nothing, three merge a burst into three writes.
const EMPTY_TURNS: u8 = 3;

/// A write is not made larger by holding more.
const FULL_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::task::Waker;

    /// Polls until the end; each `None` of the script is a turn in which nothing is ready.
    fn writes(script: &[Option<&'static str>]) -> Vec<String> {
        let mut script: VecDeque<_> = script.iter().copied().collect();
        let mut gather: Gather<()> = Gather::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut writes = Vec::new();
        loop {
            let polled = gather.poll(&mut cx, |_| match script.pop_front() {
                Some(Some(data)) => Poll::Ready(Pulled::Data(Bytes::from_static(data.as_bytes()))),
                Some(None) => Poll::Pending,
                None => Poll::Ready(Pulled::End(Ok(()))),
            });
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

    #[test]
    fn the_first_frame_goes_out_at_once_and_a_burst_together() {
        let burst = [Some("a"), Some("b"), None, Some("c"), None, None, Some("d")];
        assert_eq!(writes(&burst), ["a", "bcd"]);
    }

    #[test]
    fn a_paced_frame_waits_for_three_empty_turns_and_no_longer() {
        let paced = [
            Some("a"),
            None,
            Some("b"),
            None,
            None,
            None,
            None,
            Some("c"),
        ];
        assert_eq!(writes(&paced), ["a", "b", "c"]);
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
