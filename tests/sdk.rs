//! Real clients: boto3 of the Bedrock emulator; OpenAI's SDKs and the frameworks that are built on
//! them of crossfade. The checks themselves are the scripts in `sdk/`; here is what they need around
//! them.
//!
//! Ignored in a plain `cargo test`: they need interpreters with packages, which `tests/run` installs.

use crate::support::bodies::Source;
use crate::support::sidecar::{Providers, Sidecar};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The variables that `tests/run` sets.
const PYTHON: &str = "CROSSFADE_TEST_PYTHON";
const NODE: &str = "CROSSFADE_TEST_NODE";
/// The frameworks want an older openai-python, so they have an environment of their own.
const FRAMEWORKS: &str = "CROSSFADE_TEST_FRAMEWORKS";

/// Those who made the APIs.
mod vendors {
    use super::{NODE, PYTHON, before_crossfade, readme, run};
    use crate::support::sidecar::Providers;

    #[test]
    #[ignore = "needs boto3: run `tests/run sdk`"]
    fn boto3_takes_the_emulator_for_bedrock() {
        // Its requests are its own, and some wrong on purpose: they are not recorded.
        let report = run(PYTHON, "bedrock_boto3.py", &Providers::start(), &[]);
        println!("{report}");
    }

    #[test]
    #[ignore = "needs openai-python: run `tests/run sdk`"]
    fn openai_python_takes_crossfade_for_openai() {
        println!("{}", before_crossfade(PYTHON, "openai_python.py"));
    }

    #[test]
    #[ignore = "needs openai-python: run `tests/run sdk`"]
    fn openai_python_reads_typed_answers_through_crossfade() {
        println!("{}", before_crossfade(PYTHON, "openai_python_typed.py"));
    }

    #[test]
    #[ignore = "needs openai-python: run `tests/run sdk`"]
    fn what_the_readme_shows_in_python_works() {
        let said = readme(PYTHON);
        assert!(said.starts_with("bedrock "), "{said}");
    }

    #[test]
    #[ignore = "needs openai-node: run `tests/run sdk`"]
    fn openai_node_takes_crossfade_for_openai() {
        println!("{}", before_crossfade(NODE, "openai_node.js"));
    }
}

/// Those who build on them.
mod frameworks {
    use super::{FRAMEWORKS, before_crossfade};

    #[test]
    #[ignore = "needs langchain-openai: run `tests/run frameworks`"]
    fn langchain_takes_crossfade_for_openai() {
        println!("{}", before_crossfade(FRAMEWORKS, "langchain_standard.py"));
    }

    #[test]
    #[ignore = "needs llama-index: run `tests/run frameworks`"]
    fn llama_index_takes_crossfade_for_openai() {
        println!("{}", before_crossfade(FRAMEWORKS, "llama_index_openai.py"));
    }

    #[test]
    #[ignore = "needs autogen: run `tests/run frameworks`"]
    fn autogen_takes_crossfade_for_openai() {
        println!("{}", before_crossfade(FRAMEWORKS, "autogen_openai.py"));
    }
}

/// Runs a script against crossfade at three shares, in front of the same two providers.
fn before_crossfade(interpreter: &str, script: &str) -> String {
    let providers = Providers::start().recorded(Source::Clients);
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

/// What the README's piece of Python prints, word for word but for the port, and with a key.
fn readme(interpreter: &str) -> String {
    let text = include_str!("../README.md");
    let (_, rest) = text.split_once("```python\n").expect("a piece of Python");
    let (code, _) = rest.split_once("```").expect("its end");
    let providers = Providers::start().recorded(Source::Clients);
    let dir = TempDir::new().expect("a temporary directory");
    providers.write_config(dir.path(), 100);
    let sidecar = Sidecar::start(dir.path());
    assert!(code.contains("http://127.0.0.1:8787/v1"), "{code}");
    let code = code.replace("127.0.0.1:8787", &sidecar.listen.to_string());
    let output = Command::new(variable(interpreter))
        .args(["-c", &code])
        .env("OPENAI_API_KEY", "test-app-key")
        .env("NO_PROXY", "*")
        .output()
        .unwrap_or_else(|error| panic!("{interpreter} cannot be run: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
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
        panic!("{name} is not set: `tests/run` installs the clients and starts this test")
    })
}
