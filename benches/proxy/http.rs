//! As much of an HTTP/1.1 client as a load generator needs: it writes prepared bytes and finds the
//! end of the answer. Everything else would be measured as if it were the proxy's delay.

use crate::{Result, now};
use memchr::memmem;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What is read and not consumed.
    unread: Range<usize>,
}

/// How long one answer took, and how it began.
pub(crate) struct Exchange {
    /// From the request's first byte out to the first body byte in.
    pub(crate) first: Duration,
    /// From the request's first byte out to the answer's end.
    pub(crate) whole: Duration,
    /// Status line and headers.
    pub(crate) head: Vec<u8>,
}

/// How the end of a body is found.
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 * 1024],
            unread: 0..0,
        })
    }

    /// Sends a request and reads the answer to its end. `keep_head` costs a copy.
    pub(crate) async fn exchange(&mut self, request: &[u8], keep_head: bool) -> Result<Exchange> {
        let start = now();
        self.stream.write_all(request).await?;
        let head_end = self.read_head().await?;
        let head = &self.unread()[..head_end];
        let framing = framing(head)?;
        let head = if keep_head { head.to_vec() } else { Vec::new() };
        self.consume(head_end);
        if self.unread.is_empty() {
            self.fill().await?;
        }
        let first = start.elapsed();
        match framing {
            Framing::Length(length) => self.skip(length).await?,
            Framing::Chunked => self.skip_chunks().await?,
        }
        Ok(Exchange {
            first,
            whole: start.elapsed(),
            head,
        })
    }

    /// Sends a request and reads until the first body bytes are there; the rest stays unread.
    pub(crate) async fn begin(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        let head_end = self.read_head().await?;
        framing(&self.unread()[..head_end])?;
        self.consume(head_end);
        if self.unread.is_empty() {
            self.fill().await?;
        }
        Ok(())
    }

    /// Reads until the head is complete; its length with the blank line.
    async fn read_head(&mut self) -> Result<usize> {
        loop {
            if let Some(at) = memmem::find(self.unread(), b"\r\n\r\n") {
                return Ok(at + 4);
            }
            self.fill().await?;
        }
    }

    async fn skip(&mut self, mut length: usize) -> Result<()> {
        loop {
            let taken = length.min(self.unread.len());
            self.consume(taken);
            length -= taken;
            if length == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn skip_chunks(&mut self) -> Result<()> {
        loop {
            let Some(line) = memmem::find(self.unread(), b"\r\n") else {
                self.fill().await?;
                continue;
            };
            let digits = std::str::from_utf8(&self.unread()[..line])?;
            let size = usize::from_str_radix(digits, 16)?;
            self.consume(line + 2);
            self.skip(size + 2).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.unread.end == self.buffer.len() {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let room = &mut self.buffer[self.unread.end..];
        if room.is_empty() {
            return Err("a head or chunk line is longer than the buffer".into());
        }
        let count = self.stream.read(room).await?;
        if count == 0 {
            return Err("the connection ended inside an answer".into());
        }
        self.unread.end += count;
        Ok(())
    }

    fn unread(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    fn consume(&mut self, count: usize) {
        self.unread.start += count;
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
    }
}

/// The framing of an answer that must be a 200.
fn framing(head: &[u8]) -> Result<Framing> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        return Err(format!("answered with {status:?}").into());
    }
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Framing::Length(value.trim().parse()?));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Framing::Chunked);
        }
    }
    Err("the answer has neither a length nor chunks".into())
}
