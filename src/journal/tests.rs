//! The journal over a real directory: order, torn ends, rotation, a failing disk, and exactly one
//! line for each rollback whatever was lost.

use super::*;
use crate::outcome::Attempt;
use crate::rollout::{Cause, RecordState, Rollback, RuleName, Transition};
use crate::split::Percent;
use crate::state::StateStore;
use file::History;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn rollback(at_unix_ms: u64) -> Rollback {
    Rollback {
        rule: Cause::Rule(RuleName::Errors),
        sentence: "Rolled back 5 % -> 0 %: errors".to_owned(),
        at_unix_ms,
        from_percent: Percent::from_basis_points(500).expect("a share"),
        numbers: None,
        classes: BTreeMap::new(),
        last_failure_request_id: Some("req-7".to_owned()),
        actor: None,
        reason: None,
        rearm_with_attempt: Some(2),
        common_mode: false,
    }
}

fn rolled_back(attempt: u64, at_unix_ms: u64) -> Record {
    Record {
        state: RecordState::RolledBack(Box::new(rollback(at_unix_ms))),
        ..Record::first(Attempt(attempt))
    }
}

const CONTEXT: Context<'_> = Context {
    attempt: Attempt(1),
    percent: Percent::ZERO,
    config_hash: "0123",
};

/// A journal's task beside a state file, and what it tells.
struct Desk {
    dir: TempDir,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("s.json"), "{}").expect("written");
        Self {
            dir,
            metrics: Arc::new(Metrics::new()),
            board: Arc::default(),
        }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("s.json")
    }

    fn journal(&self) -> PathBuf {
        StateStore::new(self.state()).journal_path().to_owned()
    }

    /// One life of the process: `tell` says what happens, then it ends in order. Gives what
    /// `notify` was told.
    async fn life(&self, tell: impl FnOnce(&Handle)) -> Vec<Arc<Line>> {
        let (posts, mut posted) = mpsc::channel(64);
        let (handle, task) = start(
            self.state(),
            "alice@pod-1".to_owned(),
            Arc::clone(&self.metrics),
            Arc::clone(&self.board),
            posts,
        );
        tell(&handle);
        drop(handle);
        let (mut new, mut opened) = (Vec::new(), false);
        while let Some(post) = posted.recv().await {
            match post {
                // Dropping `ready` lets it go on.
                Post::Open { .. } => opened = true,
                Post::New(line) if opened => new.push(line),
                Post::New(line) => panic!("told before what was there: {line:?}"),
            }
        }
        task.await.expect("no panic");
        new
    }

    fn read(&self) -> History {
        file::read(&self.state()).expect("readable")
    }

    fn ids(&self) -> Vec<String> {
        self.read().lines.into_iter().map(|line| line.id).collect()
    }
}

#[tokio::test]
async fn what_happens_is_there_in_order_with_who_and_why() {
    let desk = Desk::new();
    desk.life(|journal| {
        let tripped = Transition::Tripped(rollback(1_000));
        journal.note(&Control::Transition(&tripped), CONTEXT);
        let rearmed = Transition::Rearmed {
            attempt: Attempt(2),
            percent: Percent::ALL,
            actor: "alice".to_owned(),
            reason: "quota raised".to_owned(),
            at_unix_ms: Some(2_000),
        };
        journal.note(&Control::Transition(&rearmed), CONTEXT);
        journal.standing(&Record::first(Attempt(2)), "0123");
    })
    .await;
    let text = fs::read_to_string(desk.journal()).expect("readable");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(
        text.starts_with("{\"sentence\":\"Rolled back 5 % -> 0 %: errors\""),
        "{text}"
    );
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["event"], "rolled_back");
    assert_eq!(lines[0]["at"], "1970-01-01T00:00:01.000Z");
    assert_eq!(lines[0]["rule"], "errors");
    assert_eq!((&lines[0]["from"], &lines[0]["to"]), (&5.into(), &0.into()));
    assert_eq!(lines[0]["request_id"], "req-7");
    assert_eq!(lines[0]["config"], "0123");
    assert_eq!(lines[0]["id"], "rolled_back-1-1000");
    assert_eq!(lines[1]["event"], "rearmed");
    assert_eq!(lines[1]["attempt"], 2);
    assert_eq!(
        (&lines[1]["actor"], &lines[1]["reason"]),
        (&"alice".into(), &"quota raised".into())
    );
    assert_eq!((&lines[0]["seq"], &lines[1]["seq"]), (&1.into(), &2.into()));
    assert_eq!(lines[0]["journal"], lines[1]["journal"]);
}

