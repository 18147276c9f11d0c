//! What each command of the documents is typed in, and how it ends.

use super::stage::Stage;

/// Commands that begin alike, in the state in which they make sense.
#[derive(Debug)]
pub(super) struct Case {
    /// The end of the document's path; empty: any document.
    pub(super) page: &'static str,
    /// What follows `crossfade `.
    pub(super) begins: &'static str,
    pub(super) stage: Stage,
    pub(super) way: Way,
    /// What it says, beside what the document shows.
    pub(super) tells: &'static [&'static str],
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By itself, with this code.
    Ends(i32),
    /// By itself, with 0; what is added makes less of it, because a debug build is slow.
    Less(&'static str),
    /// By SIGTERM, with 0; what is added keeps it off the ports that the machine may need.
    Serves(&'static str),
    /// It is only named, and stands for whatever it takes: `--help` knows it.
    Named,
}

const fn on(
    page: &'static str,
    begins: &'static str,
    stage: Stage,
    way: Way,
    tells: &'static [&'static str],
) -> Case {
    Case {
        page,
        begins,
        stage,
        way,
        tells,
    }
}

const fn any(begins: &'static str, stage: Stage, tells: &'static [&'static str]) -> Case {
    on("", begins, stage, Way::Ends(0), tells)
}

const fn named(name: &'static str) -> Case {
    on("", name, Stage::Fresh, Way::Named, &["Usage: crossfade"])
}

/// What a page of the runbook shows in the state that its alert is about.
const fn alert(page: &'static str, begins: &'static str, stage: Stage) -> Case {
    on(page, begins, stage, Way::Ends(0), &[])
}

const fn fails(page: &'static str, begins: &'static str, stage: Stage, code: i32) -> Case {
    on(page, begins, stage, Way::Ends(code), &[])
}

pub(super) const CASES: &[Case] = &[
    // What is asked of files alone.
    any("check", Stage::Fresh, &["rollout.yaml is valid"]),
    any(
        "check --iam",
        Stage::Fresh,
        &["bedrock:InvokeModelWithResponseStream"],
    ),
    any(
        "check --live",
        Stage::Fresh,
        &["All 2 models may be called."],
    ),
    any(
        "check --diff next.yaml",
        Stage::Steady,
        &["moves 25 % of calls to Bedrock, none back"],
    ),
    any(
        "explain request.json",
        Stage::Fresh,
        &["converse-stream", "inferenceConfig"],
    ),
    any(
        "explain request.json --as azure",
        Stage::Fresh,
        &["my-deployment"],
    ),
    any(
        "explain request.json --response answer.json",
        Stage::Fresh,
        &["chat.completion"],
    ),
    any(
        "simulate calls.jsonl",
        Stage::Fresh,
        &["No rule rolled back."],
    ),
    any("simulate --rate 1 ", Stage::Fresh, &["Made-up traffic"]),
    on(
        "",
        "simulate --rate 0.02 ",
        Stage::Fresh,
        Way::Less(" --days 0.02 --runs 2"),
        &["Made-up traffic"],
    ),
    on(
        "",
        "simulate --rate 20 ",
        Stage::Fresh,
        Way::Less(" --days 0.02 --runs 2"),
        &["Made-up traffic"],
    ),
    any("schema", Stage::Fresh, &["\"$schema\""]),
    any("completions bash", Stage::Fresh, &["_crossfade"]),
    any("--help", Stage::Fresh, &["Exit codes"]),
    // What is asked of a sidecar.
    any("health", Stage::Steady, &["healthy: http://"]),
    any(
        "status",
        Stage::Steady,
        &["25 % of eligible calls go to Bedrock"],
    ),
    any("history", Stage::RolledBack, &["Rolled back 25 % -> 0 %"]),
    any(
        "rollback --reason",
        Stage::Steady,
        &["Rolled back 25 % -> 0 % by ops"],
    ),
    any("rearm --reason", Stage::RolledBack, &["25 %"]),
    any(
        "pause --reason",
        Stage::Climbing,
        &["Paused at 40 % by ops"],
    ),
    any("resume --reason", Stage::Paused, &["by ops"]),
    any("advance --reason", Stage::Waiting, &["40 % -> 70 %"]),
    any(
        "advance --force --reason",
        Stage::Climbing,
        &["40 % -> 70 %"],
    ),
    // What goes on until it is stopped.
    on(
        "",
        "run --config rollout.yaml",
        Stage::Fresh,
        Way::Serves(""),
        &[],
    ),
    on(
        "",
        "emulate openai",
        Stage::Fresh,
        Way::Serves(" --listen 127.0.0.1:0"),
        &["original.url"],
    ),
    on(
        "",
        "emulate bedrock",
        Stage::Fresh,
        Way::Serves(" --listen 127.0.0.1:0"),
        &["bedrock.endpoint"],
    ),
    on(
        "",
        "emulate app",
        Stage::Fresh,
        Way::Serves(" --listen 127.0.0.1:0"),
        &[],
    ),
    // What a page needs that speaks of another state.
    alert("migrating.md", "status", Stage::Zero),
    alert("migrating.md", "check --diff next.yaml", Stage::Zero),
    alert("CrossfadeRolledBack.md", "status", Stage::RolledBack),
    alert("CrossfadeBreachClockHalf.md", "status", Stage::Breaching),
    alert("CrossfadeBreachClockHalf.md", "history", Stage::Breaching),
    alert("CrossfadeRuleUnknown.md", "status", Stage::Quiet),
    alert("CrossfadeStalled.md", "status", Stage::Waiting),
    alert("CrossfadeStalled.md", "history", Stage::Waiting),
    alert(
        "CrossfadeStateFileUnhealthy.md",
        "status",
        Stage::Unwritable,
    ),
    fails("CrossfadeDown.md", "status", Stage::Gone, 69),
    alert("CrossfadeDown.md", "history", Stage::Gone),
    alert("CrossfadeShareMismatch.md", "status", Stage::Lopsided),
    alert("CrossfadeNotifyFailing.md", "status", Stage::Unheard),
    alert("CrossfadeNotifyFailing.md", "history", Stage::Unheard),
    alert("CrossfadeOriginalFailing.md", "status", Stage::OriginalDown),
    alert("CrossfadeConfigRefused.md", "status", Stage::Refused),
    fails("CrossfadeConfigRefused.md", "check", Stage::Refused, 78),
    alert("CrossfadeCredentials.md", "status", Stage::Keyless),
    fails("CrossfadeCredentials.md", "check --live", Stage::Keyless, 1),
    named("explain"),
    named("simulate"),
    named("rollback"),
    named("rearm"),
    named("resume"),
    named("advance"),
];

/// What is not run here, and why. A command of crossfade's within such a line is run.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "cargo run --release -- demo",
        "a minute and a half long; the step `demo` of tests/run is this command",
    ),
    (
        "cargo build --release --locked",
        "minutes long; the step `demo` builds so",
    ),
    (
        "cargo bench --bench ",
        "measures for minutes; Cargo.toml has each bench, which the lints build",
    ),
    ("tests/run", "runs this test"),
    ("export PATH=", "the binary is in the path of these tests"),
    (
        "docker build",
        "needs a container engine; the step `deploy` checks the Dockerfile",
    ),
    (
        "docker compose up",
        "needs a container engine; the step `compose` runs its services as processes",
    ),
    (
        "docker compose exec",
        "needs a container engine; what it runs in there is run here",
    ),
    (
        "kubectl",
        "needs a cluster; what it runs in a container is run here",
    ),
    ("curl --output", "names the option that writes such a file"),
    ("systemctl", "needs systemd as the first process"),
    ("aws", "needs an account"),
];
