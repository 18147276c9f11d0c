//! Who gives a command, or runs a sidecar, as the journal names them: `user@host`.
//!
//! Nothing here is proof: the user's name is what the environment says, and a container mostly has none.
//! Its process then goes by its number, and the pod's name says where it ran.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// The user and the host of this process.
pub(crate) fn who(env: &impl Fn(&str) -> Option<String>) -> String {
    let set = |name| env(name).filter(|value| !value.trim().is_empty());
    let user = set("USER").or_else(|| set("LOGNAME")).or_else(number);
    let host = set("HOSTNAME").or_else(host);
    named(user.as_deref(), host.as_deref())
}

fn named(user: Option<&str>, host: Option<&str>) -> String {
    let short = |text: &str| -> String {
        let shown = text.trim().chars().filter(|c| !c.is_control());
        shown.take(NAME_CHARS).collect()
    };
    match (user.map(short), host.map(short)) {
        (Some(user), Some(host)) => format!("{user}@{host}"),
        (Some(user), None) => user,
        (None, Some(host)) => format!("somebody@{host}"),
        (None, None) => "somebody".to_owned(),
    }
}

/// The user's number: the process's own folder belongs to it.
fn number() -> Option<String> {
    let folder = fs::metadata("/proc/self").ok()?;
    Some(format!("uid {}", folder.uid()))
}

fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name).filter(|name| !name.trim().is_empty())
}

/// Both together are well within what an actor may have.
const NAME_CHARS: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_by_user_and_host() {
        let env = |name: &str| match name {
            "USER" => Some("alice".to_owned()),
            "HOSTNAME" => Some("pod-1\n".to_owned()),
            _ => None,
        };
        assert_eq!(who(&env), "alice@pod-1");
        let logname = |name: &str| (name != "USER").then(|| "bob".to_owned());
        assert_eq!(who(&logname), "bob@bob");
        assert_eq!(named(Some("uid 7"), None), "uid 7");
        assert_eq!(named(None, Some("h")), "somebody@h");
        assert_eq!(named(None, None), "somebody");
        let long = "x".repeat(500);
        let named = named(Some(&long), Some(&long));
        assert_eq!(named.chars().count(), 2 * NAME_CHARS + 1);
        assert!(!who(&|_| None).is_empty());
    }
}
