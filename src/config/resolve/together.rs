//! What only several sections together show: listeners that collide, an original that is ourselves,
//! a public listener without callers, a rule that nothing can trip.

use super::super::Bedrock;
use super::super::Listen;
use super::super::address;
use super::super::address::BaseUrl;
use super::super::problems::Problem;
use super::super::section::Sink;
use super::super::section::join;
use super::super::values::shown_duration;
use super::Draft;
use super::abroad;
use super::access::TOKEN;
use super::access::TOKEN_FILE;
use super::access::public_listener;
use super::climb;
use super::compared;
use super::rollout;
use super::variable;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

/// Notes what does not fit together.
pub(super) fn check(sink: &Sink, draft: &Draft) {
    let listen = match &draft.listen {
        Listen::Tcp(address) => Some(*address),
        Listen::Unix(_) => None,
    };
    sink.problems(public_listener(&draft.listen, draft.callers.as_deref()));
    if listen.is_some_and(|listen| address::collide(listen, draft.admin)) {
        sink.problem(Problem::new(
            "admin",
            draft.admin.to_string(),
            "a port that listen has not",
        ));
    }
    if !address::is_loopback(draft.admin) && draft.admin_token.is_none() {
        let text = format!(
            "others than this machine can read status and metrics, and changes are refused: they \
             need a bearer token in {TOKEN} or {TOKEN_FILE}"
        );
        sink.warning("admin", text);
    }
    rollout::warn_of_deaf_latency(sink, &draft.rules, &draft.timeouts);
    climb::check(sink, &draft.rollout, &draft.rules);
    compared::check(sink, &draft.rollout, &draft.rules);
    let own: Vec<SocketAddr> = listen.into_iter().chain([draft.admin]).collect();
    if let Some((_, url)) = &draft.original {
        sink.problems(loops("original.url", url, &own));
    }
    if let Some(traces) = &draft.traces {
        let url = BaseUrl::parse(&traces.to_string()).ok();
        sink.problems(url.and_then(|url| loops("traces.otlp", &url, &own)));
    }
    if let Some(bedrock) = &draft.bedrock {
        // The endpoint was made from such a URL, so it is one.
        let endpoint = bedrock.endpoint.as_ref();
        let url = endpoint.and_then(|uri| BaseUrl::parse(&uri.to_string()).ok());
        sink.problems(url.and_then(|url| loops("bedrock.endpoint", &url, &own)));
        sink.problems(impatient(bedrock, draft.timeouts.total));
        abroad::warn(sink, bedrock);
    }
}

/// A model that may take longer to begin than any call may take to end.
fn impatient(bedrock: &Bedrock, total: Duration) -> impl Iterator<Item = Problem> {
    bedrock.models.iter().filter_map(move |(name, mapping)| {
        let first_token = mapping
            .first_token
            .filter(|&first_token| first_token > total)?;
        let path = format!("{}.first_token", join("bedrock.models", name));
        let accepted = format!("at most timeouts.total, {}", shown_duration(total));
        Some(Problem::new(path, shown_duration(first_token), accepted))
    })
}

/// The state file is nobody else's, and stays.
pub(super) fn check_state(
    sink: &Sink,
    state: &Path,
    file: &Path,
    env: &impl Fn(&str) -> Option<String>,
) {
    if state == file {
        let found = "the configuration file itself";
        sink.problem(Problem::new("state", found, "another file"));
    }
    let temporary = variable(env, "TMPDIR").map(PathBuf::from);
    let mut directories = temporary
        .iter()
        .map(PathBuf::as_path)
        .chain(TEMPORARY.map(Path::new));
    if directories.any(|directory| state.starts_with(directory)) {
        let text = "a directory for temporary files is emptied at some restarts, and a rollback \
                    would be forgotten with it";
        sink.warning("state", text);
    }
}

fn loops(path: &str, url: &BaseUrl, own: &[SocketAddr]) -> Option<Problem> {
    let leads = own.iter().find(|&&own| url.leads_to(own))?;
    let accepted = format!("another address than crossfade's own, {leads}");
    Some(Problem::new(path, url.authority.to_string(), accepted))
}

/// Emptied at a restart of the machine or, in a container, of the process.
const TEMPORARY: [&str; 2] = ["/tmp", "/dev/shm"];
