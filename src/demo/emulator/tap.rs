//! Keeps the head of each request as it was on the wire.
//!
//! hyper lowers header names and groups repeated ones; a test that wants to know whether a proxy
//! left names, values and their order alone needs the bytes themselves. [`Tap`] sits between the
//! socket and hyper and copies what is read, from the end of one request's body to the end of the
//! next one's head. Requests must not be pipelined; no client of ours does that.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// No head is longer; what exceeds it is not kept.
const LIMIT: usize = 256 * 1024;

/// What [`Tap`] has copied; none while a body is being read.
#[derive(Clone, Debug)]
pub(super) struct Copied(Arc<Mutex<Option<Vec<u8>>>>);

impl Copied {
    /// The header lines of the request whose head just ended, and no copying until
    /// [`resume`](Self::resume).
    pub(super) fn take(&self) -> Vec<(String, String)> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        header_lines(&bytes.unwrap_or_default())
    }

    /// The body is read: the next byte belongs to the next head.
    pub(super) fn resume(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    fn push(&self, bytes: &[u8]) {
        let mut copied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copied) = copied.as_mut() {
            let room = LIMIT.saturating_sub(copied.len());
            copied.extend(bytes.iter().take(room));
        }
    }
}

/// Name and value of each header line, as sent; bytes above ASCII are read as Latin-1.
fn header_lines(bytes: &[u8]) -> Vec<(String, String)> {
    let latin1 = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|&byte| char::from(byte))
            .collect::<String>()
    };
    bytes
        .split(|&byte| byte == b'\n')
        .skip(1)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = line.split_at(colon);
            Some((latin1(name), latin1(value.strip_prefix(b":")?.trim_ascii())))
        })
        .collect()
}

/// A socket whose incoming bytes are copied.
#[derive(Debug)]
pub(super) struct Tap {
    socket: TcpStream,
    copied: Copied,
}

impl Tap {
    /// Wraps `socket`.
    pub(super) fn new(socket: TcpStream) -> (Self, Copied) {
        let copied = Copied(Arc::new(Mutex::new(Some(Vec::new()))));
        (
            Self {
                socket,
                copied: copied.clone(),
            },
            copied,
        )
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(context, buffer))?;
        this.copied
            .push(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::header_lines;

    #[test]
    fn lines_keep_case_order_and_repetition() {
        let head = b"POST /x HTTP/1.1\r\nX-b: 1\r\nx-A:  two \r\nX-b: 3\r\n\r\nnot: this";
        let lines = header_lines(head);
        let lines: Vec<_> = lines
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(lines, [("X-b", "1"), ("x-A", "two"), ("X-b", "3")]);
    }
}
