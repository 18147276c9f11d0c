use super::*;
use crate::outcome::Attempt;
use crate::rollout::RecordState;
use crate::split::Percent;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

/// A directory with one store that has the lock.
struct Place {
    dir: tempfile::TempDir,
    store: StateStore,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut store = StateStore::new(dir.path().join("x.state.json"));
        assert_eq!(store.try_lock().expect("a lock file"), Lock::Held);
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("written");
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("listed");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        names.sort();
        names
    }

    fn why(&self) -> Why {
        match self.store.read(false) {
            Found::Tripped(Tripped { path, why }) => {
                assert_eq!(path, self.store.path());
                why
            }
            found => panic!("not tripped: {found:?}"),
        }
    }
}

fn armed() -> Record {
    Record::first(Attempt(1))
}

fn rolled_back() -> Record {
    Record::lost(Attempt(3), "a test said so", 1_700_000_000_000)
}

#[test]
fn an_empty_place_is_a_first_start() {
    let place = Place::new();
    assert_eq!(place.store.read(false), Found::FirstStart);
    let required = place.store.read(true);
    let why = Why::Required;
    assert_eq!(
        required,
        Found::Tripped(Tripped {
            path: place.path("x.state.json"),
            why
        })
    );
}

#[test]
fn what_is_written_is_read_by_the_next_process() {
    let mut place = Place::new();
    for record in [armed(), rolled_back()] {
        place.store.write(&record).expect("written");
        let other = StateStore::new(place.path("x.state.json"));
        assert_eq!(other.read(true), Found::Record(record));
    }
    assert_eq!(
        place.names(),
        ["x.state.json", "x.state.lock"],
        "nothing is left behind"
    );
    for name in place.names() {
        let mode = fs::metadata(place.path(&name))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_torn_file_is_tripped_at_every_length() {
    let mut place = Place::new();
    place.store.write(&rolled_back()).expect("written");
    let whole = fs::read(place.store.path()).expect("read");
    for length in 1..whole.trim_ascii_end().len() {
        place.put("x.state.json", &whole[..length]);
        assert_eq!(place.why(), Why::Torn, "{length}");
        let mut zeroed = whole.clone();
        zeroed[length..].fill(0);
        place.put("x.state.json", &zeroed);
        assert_eq!(place.why(), Why::Torn, "{length}");
    }
}

#[test]
fn whatever_cannot_be_read_is_tripped() {
    let place = Place::new();
    place.put("x.state.json", "");
    assert_eq!(place.why(), Why::Empty);
    place.put("x.state.json", vec![b' '; 64 * 1024 + 1]);
    assert_eq!(place.why(), Why::TooLarge);
    for garbage in [&b"\0\0\0"[..], b"armed", b"{]", b"\xff\xfe", b"]"] {
        place.put("x.state.json", garbage);
        assert_eq!(place.why(), Why::Torn, "{garbage:?}");
    }
    for foreign in [
        "{}",
        "null",
        "[]",
        r#"{"version": 2, "attempt": 1, "state": "armed"}"#,
        r#"{"version": 1, "attempt": -1, "state": "armed"}"#,
        r#"{"version": 1, "attempt": 1, "state": "disarmed"}"#,
    ] {
        place.put("x.state.json", foreign);
        assert!(matches!(place.why(), Why::Foreign(_)), "{foreign}");
    }
    fs::remove_file(place.store.path()).expect("removed");
    fs::create_dir(place.store.path()).expect("created");
    assert_eq!(place.why(), Why::NotAFile);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo")
        .arg(place.store.path())
        .status();
    assert!(made.expect("mkfifo runs").success());
    assert_eq!(place.why(), Why::NotAFile);
}

#[test]
fn a_file_that_anybody_can_write_is_not_believed() {
    let mut place = Place::new();
    place.store.write(&armed()).expect("written");
    let mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.store.path(), permissions).expect("mode set");
    };
    mode(0o666);
    assert_eq!(place.why(), Why::WritableByAll);
    mode(0o660);
    assert_eq!(
        place.store.read(false),
        Found::Record(armed()),
        "a volume with fsGroup"
    );
}

#[test]
fn a_link_is_neither_read_nor_written_through() {
    let mut place = Place::new();
    place.store.write(&armed()).expect("written");
    fs::rename(place.store.path(), place.path("elsewhere")).expect("renamed");
    symlink("elsewhere", place.store.path()).expect("linked");
    assert_eq!(place.why(), Why::Link);
    let refused = place.store.write(&rolled_back()).expect_err("a link");
    assert!(matches!(refused, StateError::Link(_)), "{refused}");
    let content = fs::read(place.path("elsewhere")).expect("read");
    assert_eq!(
        serde_json::from_slice::<Record>(&content).expect("untouched"),
        armed()
    );
}

