//! The way of log lines to stderr: a bounded buffer, and a thread that writes it.
//!
//! A full pipe must not stop a call, so nobody waits: what does not fit is dropped and counted.
//! Lines are copied into one buffer and written together, because under load a line of its own in
//! memory and a wake-up for each cost more than making its text.

use prometheus::IntCounter;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// What may wait for a slow reader of stderr, in bytes.
const WAITING_MAX: usize = 4 << 20;

/// How long lines are gathered under load; the first after a quiet time is written at once.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the end of the process waits for a reader that does not read.
const FLUSH: Duration = Duration::from_secs(1);

/// Takes lines, without ever waiting for the reader of stderr.
#[derive(Clone)]
pub(super) struct Lines {
    shared: Arc<Shared>,
    dropped: IntCounter,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The buffer is no longer empty.
    filled: Condvar,
    /// The writer has written all that it took.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// What the writer took is not all written.
    writing: bool,
}

impl Lines {
    /// An empty buffer; what is dropped is counted in `dropped`.
    pub(super) fn new(dropped: IntCounter) -> Self {
        Self {
            shared: Arc::default(),
            dropped,
        }
    }

    /// Starts the thread that writes to stderr.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn write_to_stderr(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let write = move || shared.write(&mut io::stderr());
        let thread = std::thread::Builder::new().name("log".into());
        thread.spawn(write).map(drop)
    }

    /// Takes a whole line with its line break, or drops and counts it.
    pub(super) fn send(&self, line: &[u8]) {
        let mut waiting = self.shared.waiting();
        if waiting.bytes.len() + line.len() > WAITING_MAX {
            drop(waiting);
            self.dropped.inc();
            return;
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.shared.filled.notify_one();
        }
    }

    /// Waits until all is written, but not for a reader that does not read.
    pub(super) fn flush(&self) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.bytes.is_empty();
        let waiting = self.shared.waiting();
        // A poisoned lock or a slow reader: either way there is nothing left to do.
        let _ = self
            .shared
            .written
            .wait_timeout_while(waiting, FLUSH, unwritten);
    }
}

impl Shared {
    /// A line is whole or not there, also after a panic.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, until the process ends. After each write it pauses: a line that comes
    /// meanwhile wakes nobody.
    fn write(&self, stderr: &mut impl Write) -> ! {
        let mut taken = Vec::new();
        loop {
            let mut waiting = self.waiting();
            waiting.writing = false;
            while waiting.bytes.is_empty() {
                self.written.notify_all();
                let woken = self.filled.wait(waiting);
                waiting = woken.unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut waiting.bytes, &mut taken);
            waiting.writing = true;
            drop(waiting);
            // Nowhere is left to report that stderr cannot be written.
            let _ = stderr.write_all(&taken);
            taken.clear();
            // A burst must not be held for ever.
            taken.shrink_to(KEPT_BYTES);
            std::thread::park_timeout(PAUSE);
        }
    }
}

/// What either buffer keeps of its room.
const KEPT_BYTES: usize = 256 << 10;

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl Write for Lines {
    /// The formatter for terminals writes each event with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.send(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        Lines::new(IntCounter::new("dropped", "for this test").expect("well-formed"))
    }

    #[test]
    fn a_full_buffer_drops_and_counts_and_never_waits() {
        // Nobody reads.
        let lines = lines();
        let line = [b'x'; 1 << 20];
        for _ in 0..6 {
            lines.send(&line);
        }
        assert_eq!(lines.dropped.get(), 2);
        lines.send(b"");
        assert_eq!(lines.dropped.get(), 2, "what fits is taken");
    }

    /// A reader that takes one write at a time, and tells.
    struct Reader(std::sync::mpsc::SyncSender<Vec<u8>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).expect("the test reads");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_out_in_order_and_whole() {
        let lines = lines();
        let shared = Arc::clone(&lines.shared);
        let (sender, reader) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || shared.write(&mut Reader(sender)));
        let expected: Vec<String> = (0..300).map(|number| format!("line {number}\n")).collect();
        for line in &expected {
            lines.send(line.as_bytes());
        }
        let mut written = Vec::new();
        for write in reader {
            assert_eq!(write.last(), Some(&b'\n'), "lines are not torn apart");
            written.extend_from_slice(&write);
            if written.len() >= expected.concat().len() {
                break;
            }
        }
        assert_eq!(written, expected.concat().into_bytes());
    }
}
