//! Ends the connection of a caller that stops reading.
//!
//! hyper asks a body for more only when the last piece is written. A caller that stays connected and
//! reads nothing would therefore hold its call, and with it a Bedrock stream and all its limits,
//! for ever. A write that does not get on for [`LIMIT`] is an error here; hyper then drops the
//! connection and the call with it, which counts as a caller that left.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A caller's connection whose writes must get on.
pub(super) struct Unstalled<IO> {
    io: IO,
    /// Runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<IO> Unstalled<IO> {
    pub(super) const fn new(io: IO) -> Self {
        Self { io, timer: None }
    }

    /// What became of a write: as it is, or an error after a wait of [`LIMIT`].
    fn limited<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LIMIT)));
        timer.as_mut().poll(cx).map(|()| {
            let why = format!("the caller has read nothing for {LIMIT:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        })
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Unstalled<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Unstalled<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.limited(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, parts);
        this.limited(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// How long a write may wait for the caller. nginx ends its callers after the same time, and an app
/// that reads a stream at all never lets the kernel's buffers stay full so long.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_ends() {
        let (caller, _reads_nothing) = tokio::io::duplex(4);
        let mut caller = Unstalled::new(caller);
        let started = crate::clock::io_now();
        let why = caller.write_all(b"12345678").await.expect_err("stalled");
        assert_eq!(why.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_that_gets_on_is_left_alone() {
        let (caller, mut reader) = tokio::io::duplex(4);
        let mut caller = Unstalled::new(caller);
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while read < 20 {
                tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
                read += reader.read(&mut [0; 4]).await.expect("more comes");
            }
        });
        caller.write_all(&[0; 20]).await.expect("it gets on");
        reading.await.expect("the reader saw all");
    }
}
