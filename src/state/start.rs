//! With which configuration a process starts.
//!
//! With the file, if it is accepted. If it is refused or gone, with the copy of the last accepted
//! one, held at 0 %: the calls of the app are served by the original all the same. Only without a
//! copy there is nothing to start with.

use super::StateStore;
use crate::config::Config;
use crate::config::problems::Problems;
use crate::config::resolve;
use crate::config::watch;
use crate::config::watch::Hash;
use std::path::Path;

/// What to start with.
#[derive(Debug)]
pub struct Start {
    /// The configuration.
    pub config: Config,
    /// Its text.
    pub text: String,
    /// Its hash.
    pub hash: Hash,
    /// Why the file itself is refused; then `config` is the copy, to be held at 0 %.
    pub refused: Option<Refused>,
}

/// A file that is not followed.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The mistakes in it.
    pub problems: Problems,
    /// The hash of the file, for the watcher; none if it cannot be read.
    pub hash: Option<Hash>,
}

/// Reads `file`, or the copy beside the state file that it or the environment names.
///
/// # Errors
///
/// What is wrong with the file, if there is no copy that can be used instead.
pub fn start(file: &Path, env: &impl Fn(&str) -> Option<String>) -> Result<Start, Problems> {
    let (text, refused) = match watch::read(file, env) {
        Ok(loaded) => match loaded.result {
            Ok(config) => {
                let (text, hash) = (loaded.text, loaded.hash);
                return Ok(Start {
                    config,
                    text,
                    hash,
                    refused: None,
                });
            }
            Err(problems) => (
                loaded.text,
                Refused {
                    problems,
                    hash: Some(loaded.hash),
                },
            ),
        },
        Err(problems) => (
            String::new(),
            Refused {
                problems,
                hash: None,
            },
        ),
    };
    let state = resolve::state_path(&text, file, env);
    let copy = StateStore::new(state.clone()).load_config_copy();
    let Ok(Some(text)) = copy else {
        return Err(refused.problems);
    };
    // What the environment says wrongly is among the problems; the copy was accepted without it. Where
    // the state is, is known.
    let sound = |name: &str| {
        let wrong = refused
            .problems
            .iter()
            .any(|problem| problem.is_of_variable(name));
        if wrong || name == resolve::STATE_VARIABLE {
            None
        } else {
            env(name)
        }
    };
    let Ok(mut config) = resolve::load_at(&text, file, &sound) else {
        return Err(refused.problems);
    };
    // The latch is read from where the copy was found, whatever the copy says.
    config.state = state;
    let hash = Hash::of(&text);
    Ok(Start {
        config,
        text,
        hash,
        refused: Some(refused),
    })
}
