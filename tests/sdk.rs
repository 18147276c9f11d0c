//! The vendors' own SDKs as clients: boto3 of the Bedrock emulator, openai-python and openai-node of
//! crossfade. The checks themselves are the scripts in `sdk/`; here is what they need around them.
//!
//! Ignored in a plain `cargo test`: they need interpreters with packages, which `tests/run` installs.

use crate::support::sidecar::{Providers, Sidecar};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The variables that `tests/run` sets.
const PYTHON: &str = "CROSSFADE_TEST_PYTHON";
const NODE: &str = "CROSSFADE_TEST_NODE";

#[test]
#[ignore = "needs boto3: run `tests/run sdk`"]
fn boto3_takes_the_emulator_for_bedrock() {
    let report = run(PYTHON, "bedrock_boto3.py", &Providers::start(), &[]);
    println!("{report}");
}

#[test]
#[ignore = "needs openai-python: run `tests/run sdk`"]
fn openai_python_takes_crossfade_for_openai() {
    let report = before_crossfade(PYTHON, "openai_python.py");
    println!("{report}");
}

#[test]
#[ignore = "needs openai-node: run `tests/run sdk`"]
fn openai_node_takes_crossfade_for_openai() {
    let report = before_crossfade(NODE, "openai_node.js");
    println!("{report}");
}

/// Runs a script against crossfade at three shares, in front of the same two providers.
fn before_crossfade(interpreter: &str, script: &str) -> String {
    let providers = Providers::start();
    let sidecars = [0, 50, 100].map(|percent| {
        let dir = TempDir::new().expect("a temporary directory");
        providers.write_config(dir.path(), percent);
        (Sidecar::start(dir.path()), dir)
    });
    let names = [
        "CROSSFADE_TEST_AT_0",
        "CROSSFADE_TEST_AT_50",
        "CROSSFADE_TEST_AT_100",
    ];
    let urls = sidecars
        .each_ref()
        .map(|(sidecar, _)| format!("http://{}", sidecar.listen));
    let variables: Vec<_> = names.into_iter().zip(urls).collect();
    run(interpreter, script, &providers, &variables)
}

/// What a script of `sdk/` prints; panics with it unless the script succeeds.
fn run(
    interpreter: &str,
    script: &str,
    providers: &Providers,
    variables: &[(&str, String)],
) -> String {
    let program = variable(interpreter);
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(script);
    let output = Command::new(program)
        .arg(&script)
        .env(
            "CROSSFADE_TEST_OPENAI_CONTROL",
            providers.openai.control_url(),
        )
        .env("CROSSFADE_TEST_BEDROCK", providers.bedrock.base_url())
        .env(
            "CROSSFADE_TEST_BEDROCK_CONTROL",
            providers.bedrock.control_url(),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Everything is on the loopback.
        .env("NO_PROXY", "*")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{interpreter} cannot be run: {error}"));
    let report = [output.stdout, output.stderr].concat();
    let report = String::from_utf8_lossy(&report).into_owned();
    assert!(
        output.status.success(),
        "{}: {}\n{report}",
        script.display(),
        output.status
    );
    report
}

/// A variable that only `tests/run` knows how to set.
#[expect(clippy::disallowed_methods, reason = "the test's own environment")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run `tests/run sdk`, which installs the SDKs and starts this test"
        )
    })
}
