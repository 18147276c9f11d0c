use super::*;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A directory with a file, read step by step.
struct Steps {
    dir: tempfile::TempDir,
    debounce: Debounce,
}

impl Steps {
    fn new(told: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self {
            dir,
            debounce: Debounce::new(told.map(Hash::of)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(self.path("rollout.yaml"), text).expect("written");
    }

    fn step(&mut self) -> Option<Result<String, Trouble>> {
        self.debounce.observe(read_text(&self.path("rollout.yaml")))
    }
}

fn told(text: &str) -> Option<Result<String, Trouble>> {
    Some(Ok(text.to_owned()))
}

#[test]
fn a_file_counts_when_two_reads_agree_and_only_once() {
    let mut steps = Steps::new(None);
    steps.write("a");
    assert_eq!(steps.step(), None);
    assert_eq!(steps.step(), told("a"));
    assert_eq!(steps.step(), None);
    // Written again with the same content: nothing happened.
    steps.write("a");
    assert_eq!(
        [steps.step(), steps.step(), steps.step()],
        [None, None, None]
    );
}

#[test]
fn what_is_known_from_the_start_is_no_news() {
    let mut steps = Steps::new(Some("a"));
    steps.write("a");
    assert_eq!(
        [steps.step(), steps.step(), steps.step()],
        [None, None, None]
    );
    steps.write("b");
    assert_eq!([steps.step(), steps.step()], [None, told("b")]);
}

#[test]
fn a_half_written_file_is_waited_out() {
    let mut steps = Steps::new(Some("percent: 5\n"));
    for half in ["", "per", "percent: 1"] {
        steps.write(half);
        assert_eq!(steps.step(), None, "{half:?}");
    }
    steps.write("percent: 10\n");
    assert_eq!(
        [steps.step(), steps.step(), steps.step()],
        [None, told("percent: 10\n"), None]
    );
}

#[test]
fn a_change_that_is_taken_back_at_once_never_was() {
    let mut steps = Steps::new(Some("a"));
    steps.write("b");
    assert_eq!(steps.step(), None);
    steps.write("a");
    assert_eq!([steps.step(), steps.step()], [None, None]);
}

#[test]
fn a_rename_is_seen() {
    let mut steps = Steps::new(Some("a"));
    steps.write("a");
    assert_eq!(steps.step(), None);
    fs::write(steps.path("new"), "b").expect("written");
    fs::rename(steps.path("new"), steps.path("rollout.yaml")).expect("renamed");
    assert_eq!([steps.step(), steps.step()], [None, told("b")]);
}

#[test]
fn a_configmap_swap_is_seen() {
    // As the kubelet does it: file → ..data/file, ..data → a dated directory, swapped by rename.
    let mut steps = Steps::new(Some("a"));
    for (directory, text) in [("..1", "a"), ("..2", "b")] {
        fs::create_dir(steps.path(directory)).expect("created");
        fs::write(steps.path(directory).join("rollout.yaml"), text).expect("written");
    }
    symlink("..1", steps.path("..data")).expect("linked");
    symlink("..data/rollout.yaml", steps.path("rollout.yaml")).expect("linked");
    assert_eq!([steps.step(), steps.step()], [None, None]);
    symlink("..2", steps.path("..data_tmp")).expect("linked");
    fs::rename(steps.path("..data_tmp"), steps.path("..data")).expect("swapped");
    fs::remove_dir_all(steps.path("..1")).expect("removed");
    assert_eq!([steps.step(), steps.step()], [None, told("b")]);
}

#[test]
fn a_missing_file_is_told_once_and_so_is_its_return() {
    let mut steps = Steps::new(Some("a"));
    steps.write("a");
    assert_eq!([steps.step(), steps.step()], [None, None]);
    fs::remove_file(steps.path("rollout.yaml")).expect("removed");
    assert_eq!(
        [steps.step(), steps.step()],
        [None, Some(Err(Trouble::Missing))]
    );
    assert_eq!(steps.step(), None);
    steps.write("a");
    assert_eq!(
        [steps.step(), steps.step()],
        [None, told("a")],
        "the problem is over"
    );
    // Gone for one read only, as with editors that delete and write.
    fs::remove_file(steps.path("rollout.yaml")).expect("removed");
    assert_eq!(steps.step(), None);
    steps.write("a");
    assert_eq!([steps.step(), steps.step()], [None, None]);
}

#[test]
fn what_is_no_text_file_is_refused_without_waiting() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("file");
    assert_eq!(read_text(&path), Err(Trouble::Missing));
    assert_eq!(read_text(dir.path()), Err(Trouble::NotAFile));
    assert_eq!(read_text(Path::new("/dev/zero")), Err(Trouble::NotAFile));
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    assert_eq!(read_text(&path), Err(Trouble::NotAFile));
    fs::remove_file(&path).expect("removed");
    fs::write(&path, b"a: 1\nb: \xff\n").expect("written");
    assert_eq!(read_text(&path), Err(Trouble::NotText { line: 2 }));
    fs::write(&path, vec![b' '; 256 * 1024 + 1]).expect("written");
    assert_eq!(read_text(&path), Err(Trouble::TooLarge));
    fs::write(&path, vec![b' '; 256 * 1024]).expect("written");
    assert!(read_text(&path).is_ok());
}

#[test]
fn troubles_are_said_with_the_file() {
    for (trouble, text) in [
        (Trouble::Missing, "/x: there is no such file"),
        (
            Trouble::TooLarge,
            "/x: found a larger file; accepted: at most 256 KiB",
        ),
        (
            Trouble::NotText { line: 2 },
            "/x: found bytes that are no UTF-8, in line 2; accepted: UTF-8",
        ),
    ] {
        assert_eq!(trouble.problem(Path::new("/x")).to_string(), text);
    }
}

#[test]
fn a_hash_is_shown_short() {
    assert_eq!(Hash::of("").to_string(), "sha256:e3b0c44298fc");
}

#[tokio::test(start_paused = true)]
async fn the_watch_tells_what_the_file_says_now() {
    let steps = Steps::new(None);
    steps.write("drain: 5s\n");
    let mut watch = Watch::new(steps.path("rollout.yaml"), |_: &str| None, None);
    let Event::Changed(loaded) = watch.next().await else {
        panic!("there is a file")
    };
    assert_eq!(loaded.text, "drain: 5s\n");
    assert_eq!(loaded.hash, Hash::of("drain: 5s\n"));
    let problems = loaded.result.expect_err("it maps no model");
    assert!(
        problems
            .lines()
            .iter()
            .any(|line| line.starts_with("bedrock.models"))
    );
    fs::remove_file(steps.path("rollout.yaml")).expect("removed");
    let Event::Unreadable(problems) = watch.next().await else {
        panic!("it is gone")
    };
    assert!(
        problems
            .to_string()
            .ends_with("rollout.yaml: there is no such file")
    );
}