#[test]
fn a_file_that_is_gone_is_told_from_one_that_never_was() {
    for neighbour in ["x.state.config.yaml", "x.state.journal", "x.state.bad"] {
        let place = Place::new();
        place.put(neighbour, "");
        assert_eq!(place.why(), Why::Missing(place.path(neighbour)));
    }
    // Neither the lock nor what a crash left of the very first write is a sign of an earlier life.
    let place = Place::new();
    place.put("x.state.json.tmp", "{");
    assert_eq!(place.store.read(false), Found::FirstStart);
}

#[test]
fn what_somebody_else_did_to_the_file_is_noticed() {
    let mut place = Place::new();
    let ours = rolled_back();
    place.store.write(&ours).expect("written");
    place.store.save_config_copy("text").expect("written");
    place.store.verify(&ours).expect("as it was written");

    fs::remove_file(place.store.path()).expect("removed");
    let why = place.store.verify(&ours).expect_err("it is gone");
    assert!(matches!(why, StateError::Deleted(_)), "{why}");
    assert!(matches!(place.why(), Why::Missing(_)));
    place.store.write(&ours).expect("written");
    assert_eq!(place.store.read(false), Found::Record(rolled_back()));

    let theirs = serde_json::to_string(&armed()).expect("JSON");
    for other in [theirs.as_str(), "{\"version\": 1, \"att", ""] {
        place.put("x.state.json", other);
        let why = place.store.verify(&ours).expect_err("it is another");
        assert!(matches!(why, StateError::Replaced { .. }), "{why}");
        let aside = fs::read_to_string(place.path("x.state.bad")).expect("kept");
        assert_eq!(aside, other);
        place.store.write(&ours).expect("written");
        place.store.verify(&ours).expect("as it was written");
    }
}

#[test]
fn one_unreadable_file_is_kept_aside() {
    let mut place = Place::new();
    for garbage in ["first garbage", "second garbage"] {
        place.put("x.state.json", garbage);
        place.store.write(&rolled_back()).expect("written");
        let aside = fs::read_to_string(place.path("x.state.bad")).expect("kept");
        assert_eq!(aside, garbage);
        assert_eq!(place.store.read(false), Found::Record(rolled_back()));
    }
    place.store.write(&armed()).expect("written");
    let aside = fs::read_to_string(place.path("x.state.bad")).expect("kept");
    assert_eq!(aside, "second garbage", "a sound state is not set aside");
}

#[test]
fn a_failed_write_leaves_the_old_state() {
    let mut place = Place::new();
    place.store.write(&armed()).expect("written");
    // A directory where the temporary file should be: it can be neither removed nor written, which
    // holds for every user, unlike a read-only directory.
    fs::create_dir(place.path("x.state.json.tmp")).expect("created");
    let refused = place
        .store
        .write(&rolled_back())
        .expect_err("no temporary file");
    assert!(
        refused.to_string().starts_with("cannot write "),
        "{refused}"
    );
    assert_eq!(place.store.read(false), Found::Record(armed()));
    fs::remove_dir(place.path("x.state.json.tmp")).expect("removed");
    place
        .store
        .write(&rolled_back())
        .expect("the next try succeeds");
    assert_eq!(place.store.read(false), Found::Record(rolled_back()));
}

#[test]
fn a_failed_replacement_leaves_no_temporary_file() {
    let mut place = Place::new();
    fs::create_dir(place.store.path()).expect("created");
    place.put("x.state.json/occupied", "");
    let refused = place
        .store
        .write(&armed())
        .expect_err("a directory is in the way");
    assert!(
        refused.to_string().starts_with("cannot replace "),
        "{refused}"
    );
    assert_eq!(place.names(), ["x.state.json", "x.state.lock"]);
}

#[test]
fn what_a_crash_left_is_no_obstacle() {
    let mut place = Place::new();
    place.store.write(&armed()).expect("written");
    place.put("x.state.json.tmp", "{\"version\":");
    assert_eq!(place.store.read(false), Found::Record(armed()));
    place.store.write(&rolled_back()).expect("written");
    assert_eq!(place.names(), ["x.state.json", "x.state.lock"]);
    // Not even a planted link is followed.
    place.put("victim", "untouched");
    symlink("victim", place.path("x.state.json.tmp")).expect("linked");
    place.store.write(&armed()).expect("written");
    assert_eq!(
        fs::read_to_string(place.path("victim")).expect("read"),
        "untouched"
    );
}

