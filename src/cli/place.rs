//! Which sidecar a command means, and where its state is.
//!
//! The running process knows best where it listens, and says so beside its state; the configuration
//! may have been edited since, or be broken. So its word comes first, then the file's `admin`, then
//! that of the last accepted copy. What none of them says is guessed for a command that only reads,
//! which then tells whom it asked; a command that changes something is not sent to a guess.

use super::{CONFIG, variable};
use crate::config::{defaults, resolve, watch};
use crate::state::StateStore;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use http::uri::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What leads to a sidecar and to its state.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The configuration that the sidecar runs.
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub(super) config: PathBuf,
    /// Its state file, where the configuration does not say: one that is broken or missing cannot
    /// [default: the variable CROSSFADE_STATE].
    #[arg(long, value_name = "FILE", value_parser = NonEmptyStringValueParser::new())]
    pub(super) state: Option<String>,
}

/// What becomes of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is shown.
    Read,
    /// It is what a change came to.
    Change,
}

/// Where to ask.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// The best known one, and others that may be meant.
    Known(SocketAddr, Vec<SocketAddr>),
    /// Nothing tells: the default, and what is missing.
    Assumed(SocketAddr, String),
}

impl Place {
    /// The state file, of a refused configuration too.
    ///
    /// # Errors
    ///
    /// If a configuration was named that is not there: an answer about another place would mislead.
    pub(super) fn state(&self) -> Result<PathBuf, String> {
        let env = self.env();
        if env(resolve::STATE_VARIABLE).is_none_or(|state| state.is_empty()) {
            self.named()?;
        }
        Ok(match watch::read(&self.config, &env) {
            Ok(loaded) => self.state_of(&loaded),
            Err(_) => resolve::state_path("", &self.config, &env),
        })
    }

    /// The admin ports that may be meant.
    ///
    /// # Errors
    ///
    /// If nothing tells one, and a guess would not do.
    pub(super) fn ports(&self, purpose: Purpose) -> Result<Ports, String> {
        let env = self.env();
        let read = watch::read(&self.config, &env).ok();
        let state = match &read {
            Some(loaded) => self.state_of(loaded),
            None => resolve::state_path("", &self.config, &env),
        };
        let store = StateStore::new(state);
        let of_file = match &read {
            Some(loaded) => match &loaded.result {
                Ok(config) => Some(config.admin),
                Err(_) => admin_line(&loaded.text),
            },
            None => None,
        };
        // Port 0 is whatever the system chose, which only the holder knows.
        let told = |admin: &SocketAddr| admin.port() != 0;
        let of_copy = || admin_of(&store.load_config_copy().ok()??, &self.config);
        let of_text = of_file.filter(told).or_else(|| of_copy().filter(told));
        let mut known = [store.holder(), of_text].into_iter().flatten();
        if let Some(first) = known.next() {
            let others = known.filter(|other| *other != first).collect();
            return Ok(Ports::Known(first, others));
        }
        self.named()?;
        let file = self.config.display();
        let missing = match read {
            Some(_) => format!("{file} gives no admin address, nor does anything beside its state"),
            None => format!("there is no {file} that tells which sidecar is meant"),
        };
        match purpose {
            Purpose::Read => Ok(Ports::Assumed(defaults::ADMIN, missing)),
            Purpose::Change => Err(format!(
                "{missing}, so nothing was asked: say `--admin URL`, or `--config FILE` with the \
                 configuration that the sidecar runs"
            )),
        }
    }

    fn state_of(&self, loaded: &watch::Loaded) -> PathBuf {
        match &loaded.result {
            Ok(config) => config.state.clone(),
            Err(_) => resolve::state_path(&loaded.text, &self.config, &self.env()),
        }
    }

    /// The environment, with what `--state` says.
    fn env(&self) -> impl Fn(&str) -> Option<String> + use<> {
        resolve::with_state(self.state.clone(), variable)
    }

    /// Whether a configuration that was named is there; the usual one may be missing.
    fn named(&self) -> Result<(), String> {
        if self.config == Path::new(CONFIG) || self.config.exists() {
            return Ok(());
        }
        Err(format!("there is no file {}", self.config.display()))
    }
}

/// The admin port of a configuration, of a refused one as far as it tells.
fn admin_of(text: &str, file: &Path) -> Option<SocketAddr> {
    // Where the state is, is known.
    let env = |name: &str| variable(name).filter(|_| name != resolve::STATE_VARIABLE);
    match resolve::load_at(text, file, &env) {
        Ok(config) => Some(config.admin),
        Err(_) => admin_line(text),
    }
}

fn admin_line(text: &str) -> Option<SocketAddr> {
    let value = text.lines().find_map(|line| line.strip_prefix("admin:"))?;
    let value = value.split(" #").next().unwrap_or_default().trim();
    value.trim_matches(['"', '\'']).parse().ok()
}

/// Where to reach an address that may be "all addresses".
pub(super) fn url(admin: SocketAddr) -> Result<Uri, http::Error> {
    let ip = match admin.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        named => named,
    };
    let authority = SocketAddr::new(ip, admin.port()).to_string();
    Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (admin, expected) in [
            ("127.0.0.1:8788", "http://127.0.0.1:8788/"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000/"),
            ("[::]:9000", "http://[::1]:9000/"),
            ("10.1.2.3:9000", "http://10.1.2.3:9000/"),
        ] {
            let admin = admin.parse().expect("an address");
            assert_eq!(url(admin).expect("an URL").to_string(), expected);
        }
    }

    #[test]
    fn a_refused_configuration_still_names_the_port() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Place {
            config: dir.path().join("rollout.yaml"),
            state: None,
        };
        let ask = |text: &str| {
            std::fs::write(&place.config, text).expect("written");
            match place.ports(Purpose::Change) {
                Ok(Ports::Known(first, others)) if others.is_empty() => first.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let broken = "nonsense: [\nadmin: 127.0.0.1:9999 # here\n";
        assert_eq!(ask(broken), "127.0.0.1:9999");
        let quoted = "admin: \"127.0.0.1:9998\"\nrollout: {percent: 500}\n";
        assert_eq!(ask(quoted), "127.0.0.1:9998");
        // Then the copy of what was accepted.
        let copy = dir.path().join("crossfade.state.config.yaml");
        std::fs::write(copy, "admin: 127.0.0.1:9997\n").expect("written");
        assert_eq!(ask("nonsense: ["), "127.0.0.1:9997");
        assert_eq!(ask("nonsense: [\nadmin: 127.0.0.1:0\n"), "127.0.0.1:9997");
    }

    #[test]
    fn no_change_is_sent_to_a_guess() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Place {
            config: dir.path().join("rollout.yaml"),
            state: None,
        };
        for purpose in [Purpose::Change, Purpose::Read] {
            let missing = place.ports(purpose).expect_err("no file");
            assert!(missing.starts_with("there is no file "), "{missing}");
        }
        place.state().expect_err("no file");
        std::fs::write(&place.config, "").expect("written");
        let empty = place.ports(Purpose::Change).expect_err("nothing tells");
        assert!(empty.contains(" gives no admin address"), "{empty}");
        assert!(empty.contains("--admin URL"), "{empty}");
        let read = place.ports(Purpose::Read).expect("a guess will do");
        assert!(matches!(read, Ports::Assumed(defaults::ADMIN, _)));
    }
}