#[tokio::test]
async fn a_rollback_has_one_line_and_one_id_wherever_the_process_ended() {
    let desk = Desk::new();
    desk.life(|journal| journal.standing(&Record::first(Attempt(1)), ""))
        .await;
    assert_eq!(desk.ids().len(), 1, "the journal begins");
    // The state file was written, the journal was not: the next start recovers the line.
    let state = rolled_back(1, 5_000);
    let told = desk.life(|journal| journal.standing(&state, "")).await;
    assert_eq!(desk.ids()[1..], ["rolled_back-1-5000"]);
    let new: Vec<_> = told.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(new, ["rolled_back-1-5000"]);
    // Every further start finds it.
    for _ in 0..3 {
        desk.life(|journal| journal.standing(&state, "")).await;
    }
    assert_eq!(desk.ids().len(), 2);
    // A life that tells of it itself has no second one either.
    let other = Desk::new();
    other
        .life(|journal| {
            journal.note(
                &Control::Transition(&Transition::Tripped(rollback(5_000))),
                CONTEXT,
            );
            journal.standing(&state, "");
        })
        .await;
    assert_eq!(other.ids(), ["rolled_back-1-5000"]);
    // The re-arm was lost, too.
    other
        .life(|journal| journal.standing(&Record::first(Attempt(2)), ""))
        .await;
    let lines = other.read().lines;
    assert_eq!(
        (lines[1].event.as_str(), lines[1].attempt),
        ("attempt_started", 2)
    );
}

#[tokio::test]
async fn a_start_is_told_with_who_runs_it_and_what_it_resumes() {
    let desk = Desk::new();
    let accepted = |generation| Control::ConfigAccepted {
        generation,
        hash: "0123",
        restart_needed: &[],
        warnings: &[],
    };
    let stopping = Control::Hold {
        hold: crate::snapshot::Hold::Draining,
        on: true,
    };
    let life = async |record: Record| {
        desk.life(|journal| {
            journal.note(&accepted(1), CONTEXT);
            journal.standing(&record, "0123");
            journal.note(&accepted(2), CONTEXT);
            journal.note(&stopping, CONTEXT);
        })
        .await
    };
    let told = life(Record::first(Attempt(3))).await;
    let events: Vec<_> = told.iter().map(|line| line.event.as_str()).collect();
    assert_eq!(
        events,
        ["started", "config_changed", "stopping", "attempt_started"]
    );
    let start = &told[0];
    assert_eq!((start.attempt, start.config.as_str()), (3, "0123"));
    assert_eq!(start.actor.as_deref(), Some("alice@pod-1"));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        start.sentence,
        format!("crossfade {version} started; attempt 3 is armed")
    );
    let told = life(rolled_back(3, 9)).await;
    assert!(told[0].sentence.ends_with("; attempt 3 is rolled back"));
    // A process that is started again and again pushes nothing else out of the journal.
    for _ in 0..20 {
        life(rolled_back(3, 9)).await;
    }
    // One that has no line to write works all the same.
    let again = Desk {
        dir: desk.dir,
        metrics: Arc::new(Metrics::new()),
        board: Arc::default(),
    };
    again
        .life(|journal| {
            journal.note(&accepted(1), CONTEXT);
            journal.standing(&rolled_back(3, 9), "0123");
        })
        .await;
    let metrics = again.metrics.render().expect("rendered");
    assert!(metrics.contains("\ncrossfade_journal_healthy 1\n"));
    let lines = again.read().lines;
    let of = |kind| lines.iter().filter(|line| line.event == kind).count();
    assert_eq!((of("started"), of("stopping")), (6, 6));
    let last = lines.iter().rfind(|line| line.event == "started");
    let last = &last.expect("a line").sentence;
    assert!(
        last.ends_with("more within the hour are not noted"),
        "{last}"
    );
}

#[tokio::test]
async fn nothing_is_written_before_the_state_file_is() {
    let desk = Desk::new();
    let tripped = Transition::Tripped(rollback(1_000));
    desk.life(|journal| journal.note(&Control::Transition(&tripped), CONTEXT))
        .await;
    assert!(!desk.journal().exists());
    fs::remove_file(desk.state()).expect("removed");
    desk.life(|journal| journal.standing(&rolled_back(1, 1), ""))
        .await;
    assert!(!desk.journal().exists());
    let problem = desk.board.side().journal_problem.expect("told");
    assert!(problem.contains("not written yet"), "{problem}");
}