#[test]
fn a_missing_directory_is_made_private() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut store = StateStore::new(dir.path().join("a/b/state.json"));
    assert_eq!(store.read(false), Found::FirstStart);
    assert_eq!(store.try_lock().expect("a lock file"), Lock::Held);
    store.write(&armed()).expect("written");
    let mode = fs::metadata(dir.path().join("a/b"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    // A file where the directory should be is said, not removed.
    fs::write(dir.path().join("file"), "").expect("written");
    let mut store = StateStore::new(dir.path().join("file/state.json"));
    let refused = store.write(&armed()).expect_err("no directory");
    assert!(matches!(refused, StateError::Io { .. }), "{refused}");
    assert!(matches!(
        store.read(false),
        Found::Tripped(Tripped {
            why: Why::Unreadable(_),
            ..
        })
    ));
}

#[test]
fn only_the_holder_of_the_lock_writes() {
    let mut place = Place::new();
    place.store.write(&armed()).expect("written");
    let mut second = StateStore::new(place.path("x.state.json"));
    assert_eq!(second.try_lock().expect("asked"), Lock::HeldByOther);
    for refused in [
        second.write(&rolled_back()),
        second.save_config_copy("other"),
    ] {
        let refused = refused.expect_err("not the holder");
        assert!(matches!(refused, StateError::HeldByOther(_)), "{refused}");
    }
    assert_eq!(
        second.read(false),
        Found::Record(armed()),
        "reading is free"
    );
    assert_eq!(
        place.store.try_lock().expect("asked"),
        Lock::Held,
        "asking again keeps it"
    );
    let Place { dir, store } = place;
    drop(store);
    assert_eq!(
        second.try_lock().expect("asked"),
        Lock::Held,
        "the first one has ended"
    );
    second.write(&rolled_back()).expect("written");
    drop(dir);
}

#[test]
fn a_deleted_lock_file_does_not_let_two_write() {
    let mut place = Place::new();
    place.store.write(&armed()).expect("written");
    fs::remove_file(place.path("x.state.lock")).expect("removed");
    let mut second = StateStore::new(place.path("x.state.json"));
    assert_eq!(second.try_lock().expect("asked"), Lock::Held);
    let refused = place
        .store
        .write(&rolled_back())
        .expect_err("it is the second one's now");
    assert!(matches!(refused, StateError::HeldByOther(_)), "{refused}");
    drop(second);
    place.store.write(&rolled_back()).expect("it is free again");
    // Deleted with nobody else there, it is made again.
    fs::remove_file(place.path("x.state.lock")).expect("removed");
    place.store.write(&armed()).expect("written");
    assert!(place.path("x.state.lock").exists());
}

#[test]
fn the_copy_of_the_configuration_follows_the_state() {
    let mut place = Place::new();
    assert_eq!(place.store.load_config_copy().expect("readable"), None);
    let early = place
        .store
        .save_config_copy("text")
        .expect_err("no state yet");
    assert!(matches!(early, StateError::StateFirst(_)), "{early}");
    assert_eq!(place.store.read(false), Found::FirstStart);
    place.store.write(&armed()).expect("written");
    for text in ["first", "second"] {
        place.store.save_config_copy(text).expect("written");
        let copy = StateStore::new(place.path("x.state.json")).load_config_copy();
        assert_eq!(copy.expect("readable").as_deref(), Some(text));
    }
    let mode = fs::metadata(place.store.config_copy_path())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for unfit in [&b"\xff"[..], &vec![b' '; 256 * 1024 + 1]] {
        place.put("x.state.config.yaml", unfit);
        let refused = place.store.load_config_copy().expect_err("no text");
        assert!(matches!(refused, StateError::NotText(_)), "{refused}");
    }
    fs::remove_file(place.store.config_copy_path()).expect("removed");
    symlink("x.state.json", place.store.config_copy_path()).expect("linked");
    place.store.load_config_copy().expect_err("a link");
}

#[test]
fn what_was_found_is_said_as_part_of_a_sentence() {
    let mut place = Place::new();
    place.put("x.state.json", "garbage");
    let Found::Tripped(tripped) = place.store.read(false) else {
        panic!("tripped")
    };
    let record = Record::lost(Attempt(1), &tripped.to_string(), 0);
    place.store.write(&record).expect("written");
    let RecordState::RolledBack(rollback) = record.state else {
        panic!("rolled back")
    };
    assert_eq!(rollback.from_percent, Percent::ZERO);
    assert_eq!(
        rollback.sentence,
        format!(
            "Rolled back to 0 %: the state file {} is incomplete or damaged, so a rollback may \
             have been lost",
            place.store.path().display()
        )
    );
}

#[test]
fn the_holder_says_where_it_is_reached_for_as_long_as_it_holds_the_lock() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("x.state.json");
    let asked = StateStore::new(path.clone());
    assert_eq!(asked.holder(), None);
    assert!(
        !dir.path().join("x.state.lock").exists(),
        "asking makes no file"
    );
    let admin: SocketAddr = "127.0.0.1:9".parse().expect("an address");
    let mut first = StateStore::new(path.clone()).reached_at(admin);
    assert_eq!(first.try_lock().expect("a lock file"), Lock::Held);
    assert_eq!(asked.holder(), Some(admin));
    drop(first);
    assert_eq!(asked.holder(), None, "what a process leaves behind");
    // The next one is somewhere else, and one that does not say where is not mistaken for it.
    let admin: SocketAddr = "[::1]:10".parse().expect("an address");
    let mut second = StateStore::new(path.clone()).reached_at(admin);
    assert_eq!(second.try_lock().expect("a lock file"), Lock::Held);
    assert_eq!(asked.holder(), Some(admin));
    drop(second);
    let mut third = StateStore::new(path);
    assert_eq!(third.try_lock().expect("a lock file"), Lock::Held);
    assert_eq!(asked.holder(), None);
}
