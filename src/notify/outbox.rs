//! Who was told how much of the journal: one small file, replaced whole.

use crate::config::notify::{Form, Notify};
use crate::state::disk;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The places, as far as they are known.
#[derive(Debug)]
pub(super) struct Outbox {
    path: PathBuf,
    told: BTreeMap<String, u64>,
    /// The places that the file has, an absent one none; none: it must be written.
    on_disk: Option<BTreeMap<String, u64>>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    /// Which journal the places are in.
    journal: String,
    /// The last line that each destination was told, or need not be.
    told: BTreeMap<String, u64>,
}

/// What a destination's place is kept under: nothing of the URL can be read from it.
pub(super) fn key(to: &Notify) -> String {
    let form = match to.form {
        Form::CloudEvent { .. } => "webhook",
        Form::Slack => "slack",
    };
    disk::short_name(&format!(
        "{form} {} {}{}",
        to.tls,
        to.authority,
        to.target.expose()
    ))
}

impl Outbox {
    /// Knows nothing yet.
    pub(super) const fn at(path: PathBuf) -> Self {
        Self {
            path,
            told: BTreeMap::new(),
            on_disk: None,
        }
    }

    /// Reads the places in `journal`. What cannot be read, or is of another journal, is forgotten:
    /// then nobody is told what is past.
    pub(super) async fn load(&mut self, journal: &Arc<str>) {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || disk::read(&path, BYTES_MAX));
        self.on_disk = match read.await {
            Ok(Ok(Some(bytes))) => {
                let saved = serde_json::from_slice::<Saved>(&bytes).ok();
                let ours = saved.filter(|saved| *saved.journal == **journal);
                ours.map(|saved| saved.told)
            }
            Ok(Ok(None)) => Some(BTreeMap::new()),
            Ok(Err(_)) | Err(_) => None,
        };
        self.told = self.on_disk.clone().unwrap_or_default();
    }

    /// The last line that `key` was told; none: all of them.
    pub(super) fn told(&self, key: &str) -> u64 {
        self.told.get(key).copied().unwrap_or(u64::MAX)
    }

    /// Gives `key` a place behind `seq`, unless it has one.
    pub(super) fn begin(&mut self, key: &str, seq: u64) {
        self.told.entry(key.to_owned()).or_insert(seq);
    }

    /// `key` was told everything up to `seq`, or need not be.
    pub(super) fn note(&mut self, key: &str, seq: u64) {
        let place = self.told.entry(key.to_owned()).or_insert(seq);
        *place = seq.max(*place);
    }

    /// Forgets all but these.
    pub(super) fn keep_only<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        let keys: Vec<_> = keys.collect();
        self.told.retain(|key, _| keys.contains(&key.as_str()));
    }

    /// Writes the places, if the file has others.
    pub(super) async fn save(&mut self, journal: &Arc<str>) -> Result<(), String> {
        if self.on_disk.as_ref() == Some(&self.told) {
            return Ok(());
        }
        self.on_disk = None;
        let saved = Saved {
            journal: journal.to_string(),
            told: self.told.clone(),
        };
        let bytes = serde_json::to_vec(&saved).map_err(|error| error.to_string())?;
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || disk::replace(&path, &bytes)).await;
        let written = written.map_err(|error| error.to_string())?;
        written.map_err(|error| error.to_string())?;
        self.on_disk = Some(saved.told);
        Ok(())
    }
}

/// Far more than the most destinations take.
const BYTES_MAX: u64 = 64 * 1024;
