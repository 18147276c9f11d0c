//! What an emulator received, and how each exchange ended.
//!
//! Bounded: the newest [`KEPT`] exchanges, of each body the first [`BODY`] bytes (length and hash
//! are of the whole). The counters are of everything since the last clear.

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How many exchanges are kept.
pub const KEPT: usize = 1024;

/// How many bytes of a body are kept.
pub const BODY: usize = 64 * 1024;

/// One received request.
#[derive(Clone, Debug, Serialize)]
pub struct Captured {
    /// Its number since the emulator started; 1 is the first.
    pub seq: u64,
    /// When its head was complete, in Unix milliseconds.
    pub unix_ms: u64,
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// The header lines as they were on the wire: names with their case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body's first bytes; text in JSON, with what is not UTF-8 replaced.
    #[serde(serialize_with = "as_text")]
    pub body: Vec<u8>,
    /// The body's length in bytes.
    pub body_len: usize,
    /// SHA-256 of the whole body, in hex.
    pub body_sha256: String,
    /// The model, deployment or model id that was asked for; empty where none was.
    pub model: String,
    /// The behaviour that was played; `normal` where none was asked for.
    pub behaviour: String,
    /// Which of the emulator's own checks refused the request, in its words.
    pub refused: Option<String>,
    /// The status of the answer; none while there is none.
    pub status: Option<u16>,
    /// How the exchange ended.
    pub ended: Ended,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It has not.
    Open,
    /// The whole answer was handed to the connection.
    Complete,
    /// The emulator closed the connection on purpose.
    Cut,
    /// The caller went away first.
    ClientLeft,
}

fn as_text<S: Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

/// Lower-case hex of SHA-256.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[derive(Debug, Default)]
struct Book {
    kept: VecDeque<Captured>,
    last_seq: u64,
    since_clear: u64,
}

/// The exchanges of one emulator.
#[derive(Clone, Debug)]
pub(super) struct Log {
    book: Arc<Mutex<Book>>,
    changed: watch::Sender<u64>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            book: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a request; its number is assigned here.
    pub(super) fn enter(&self, mut captured: Captured, body: &[u8]) -> Ticket {
        captured.body = body.iter().take(BODY).copied().collect();
        captured.body_len = body.len();
        captured.body_sha256 = sha256_hex(body);
        let seq = {
            let mut book = self.book();
            book.last_seq += 1;
            book.since_clear += 1;
            captured.seq = book.last_seq;
            if book.kept.len() == KEPT {
                book.kept.pop_front();
            }
            book.kept.push_back(captured);
            book.last_seq
        };
        self.notify();
        Ticket {
            log: self.clone(),
            seq,
            ended: Ended::ClientLeft,
        }
    }

    /// The kept exchanges with a number above `since`, oldest first.
    pub(super) fn since(&self, since: u64) -> Vec<Captured> {
        self.book()
            .kept
            .iter()
            .filter(|captured| captured.seq > since)
            .cloned()
            .collect()
    }

    /// How many requests came since the last clear.
    pub(super) fn count(&self) -> u64 {
        self.book().since_clear
    }

    /// Forgets what was received; numbers go on.
    pub(super) fn clear(&self) {
        let mut book = self.book();
        book.kept.clear();
        book.since_clear = 0;
    }

    /// Changes whenever an exchange is entered or goes on.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn edit(&self, seq: u64, edit: impl FnOnce(&mut Captured)) {
        if let Some(captured) = self
            .book()
            .kept
            .iter_mut()
            .rev()
            .find(|kept| kept.seq == seq)
        {
            edit(captured);
        }
        self.notify();
    }

    fn notify(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// An exchange that is going on; dropping it ends it.
#[derive(Debug)]
pub(super) struct Ticket {
    log: Log,
    seq: u64,
    ended: Ended,
}

impl Ticket {
    /// The exchange's number.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    /// The played behaviour.
    pub(super) fn behaviour(&self, name: &str) {
        self.log.edit(self.seq, |captured| {
            name.clone_into(&mut captured.behaviour)
        });
    }

    /// The model that was asked for.
    pub(super) fn model(&self, name: &str) {
        self.log
            .edit(self.seq, |captured| name.clone_into(&mut captured.model));
    }

    /// The request was found wanting.
    pub(super) fn refused(&self, why: &str) {
        self.log
            .edit(self.seq, |captured| captured.refused = Some(why.to_owned()));
    }

    /// The answer's status.
    pub(super) fn status(&self, status: u16) {
        self.log
            .edit(self.seq, |captured| captured.status = Some(status));
    }

    /// The whole answer is with the connection.
    pub(super) fn complete(&mut self) {
        self.ended = Ended::Complete;
    }

    /// The emulator ends the exchange early.
    pub(super) fn cut(&mut self) {
        self.ended = Ended::Cut;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ended = self.ended;
        self.log.edit(self.seq, |captured| captured.ended = ended);
    }
}
