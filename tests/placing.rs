//! Which sidecar and which state a command or a start finds, whatever has become of rollout.yaml.

use crate::support::sidecar::{Providers, Sidecar};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a command came to.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `crossfade` in `dir` on the rollout.yaml there.
fn crossfade(dir: &Path, args: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_crossfade"))
        .args(args)
        .arg("--config")
        .arg(dir.join("rollout.yaml"))
        .current_dir(dir)
        .env_clear()
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Told {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// What may become of a file while a sidecar runs; none: it is deleted.
const SPOILED: [Option<&str>; 4] = [
    Some("listen: ["),
    Some(""),
    Some("nonsense: 1\nadmin: 127.0.0.1:1\n"),
    None,
];

fn spoil(dir: &Path, how: Option<&str>) {
    let file = dir.join("rollout.yaml");
    match how {
        Some(text) => fs::write(file, text).expect("written"),
        None => fs::remove_file(file).expect("removed"),
    }
}

#[test]
fn a_command_reaches_the_process_that_holds_the_state_whatever_the_file_says() {
    let providers = Providers::start();
    for how in SPOILED {
        let dir = tempfile::tempdir().expect("a temporary directory");
        providers.write_config(dir.path(), 5);
        let sidecar = Sidecar::start(dir.path());
        spoil(dir.path(), how);

        let told = crossfade(dir.path(), &["status", "--json"]);
        let status: Value = serde_json::from_str(&told.out).expect("JSON");
        assert_eq!(
            (told.code, &status["config"]["hash"]),
            (Some(0), &sidecar.status()["config"]["hash"]),
            "{how:?}"
        );
        let told = crossfade(dir.path(), &["rollback", "--reason", "a test"]);
        assert_eq!(told.code, Some(0), "{how:?}: {}", told.err);
        let reached = format!("Sidecar: http://{}/\n", sidecar.admin);
        assert!(told.out.ends_with(&reached), "{}", told.out);
        assert_eq!(sidecar.status()["state"], "rolled_back", "{how:?}");
    }
}

#[test]
fn a_change_is_refused_where_nothing_tells_the_sidecar() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let providers = Providers::start();
    providers.write_config(dir.path(), 5);
    // What it leaves behind names a port that another process may have by now.
    Sidecar::start(dir.path()).kill();
    for how in ["listen: [", ""] {
        spoil(dir.path(), Some(how));
        let told = crossfade(dir.path(), &["rollback", "--reason", "a test"]);
        assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{how:?}");
        assert!(told.err.contains("gives no admin address"), "{}", told.err);
        assert!(told.err.contains("--admin URL"), "{}", told.err);
    }
    spoil(dir.path(), None);
    let told = crossfade(dir.path(), &["rollback", "--reason", "a test"]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("there is no file "), "{}", told.err);
}

#[test]
fn a_health_check_follows_the_process_and_not_the_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let providers = Providers::start();
    providers.write_config(dir.path(), 5);
    let sidecar = Sidecar::start(dir.path());
    let healthy = format!("healthy: http://{}/\n", sidecar.admin);
    let told = crossfade(dir.path(), &["health"]);
    assert_eq!((told.code, &told.out), (Some(0), &healthy), "{}", told.err);

    // `admin` takes a restart; until then nothing listens on the new port.
    let file = dir.path().join("rollout.yaml");
    let text = fs::read_to_string(&file).expect("written");
    let edited = text.replace("admin: 127.0.0.1:0", "admin: 127.0.0.1:1");
    assert_ne!(edited, text);
    fs::write(&file, edited).expect("writable");
    let told = crossfade(dir.path(), &["health"]);
    assert_eq!((told.code, &told.out), (Some(0), &healthy), "{}", told.err);
    let told = crossfade(dir.path(), &["health", "--json"]);
    let said: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(said["healthy"], true);
    assert_eq!(crossfade(dir.path(), &["status"]).code, Some(0));
    for how in SPOILED {
        spoil(dir.path(), how);
        let told = crossfade(dir.path(), &["health"]);
        assert_eq!((told.code, &told.out), (Some(0), &healthy), "{}", told.err);
    }
    sidecar.kill();
    fs::write(&file, "admin: 127.0.0.1:1\n").expect("writable");
    let told = crossfade(dir.path(), &["health"]);
    assert_eq!((told.code, told.out.as_str()), (Some(69), ""));
    assert!(told.err.contains("http://127.0.0.1:1/"), "{}", told.err);
}

#[test]
fn a_state_that_is_named_outside_is_found_without_the_file() {
    let providers = Providers::start();
    for how in [Some(""), Some("listen: 127.0.0.1:0\n"), None] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        providers.write_config(dir.path(), 100);
        let state = dir.path().join("state/x.json");
        let state = state.to_str().expect("text");
        let named = [("CROSSFADE_STATE", state)];
        let sidecar = Sidecar::start_with(dir.path(), &named);
        assert_eq!(sidecar.status()["percent"], 100);
        // The copy is written behind the state.
        while !dir.path().join("state/x.config.yaml").exists() {
            std::thread::yield_now();
        }
        sidecar.kill();
        spoil(dir.path(), how);

        let sidecar = Sidecar::start_with(dir.path(), &named);
        let status = sidecar.status();
        assert_eq!(status["percent"], 0, "{how:?}");
        assert_eq!(status["holds"], json!(["config_refused"]), "{how:?}");
        assert_ne!(status["config"]["problems"], json!([]), "{how:?}");
        // Without the state nothing leads there; with it every command does.
        assert_ne!(
            crossfade(dir.path(), &["rollback", "--reason", "x"]).code,
            Some(0)
        );
        let args = ["rollback", "--reason", "a test", "--state", state];
        let told = crossfade(dir.path(), &args);
        assert_eq!(told.code, Some(0), "{how:?}: {}", told.err);
        assert_eq!(sidecar.status()["state"], "rolled_back", "{how:?}");
        let told = crossfade(dir.path(), &["history", "--state", state]);
        assert_eq!(told.code, Some(0), "{how:?}: {}", told.err);
        assert!(told.out.contains("a test"), "{}", told.out);
    }
}
