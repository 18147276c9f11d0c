//! What a changed configuration is compared with: what is in force.
//!
//! That is the last accepted configuration, of which a copy lies beside the state file; the sidecar
//! that runs is asked whether it is that one. Without the copy, a file can be named instead. Nothing
//! is written, and no lock is taken.

use crate::cli::client::Sidecar;
use crate::cli::{Check, place, variable};
use crate::config::watch::{Hash, Loaded};
use crate::config::{Config, resolve, watch};
use crate::outcome::Attempt;
use crate::rollout::Record;
use crate::state::{Found, StateStore};
use http::Uri;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is compared with.
#[derive(Debug)]
pub(super) struct Ground {
    /// The configuration.
    pub(super) config: Config,
    /// What it is, for the first line.
    pub(super) told: Told,
    /// The state that holds.
    pub(super) record: Record,
    /// What else should be known of it.
    pub(super) remarks: Vec<String>,
}

/// Where the other configuration is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// What it is.
    pub(super) what: What,
    /// The file.
    pub(super) file: String,
    /// The beginning of its SHA-256.
    pub(super) hash: String,
    /// The sidecar that runs it.
    pub(super) admin: Option<String>,
}

/// What the other configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// A file that was named.
    File,
    /// The last accepted one; whether it is in force cannot be asked.
    LastAccepted,
    /// The one that a sidecar runs.
    InForce,
}

/// Why there is nothing to compare with.
#[derive(Debug)]
pub(super) enum Missing {
    /// Nothing was ever accepted beside this state file.
    FirstStart(String),
    /// The sidecar that was named does not answer.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

/// Finds what `loaded`, the content of `args.file`, is compared with.
pub(super) async fn find(args: &Check, loaded: &Loaded) -> Result<Ground, Missing> {
    let states = [args.against.as_deref(), Some(args.file.as_path())];
    let (text, what, file) = match &args.against {
        Some(file) => {
            let read =
                watch::read(file, &variable).map_err(|it| Missing::Failed(it.to_string()))?;
            (read.text, What::File, file.display().to_string())
        }
        None => copy(&resolve::state_path(&loaded.text, &args.file, &variable))?,
    };
    // As if it were in the place of the new one: so relative paths mean the same.
    let config = resolve::load_at(&text, &args.file, &variable).map_err(|problems| {
        Missing::Failed(format!("{file} cannot be read any more:\n{problems}"))
    })?;
    let hash = Hash::of(&text).to_string();
    let mut ground = Ground {
        record: record(&config, &text, states.into_iter().flatten()),
        told: Told {
            what,
            file,
            hash,
            admin: None,
        },
        config,
        remarks: Vec::new(),
    };
    ask(args, &mut ground).await?;
    Ok(ground)
}

/// The last accepted configuration.
fn copy(state: &Path) -> Result<(String, What, String), Missing> {
    let store = StateStore::new(state.to_owned());
    let path = store.config_copy_path().display().to_string();
    match store.load_config_copy() {
        Ok(Some(text)) => Ok((text, What::LastAccepted, path)),
        Ok(None) => Err(Missing::FirstStart(path)),
        Err(error) => Err(Missing::Failed(error.to_string())),
    }
}

/// The state beside the first of `files` that has one, if `text` is what they say of its place; a
/// damaged one is a rollback, as it would be at a start.
fn record<'a>(config: &Config, text: &str, files: impl Iterator<Item = &'a Path>) -> Record {
    let attempt = Attempt(config.rollout.attempt);
    for file in files {
        let store = StateStore::new(resolve::state_path(text, file, &variable));
        match store.read(false) {
            Found::Record(record) => return record,
            Found::FirstStart => {}
            Found::Tripped(tripped) => return Record::lost(attempt, &tripped.to_string(), 0),
        }
    }
    Record::first(attempt)
}

/// What is read of a status.
#[derive(Debug, Deserialize)]
struct Status {
    holds: Vec<String>,
    config: Running,
}

#[derive(Debug, Deserialize)]
struct Running {
    hash: String,
    problems: Vec<String>,
}

/// Asks the sidecar that runs, if one does, what it runs.
async fn ask(args: &Check, ground: &mut Ground) -> Result<(), Missing> {
    let base = match &args.admin {
        Some(base) => base.clone(),
        None => {
            let store = StateStore::new(ground.config.state.clone());
            let admin = store.holder().unwrap_or(ground.config.admin);
            place::url(admin).map_err(|it| Missing::Failed(it.to_string()))?
        }
    };
    let status = status(&base).await;
    match (status, &args.admin) {
        (Ok(status), _) if status.config.hash == ground.told.hash => {
            ground.told.admin = Some(base.to_string());
            ground.told.what = What::InForce;
            if !status.holds.is_empty() {
                let holds = status.holds.join(", ");
                ground
                    .remarks
                    .push(format!("the share is held at 0 % now: {holds}"));
            }
            if !status.config.problems.is_empty() {
                let text =
                    "the file as the sidecar last read it is refused; see `crossfade status`";
                ground.remarks.push(text.to_owned());
            }
        }
        (Ok(status), _) => {
            let (hash, file) = (status.config.hash, &ground.told.file);
            let other =
                format!("the sidecar at {base} runs another configuration ({hash}) than {file}");
            if args.admin.is_some() {
                return Err(Missing::Failed(format!(
                    "{other}: name the file that it runs with `--against FILE`"
                )));
            }
            ground.remarks.push(other);
        }
        (Err(why), Some(_)) => {
            return Err(Missing::Unavailable(format!(
                "no sidecar answers at {base}: {why}"
            )));
        }
        (Err(_), None) => {}
    }
    Ok(())
}

async fn status(base: &Uri) -> Result<Status, String> {
    let sidecar = Sidecar {
        base: base.clone(),
        token: None,
    };
    let answer = sidecar.get("/api/status", "application/json").await?;
    serde_json::from_str(&answer.body).map_err(|_| "it is not crossfade".to_owned())
}
