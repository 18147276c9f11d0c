//! Notices a caller that leaves, whatever else it sent.
//!
//! hyper looks for the end of a connection only where it wants to read: not while bytes behind the
//! request are unread (an odd line end, the next request of a pipeline), nor while a body is held
//! back. The call, and what it costs, would then go on to its own end. But hyper flushes at the end
//! of each turn, and here that is when the socket is asked whether its other side is closed: one
//! load while nothing has come.
//!
//! A socket that is readable wakes nobody again before it is read. What hyper leaves unread is
//! therefore noted and the readiness taken back, so that the task is woken by what comes next, the
//! end among it, and once only; reading begins with what was noted.

use std::io;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop::has_budget_remaining;

/// What is asked of a socket beside reading and writing. Its methods are those of tokio's streams.
pub(super) trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin {
    /// Waits, with the task's one waker for reading, until it is readable or its end has come.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs `act` if it is readable; that it would have blocked takes the readiness back.
    fn try_read(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()>;

    /// What it is ready for.
    fn ready(&self) -> impl Future<Output = io::Result<Ready>>;
}

macro_rules! socket {
    ($stream:ty) => {
        impl Socket for $stream {
            fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Self::poll_read_ready(self, cx)
            }

            fn try_read(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
                self.try_io(Interest::READABLE, act)
            }

            fn ready(&self) -> impl Future<Output = io::Result<Ready>> {
                Self::ready(self, Interest::READABLE)
            }
        }
    };
}

socket!(TcpStream);
socket!(UnixStream);

/// Says that a connection changes its protocol: from then on each side may close by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Switched(Arc<AtomicBool>);

impl Switched {
    pub(super) fn switch(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A caller's socket. A flush or a blocked write fails once the caller has closed its side.
pub(super) struct Watched<S> {
    socket: S,
    reader: Reader,
    /// Bytes may be there although the runtime has been told that none are.
    unread: bool,
    switched: Switched,
}

/// Who knows of what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Nobody yet.
    Busy,
    /// The task: it has been or will be woken.
    Waits,
    /// hyper has read the end.
    Ended,
}

impl<S: Socket> Watched<S> {
    pub(super) const fn new(socket: S, switched: Switched) -> Self {
        Self {
            socket,
            reader: Reader::Busy,
            unread: false,
            switched,
        }
    }

    /// Whether the caller has closed its side; if not, the task is woken when it does.
    fn has_left(&mut self, cx: &mut Context<'_>) -> bool {
        if self.reader == Reader::Ended {
            return false;
        }
        while self.socket.try_read(|| Ok(())).is_ok() {
            if self.switched.is_set() {
                return false;
            }
            if self.is_closed(cx) {
                return true;
            }
            let _ = self
                .socket
                .try_read(|| Err(io::ErrorKind::WouldBlock.into()));
            (self.unread, self.reader) = (true, Reader::Busy);
        }
        if self.reader == Reader::Busy {
            match self.socket.poll_read_ready(cx) {
                Poll::Pending => self.waits(),
                // It has just come: the next turn looks at it.
                Poll::Ready(_) => cx.waker().wake_by_ref(),
            }
        }
        false
    }

    /// Of a socket that is readable.
    fn is_closed(&self, cx: &mut Context<'_>) -> bool {
        let ready = pin!(self.socket.ready());
        matches!(ready.poll(cx), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Notes that the task will be woken. One that has used up its turn is woken for that alone.
    fn waits(&mut self) {
        if has_budget_remaining() {
            self.reader = Reader::Waits;
        }
    }

    /// Reads what the runtime does not know of; none: nothing is there.
    fn read_noted(&mut self, buffer: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        if !std::mem::take(&mut self.unread) {
            return None;
        }
        let room = buffer.initialize_unfilled();
        let all = room.len();
        match rustix::io::read(&self.socket, room) {
            Ok(read) => {
                buffer.advance(read);
                // More may be there, and nobody would say so.
                self.unread = read == all;
                Some(Ok(()))
            }
            Err(rustix::io::Errno::AGAIN) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    fn watched<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_pending() && self.has_left(cx) {
            return Poll::Ready(Err(left()));
        }
        written
    }
}

impl<S: Socket> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = match this.read_noted(buffer) {
            Some(read) => Poll::Ready(read),
            None => Pin::new(&mut this.socket).poll_read(cx, buffer),
        };
        match &read {
            Poll::Pending => this.waits(),
            Poll::Ready(_) if buffer.filled().len() == before => this.reader = Reader::Ended,
            Poll::Ready(_) => this.reader = Reader::Busy,
        }
        read
    }
}

impl<S: Socket> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.watched(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, parts);
        this.watched(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.has_left(cx) {
            return Poll::Ready(Err(left()));
        }
        let flushed = ready!(Pin::new(&mut this.socket).poll_flush(cx));
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

fn left() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the caller has left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Takes turns as hyper does that waits for an answer; how many it took until the caller left.
    async fn turns(watched: &mut Watched<UnixStream>) -> usize {
        let mut turns = 0;
        poll_fn(|cx| {
            turns += 1;
            match Pin::new(&mut *watched).poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(()),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await;
        turns
    }

    /// Lets the other task and the sockets have their turns.
    async fn others() {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_end_behind_unread_bytes_is_noticed_and_nothing_spins() {
        let (socket, mut caller) = UnixStream::pair().expect("sockets");
        let mut watched = Watched::new(socket, Switched::default());
        let watching = tokio::spawn(async move { turns(&mut watched).await });
        for _ in 0..3 {
            caller.write_all(b"unread").await.expect("there is room");
            others().await;
        }
        drop(caller);
        let turns = watching.await.expect("no panic");
        assert!(turns <= 9, "{turns} turns for three pieces and an end");
    }

    #[tokio::test]
    async fn what_was_unread_is_read_later() {
        let (socket, mut caller) = UnixStream::pair().expect("sockets");
        let mut watched = Watched::new(socket, Switched::default());
        caller.write_all(b"unread").await.expect("there is room");
        watched.socket.readable().await.expect("it came");
        watched.flush().await.expect("nobody left");
        assert!(watched.unread, "taken note of");
        let mut read = [0; 4];
        for expected in [b"unre", b"ad, "] {
            if expected == b"ad, " {
                caller.write_all(b", and more").await.expect("room");
            }
            watched.read_exact(&mut read).await.expect("more");
            assert_eq!(&read, expected);
        }
        drop(caller);
        let mut rest = String::new();
        watched.read_to_string(&mut rest).await.expect("the rest");
        assert_eq!(rest, "and more");
        watched.flush().await.expect("who has read the end knows");
    }

    #[tokio::test]
    async fn another_protocol_may_close_one_side() {
        let (socket, mut caller) = UnixStream::pair().expect("sockets");
        let switched = Switched::default();
        let mut watched = Watched::new(socket, switched.clone());
        caller.write_all(b"unread").await.expect("there is room");
        caller.shutdown().await.expect("half of it");
        watched.socket.readable().await.expect("it came");
        switched.switch();
        watched.flush().await.expect("not the end of both");
    }
}
