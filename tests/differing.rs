//! `crossfade check --diff`, as a person and as a script run it, with and without a sidecar.

use crate::support::sidecar::{Providers, Sidecar};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs `crossfade check --diff` in `dir`: the exit code, stdout and stderr.
fn diff(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_crossfade"))
        .args(["check", "--diff"])
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_copy_is_compared_with_what_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let providers = Providers::start();
    providers.write_config(dir.path(), 5);
    let (code, text, _) = diff(dir.path(), &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("is valid, and the first: "), "{text}");

    let sidecar = Sidecar::start(dir.path());
    let admin = sidecar.admin.to_string();
    // It is written behind the state file, whose hold has ended.
    while !dir.path().join("crossfade.state.config.yaml").exists() {
        std::thread::yield_now();
    }
    let (code, text, _) = diff(dir.path(), &["--admin", &admin]);
    assert_eq!(code, Some(0));
    assert!(
        text.starts_with("No change: rollout.yaml means the same as what is in force"),
        "{text}"
    );

    let old = fs::read_to_string(dir.path().join("rollout.yaml")).expect("readable");
    let new = old.replace("percent: 5", "percent: 25") + "drain: 5s\n";
    fs::write(dir.path().join("next.yaml"), &new).expect("written");
    let (code, text, _) = diff(dir.path(), &["next.yaml", "--admin", &admin]);
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        &format!("next.yaml, compared with what is in force at http://{admin}/ (sha256:"),
        "  rollout.percent  5 % → 25 %\n",
        "  moves 20 % of conversations to Bedrock, none back\n",
        "  drain            25s → 5s\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let (code, text, _) = diff(dir.path(), &["next.yaml", "--admin", &admin, "--json"]);
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (code, &told["share"]["to_bedrock"]),
        (Some(0), &Value::from(20))
    );
    assert_eq!(told["against"]["what"], "in_force");

    // A file that the sidecar does not run.
    let args = ["rollout.yaml", "--against", "next.yaml", "--admin", &admin];
    let (code, _, complaint) = diff(dir.path(), &args);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("runs another configuration"),
        "{complaint}"
    );
    drop(sidecar);

    let (code, text, _) = diff(dir.path(), &["next.yaml"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("; no sidecar runs it now)"), "{text}");
    let (code, _, complaint) = diff(dir.path(), &["next.yaml", "--admin", &admin]);
    assert_eq!(code, Some(69), "{complaint}");
    let (code, text, _) = diff(dir.path(), &["rollout.yaml", "--against", "next.yaml"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("moves 20 % of conversations back, none to Bedrock"),
        "{text}"
    );
}

#[test]
fn what_is_refused_says_so_with_its_code() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let providers = Providers::start();
    providers.write_config(dir.path(), 5);
    let file = dir.path().join("rollout.yaml");
    let old = fs::read_to_string(&file).expect("readable");
    let old = old.replace(
        "rollout: { percent: 5 }",
        "rollout: { percent: 50, advance: auto }",
    );
    fs::write(&file, &old).expect("written");
    let sidecar = Sidecar::start(dir.path());
    let new = old.replace("advance: auto", "advance: auto, salt: other");
    fs::write(dir.path().join("next.yaml"), &new).expect("written");
    let (code, text, _) = diff(
        dir.path(),
        &["next.yaml", "--admin", &sidecar.admin.to_string()],
    );
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.starts_with("next.yaml is REFUSED in this state"),
        "{text}"
    );
    assert!(text.contains("set `rollout.attempt: 2` with it"), "{text}");

    fs::write(dir.path().join("next.yaml"), "rollout: { percent: 500 }").expect("written");
    let (code, text, _) = diff(dir.path(), &["next.yaml"]);
    assert_eq!(code, Some(78));
    assert!(text.starts_with("next.yaml is refused: "), "{text}");
    let (code, _, complaint) = diff(dir.path(), &["rollout.yaml", "--against", "none.yaml"]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("no such file"), "{complaint}");
}
