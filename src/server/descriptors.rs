//! How many callers the process has file descriptors for.
//!
//! A call takes two: the caller's connection and one to a provider. A process that accepts more
//! callers than it can serve answers them with errors which no provider made, so it accepts no more
//! than that; the others wait in the kernel's queue. The soft limit is often 1024, for programs that
//! cannot handle more; ours is raised to the hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets the process open as many files as the system allows it to. Once, at the start.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// How many callers the process has files for.
pub(crate) fn callers() -> usize {
    room(getrlimit(Resource::Nofile).current)
}

/// Why fewer than `connections` callers may be connected, for the operator; none: they may.
pub(crate) fn shortage(connections: usize) -> Option<String> {
    told(connections, getrlimit(Resource::Nofile).current)
}

fn told(connections: usize, files: Option<u64>) -> Option<String> {
    let callers = room(files);
    // A tenth fewer is no news.
    let (files, true) = (files?, callers < connections - connections / 10) else {
        return None;
    };
    Some(format!(
        "the process may open {files} files, which is enough for {callers} callers at once and not \
         for the {connections} of `limits.connections`; raise the hard limit (`ulimit -Hn`, \
         `LimitNOFILE`, `--ulimit nofile`)"
    ))
}

/// Two files for each caller, after what is set aside.
fn room(files: Option<u64>) -> usize {
    let Some(files) = files else {
        return usize::MAX;
    };
    // For the log, the state file, name servers, the admin port, and the connections to the other
    // provider that nobody uses now.
    let set_aside = (files / 4).clamp(SET_ASIDE_MIN, SET_ASIDE_MAX);
    let callers = files.saturating_sub(set_aside) / 2;
    usize::try_from(callers).unwrap_or(usize::MAX).max(1)
}

/// What a process with one caller has open, and some.
const SET_ASIDE_MIN: u64 = 32;

/// The 256 unused connections that are kept for a provider, and as many for all the rest.
const SET_ASIDE_MAX: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_make_a_caller() {
        for (files, callers) in [
            (None, usize::MAX),
            (Some(1_048_576), 524_032),
            (Some(1_024), 384),
            (Some(128), 48),
            (Some(16), 1),
        ] {
            assert_eq!(room(files), callers, "{files:?}");
        }
    }

    #[test]
    fn only_a_shortage_is_told() {
        assert_eq!(told(426, Some(1_024)), None);
        assert_eq!(told(usize::MAX, None), None);
        let said = told(427, Some(1_024)).expect("one too many");
        assert!(
            said.contains("1024 files") && said.contains("384 callers"),
            "{said}"
        );
    }
}