#[tokio::test]
async fn a_torn_end_is_closed_off_and_told() {
    let desk = Desk::new();
    desk.life(|journal| journal.standing(&Record::first(Attempt(1)), ""))
        .await;
    let whole = fs::read(desk.journal()).expect("readable");
    for cut in (1..whole.len()).step_by(37).chain([whole.len() - 1]) {
        fs::write(desk.journal(), &whole[..cut]).expect("written");
        let told = desk
            .life(|journal| journal.standing(&rolled_back(1, 9), ""))
            .await;
        let history = desk.read();
        // Only the line break was missing: the line is there.
        let torn = usize::from(cut < whole.len() - 1);
        assert_eq!(history.unreadable, torn, "{cut}");
        let last = history.lines.last().expect("a line");
        assert_eq!(last.id, "rolled_back-1-9", "{cut}");
        let mended = |line: &Line| line.event == "journal";
        assert!(history.lines.iter().any(mended), "{cut}");
        assert_eq!(told.len(), 2, "{cut}");
        let seqs: Vec<_> = history.lines.iter().map(|line| line.seq).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_disk_delays_the_lines_and_nothing_else() {
    let desk = Desk::new();
    // A directory in its place: nothing can be appended there.
    fs::create_dir(desk.journal()).expect("made");
    let (posts, mut posted) = mpsc::channel(64);
    let (metrics, board) = (Arc::clone(&desk.metrics), Arc::clone(&desk.board));
    let (handle, task) = start(desk.state(), "t".to_owned(), metrics, board, posts);
    handle.standing(&rolled_back(1, 7), "");
    // Time runs as soon as nothing else does: each try fails within it.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let problem = desk.board.side().journal_problem.expect("told");
    assert!(problem.contains("journal"), "{problem}");
    assert!(
        desk.metrics
            .render()
            .expect("rendered")
            .contains("\ncrossfade_journal_healthy 0\n")
    );
    fs::remove_dir(desk.journal()).expect("removed");
    assert!(matches!(posted.recv().await, Some(Post::Open { .. })));
    assert!(matches!(posted.recv().await, Some(Post::New(_))));
    drop(handle);
    task.await.expect("no panic");
    assert_eq!(desk.ids(), ["rolled_back-1-7"]);
    assert_eq!(desk.board.side().journal_problem, None);
    assert!(
        desk.metrics
            .render()
            .expect("rendered")
            .contains("\ncrossfade_journal_healthy 1\n")
    );
}

#[test]
fn old_files_are_kept_up_to_a_bound_and_read_in_order() {
    let desk = Desk::new();
    let record = rolled_back(1, 9);
    let problems = ["x".repeat(500)];
    for round in 0..20 {
        let (mut journal, _, ended) = Journal::open(&desk.state()).expect("opened");
        assert_eq!(ended, Ended::Whole);
        journal.rotate_bytes = 8_000;
        let missing = journal.missing(&record, "");
        // Said once, although its line is rotated away in the end.
        assert_eq!(missing.is_some(), round == 0, "{round}");
        let refused = Control::ConfigRefused {
            problems: &problems,
        };
        let draft = || Draft::of(&refused, CONTEXT, 1).expect("a line");
        let drafts = missing.into_iter().chain((0..10).map(|_| draft()));
        let lines: Vec<_> = drafts
            .filter_map(|it| journal.number(it).map(Arc::new))
            .collect();
        let (appended, result) = journal.append(&lines);
        result.expect("appended");
        assert_eq!(appended, lines.len());
        let read = desk.read().lines;
        let follow = |pair: &[Line]| pair[0].seq + 1 == pair[1].seq;
        assert!(read.windows(2).all(follow), "{round}");
        assert_eq!(read.last().map(|line| line.seq), Some(10 * (round + 1) + 1));
    }
    assert!(!desk.ids().contains(&"rolled_back-1-9".to_owned()));
    // The state file, the journal, and the older ones.
    let files = fs::read_dir(desk.dir.path()).expect("readable").count();
    assert_eq!(files, 2 + file::OLD_FILES);
    assert!(size(desk.dir.path()) < (file::OLD_FILES as u64 + 1) * 9_000);
}

fn size(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).expect("readable");
    let sizes = files.map(|file| file.expect("an entry").metadata().expect("there").len());
    sizes.sum()
}
