//! The configuration from file to process: the documented example, `check`, and starts with a file
//! that is refused.

use crossfade::cli::check;
use crossfade::cli::check::Format;
use crossfade::config::resolve;
use crossfade::config::watch::Hash;
use crossfade::outcome::Attempt;
use crossfade::rollout::Record;
use crossfade::state::Lock;
use crossfade::state::StateStore;
use crossfade::state::start::start;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

const GOOD: &str = "\
original: { url: https://api.openai.com }
bedrock: { region: us-east-1, models: { gpt-4o: amazon.nova-pro-v1:0 } }
rollout: { percent: 25 }
state: latch.json
";

fn no_env(_: &str) -> Option<String> {
    None
}

/// A place where a process ran with [`GOOD`] and ended.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn after_a_run() -> Self {
        let place = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        place.write(GOOD);
        let started = start(&place.file(), &no_env).expect("a good file");
        assert!(started.refused.is_none());
        assert_eq!(started.hash, Hash::of(GOOD));
        assert_eq!(started.config.state, place.dir.path().join("latch.json"));
        let mut store = StateStore::new(started.config.state);
        assert_eq!(store.try_lock().expect("a lock file"), Lock::Held);
        store.write(&Record::first(Attempt(1))).expect("written");
        store.save_config_copy(&started.text).expect("written");
        place
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("rollout.yaml")
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).expect("written");
    }
}

#[test]
fn the_documented_example_is_valid() {
    let text = include_str!("../rollout.yaml");
    let result = resolve::load_at(text, Path::new("/etc/crossfade/rollout.yaml"), &no_env);
    let text = check::render(Path::new("rollout.yaml"), &result, Format::Text);
    assert_eq!(check::exit_code(&result), 0, "{text}");
    assert!(text.starts_with("rollout.yaml is valid\n"), "{text}");
    assert!(
        text.contains("  state     /etc/crossfade/crossfade.state.json\n"),
        "{text}"
    );
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn a_start_with_a_refused_file_runs_the_copy() {
    let place = Place::after_a_run();
    for refused in [
        format!("{GOOD}nonsense: 1\n"),
        format!("nonsense: [\n{GOOD}"),
        GOOD.replace("25", "250"),
    ] {
        place.write(&refused);
        let started = start(&place.file(), &no_env).expect("there is a copy");
        let why = started.refused.expect("the file is refused");
        assert_eq!(why.hash, Some(Hash::of(&refused)));
        assert_eq!(started.text, GOOD);
        assert_eq!(started.hash, Hash::of(GOOD));
        assert_eq!(started.config.state, place.dir.path().join("latch.json"));
    }
}

#[test]
fn a_wrong_environment_does_not_spoil_the_copy() {
    let place = Place::after_a_run();
    let env = |name: &str| match name {
        "USE_AWS_PERCENT" => Some("lots".to_owned()),
        "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:9000".to_owned()),
        _ => None,
    };
    let started = start(&place.file(), &env).expect("there is a copy");
    let why = started.refused.expect("the environment is refused");
    assert!(why.problems.lines()[0].starts_with("USE_AWS_PERCENT (environment): "));
    assert!(
        started.config.bedrock.endpoint.is_some(),
        "the sound part of it counts"
    );
}

#[test]
fn without_a_copy_there_is_nothing_to_start_with() {
    let place = Place::after_a_run();
    fs::remove_file(place.dir.path().join("latch.config.yaml")).expect("removed");
    place.write("nonsense: 1\nstate: latch.json\n");
    let problems = start(&place.file(), &no_env).expect_err("no copy");
    assert!(
        problems
            .lines()
            .iter()
            .any(|line| line.starts_with("line 1, nonsense: "))
    );
}

#[test]
fn a_missing_file_is_looked_for_beside_the_default_state() {
    let place = Place::after_a_run();
    fs::remove_file(place.file()).expect("removed");
    start(&place.file(), &no_env).expect_err("the default state is not here");
    fs::rename(
        place.dir.path().join("latch.config.yaml"),
        place.dir.path().join("crossfade.state.config.yaml"),
    )
    .expect("renamed");
    let started = start(&place.file(), &no_env).expect("there is a copy");
    assert_eq!(started.refused.expect("the file is missing").hash, None);
    // The latch is where the copy was found, not where its text says.
    assert_eq!(
        started.config.state,
        place.dir.path().join("crossfade.state.json")
    );
}

#[test]
fn what_check_accepts_is_what_a_start_accepts() {
    let place = Place::after_a_run();
    for (text, accepted) in [
        (GOOD.to_owned(), true),
        (GOOD.replace("gpt-4o: ", "gpt-4o:\t"), true),
        (GOOD.replace("rollout", "rollouts"), false),
        ("state: latch.json\n".to_owned(), false),
        ("state: latch.json\n\tx: 1\n".to_owned(), false),
    ] {
        let checked = resolve::load_at(&text, &place.file(), &no_env);
        place.write(&text);
        let started = start(&place.file(), &no_env).expect("the file or its copy");
        assert_eq!(
            (checked.is_ok(), started.refused.is_none()),
            (accepted, accepted),
            "{text}"
        );
    }
}
