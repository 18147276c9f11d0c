//! Every Converse request that arrives, in a file, for a judge who knows the service's own model.
//!
//! The log of an emulator is bounded and keeps only the beginning of a body; here nothing is left
//! out. One JSON object a line, each appended by a single write, so that several processes may share
//! a file:
//!
//! | key | is |
//! |---|---|
//! | `operation` | `converse` or `converse-stream` |
//! | `model` | the model id, decoded |
//! | `body` | the body's bytes in base64 |

use super::lock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Mutex;

/// A file of Converse requests.
#[derive(Debug)]
pub struct Recorder(Mutex<File>);

impl Recorder {
    /// Opens the file; what it holds stays, what comes is added.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Adds a request.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, operation: &str, model: &str, body: &[u8]) -> io::Result<()> {
        let body = STANDARD.encode(body);
        let line = json!({"operation": operation, "model": model, "body": body});
        lock(&self.0).write_all(format!("{line}\n").as_bytes())
    }
}
