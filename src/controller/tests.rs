//! The controller over a real directory and a stepped clock.

use super::*;
use crate::clock::Stepper;
use crate::config::resolve;
use crate::config::watch::{Event, Hash, Loaded};
use crate::outcome::{Arm, CallEvent, CallId, Class, Verdict};
use crate::rollout::{Cause, RolloutState, RuleName};
use crate::state::{Found, start as state_start};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use tokio::runtime::Builder;

/// A controller and everything around it.
struct Bench {
    controller: Controller,
    stepper: Stepper,
    clock: RuleClock,
    metrics: Arc<Metrics>,
    updates: mpsc::Sender<Event>,
    file: PathBuf,
}

fn yaml(percent: u8, more: &str) -> String {
    format!(
        "original: {{ url: 'https://api.openai.com' }}\n\
         bedrock: {{ models: {{ gpt-4o-mini: amazon.nova-lite-v1:0 }} }}\n\
         state: state/s.json\n\
         rollout: {{ percent: {percent}{more} }}\n"
    )
}

fn env(_: &str) -> Option<String> {
    None
}

fn temp() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("state")).expect("a directory for the state");
    dir
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("state/s.json")
}

impl Bench {
    /// Writes `text` to `rollout.yaml` and starts with it.
    fn start(dir: &Path, text: &str) -> Self {
        let file = dir.join("rollout.yaml");
        std::fs::write(&file, text).expect("written");
        let start = state_start::start(&file, &env).expect("something to start with");
        let (clock, stepper) = RuleClock::stepped();
        let metrics = Arc::new(Metrics::new());
        let (updates, updated) = mpsc::channel(4);
        let journal = journal::untold(start.config.state.clone(), &metrics);
        let controller = super::start(Setup {
            start,
            admin: ([127, 0, 0, 1], 8788).into(),
            require_state: false,
            clock: clock.clone(),
            updates: updated,
            questions: mpsc::channel(1).0,
            metrics: Arc::clone(&metrics),
            journal,
        });
        Self {
            controller,
            stepper,
            clock,
            metrics,
            updates,
            file,
        }
    }

    /// Starts and waits until the state is read and written, or could not be.
    async fn settled(dir: &Path, text: &str) -> Self {
        let bench = Self::start(dir, text);
        bench.stepper.advance(1_000).await;
        bench
    }

    fn now(&self) -> Arc<Snapshot> {
        self.controller.handle.snapshot()
    }

    async fn command(&self, verb: Verb) -> Result<Applied, Refusal> {
        let (reason, actor) = ("a test".to_owned(), "tester".to_owned());
        self.controller
            .handle
            .command(Command {
                verb,
                reason,
                actor,
            })
            .await
    }

    /// Tells the controller that the file now says `text`.
    async fn edit(&self, text: &str) {
        let result = resolve::load_at(text, &self.file, &env);
        let loaded = Loaded {
            text: text.to_owned(),
            hash: Hash::of(text),
            result,
        };
        self.updates
            .send(Event::Changed(Box::new(loaded)))
            .await
            .expect("the controller runs");
        self.stepper.advance(1_000).await;
    }

    /// Ten Bedrock calls that end with `verdict`.
    async fn calls(&self, verdict: Verdict) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        for _ in 0..10 {
            let id = NEXT.fetch_add(1, Ordering::Relaxed);
            let (at, attempt, call) = (self.clock.now(), self.now().attempt, CallId(id));
            let request_id: Arc<str> = format!("r{id}").into();
            let dispatched = CallEvent::Dispatched {
                request_id: Arc::clone(&request_id),
            };
            let ended = CallEvent::Ended {
                verdict,
                key: id,
                request_id,
            };
            for event in [dispatched, CallEvent::FirstToken, ended] {
                let booking = Booking {
                    at,
                    attempt,
                    call,
                    event,
                };
                self.controller
                    .bookings
                    .send(booking)
                    .await
                    .expect("the controller runs");
            }
        }
    }

    /// Fails calls until one tick before the outage rule trips.
    async fn almost_trip(&self) {
        for _ in 0..3 {
            self.calls(Verdict::Failure(Class::Server)).await;
            self.stepper.advance(5_000).await;
        }
        assert!(!self.now().latched, "four buckets with failures are needed");
        self.calls(Verdict::Failure(Class::Server)).await;
    }

    fn metric(&self, line: &str) -> bool {
        let text = self.metrics.render().expect("rendered");
        text.lines().any(|each| each == line)
    }

    async fn stop(self) {
        self.controller.handle.stop().await;
    }
}

/// What a new process would find.
fn on_disk(dir: &Path) -> Found {
    StateStore::new(state_file(dir)).read(false)
}

fn record_on_disk(dir: &Path) -> Record {
    match on_disk(dir) {
        Found::Record(record) => record,
        other => panic!("no record: {other:?}"),
    }
}

/// Runs a test whose disk stands still when it says so: the only blocking thread is taken.
fn with_slow_disk<F: Future<Output = ()>>(test: impl FnOnce(SlowDisk) -> F) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(test(SlowDisk));
}

struct SlowDisk;

impl SlowDisk {
    /// Nothing is read or written until the sender is dropped.
    fn stall() -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || released.recv());
        release
    }

    /// Everything that can run without the disk does.
    async fn let_run() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn nothing_goes_to_bedrock_before_the_first_record_is_on_disk() {
    with_slow_disk(|_| async {
        let dir = temp();
        let release = SlowDisk::stall();
        let bench = Bench::start(dir.path(), &yaml(25, ""));
        SlowDisk::let_run().await;
        let before = bench.now();
        assert_eq!(before.percent, Percent::ZERO);
        assert!(before.holds.contains(Hold::StateWrite));
        assert_eq!(on_disk(dir.path()), Found::FirstStart);
        drop(release);
        bench.stepper.advance(1_000).await;
        assert_eq!(bench.now().percent.to_string(), "25");
        assert!(bench.now().holds.is_empty());
        assert_eq!(record_on_disk(dir.path()), Record::first(Attempt(1)));
        assert!(bench.metric("crossfade_percent 25"));
        assert!(bench.metric("crossfade_state_file_healthy 1"));
        let copy = StateStore::new(state_file(dir.path()))
            .load_config_copy()
            .expect("readable");
        assert_eq!(copy, Some(yaml(25, "")));
    });
}

#[test]
fn a_trip_is_in_force_before_it_is_written_and_told_after() {
    with_slow_disk(|_| async {
        let dir = temp();
        let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
        bench.almost_trip().await;
        let release = SlowDisk::stall();
        let (stepper, handle) = (&bench.stepper, &bench.controller.handle);
        let by_hand = Command {
            verb: Verb::Rollback,
            reason: "me too".into(),
            actor: "t".into(),
        };
        let mut trip = Box::pin(stepper.advance(5_000));
        tokio::select! {
            biased;
            () = &mut trip => panic!("the tick is done before the disk is"),
            () = SlowDisk::let_run() => {}
        }
        let mut answer = Box::pin(handle.command(by_hand));
        tokio::select! {
            biased;
            _ = &mut answer => panic!("the command is answered before the disk has it"),
            () = SlowDisk::let_run() => {}
        }
        let during = bench.now();
        assert_eq!(during.percent, Percent::ZERO);
        assert!(during.latched);
        assert_eq!(during.report.rollback, None, "told before it is on disk");
        assert_eq!(during.report.state, RolloutState::Steady);
        let unsaved = during.files.unsaved.as_deref().expect("not on disk yet");
        assert!(unsaved.starts_with("Rolled back 25 % -> 0 %"), "{unsaved}");
        assert!(bench.metric("crossfade_rollbacks_total{rule=\"outage\"} 0"));
        assert_eq!(record_on_disk(dir.path()), Record::first(Attempt(1)));

        drop(release);
        let (applied, ()) = tokio::join!(answer, trip);
        let applied = applied.expect("a second rollback is no mistake");
        assert!(!applied.changed);
        let after = bench.now();
        let rollback = after.report.rollback.as_ref().expect("told now");
        assert_eq!(rollback.rule, Cause::Rule(RuleName::Outage));
        assert_eq!(after.report.state, RolloutState::RolledBack);
        assert_eq!(after.files.unsaved, None);
        assert!(bench.metric("crossfade_rollbacks_total{rule=\"outage\"} 1"));
        assert!(bench.metric("crossfade_state{state=\"rolled_back\"} 1"));
        assert_eq!(record_on_disk(dir.path()).rollback(), Some(rollback));
    });
}

#[tokio::test]
async fn what_cannot_be_written_keeps_the_share_at_0_and_heals() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    // The directory is gone, and a file is in its place: root cannot write there either.
    let (state, away) = (dir.path().join("state"), dir.path().join("away"));
    std::fs::rename(&state, &away).expect("moved away");
    std::fs::write(&state, "in the way").expect("written");

    let refused = bench
        .command(Verb::Rollback)
        .await
        .expect_err("it is not on disk");
    assert!(matches!(refused, Refusal::NotSaved { .. }), "{refused:?}");
    let failing = bench.now();
    assert_eq!(failing.percent, Percent::ZERO);
    assert!(failing.latched && failing.holds.contains(Hold::StateWrite));
    assert!(failing.files.state_problem.is_some());
    assert_eq!(failing.report.rollback, None);
    assert!(bench.metric("crossfade_state_file_healthy 0"));
    assert!(bench.metric("crossfade_rollbacks_total{rule=\"operator\"} 0"));
    let refused = bench
        .command(Verb::Rearm)
        .await
        .expect_err("not while the disk fails");
    assert!(
        matches!(refused, Refusal::StateFailing { .. }),
        "{refused:?}"
    );

    bench.stepper.advance(3_000).await;
    assert!(bench.now().files.state_problem.is_some());
    std::fs::remove_file(&state).expect("out of the way");
    std::fs::rename(&away, &state).expect("moved back");
    bench.stepper.advance(1_000).await;
    let healed = bench.now();
    assert_eq!(healed.files.state_problem, None);
    assert_eq!(healed.report.state, RolloutState::RolledBack);
    assert!(healed.holds.is_empty());
    assert!(bench.metric("crossfade_rollbacks_total{rule=\"operator\"} 1"));
    assert!(record_on_disk(dir.path()).rollback().is_some());
}

#[tokio::test]
async fn a_first_start_without_a_place_for_the_state_sends_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let state = dir.path().join("state");
    std::fs::write(&state, "in the way").expect("written");
    let bench = Bench::settled(dir.path(), &yaml(100, "")).await;
    assert_eq!(bench.now().percent, Percent::ZERO);
    assert!(bench.now().holds.contains(Hold::StateWrite));
    assert!(bench.now().files.state_problem.is_some());
    std::fs::remove_file(&state).expect("out of the way");
    bench.stepper.advance(1_000).await;
    assert_eq!(bench.now().percent, Percent::ALL);
    assert_eq!(record_on_disk(dir.path()), Record::first(Attempt(1)));
}

#[tokio::test]
async fn a_second_process_waits_at_0_and_takes_over_what_the_first_one_left() {
    let dir = temp();
    let first = Bench::settled(dir.path(), &yaml(25, "")).await;
    let second = Bench::settled(dir.path(), &yaml(25, "")).await;
    assert_eq!(first.now().percent.to_string(), "25");
    assert_eq!(second.now().percent, Percent::ZERO);
    assert!(second.now().holds.contains(Hold::StateLocked));
    assert!(second.metric("crossfade_hold{hold=\"state_locked\"} 1"));
    for verb in [Verb::Rollback, Verb::Rearm] {
        assert_eq!(second.command(verb).await, Err(Refusal::StateLocked));
    }
    second.stepper.advance(5_000).await;
    assert!(second.now().holds.contains(Hold::StateLocked));

    let applied = first
        .command(Verb::Rollback)
        .await
        .expect("in force and on disk");
    assert!(applied.changed);
    first.stop().await;
    second.stepper.advance(1_000).await;
    let now = second.now();
    assert!(now.holds.is_empty());
    assert_eq!(
        now.report.state,
        RolloutState::RolledBack,
        "what the first one did holds"
    );
    second
        .command(Verb::Rearm)
        .await
        .expect("it is the owner now");
    assert_eq!(second.now().percent.to_string(), "25");
}

#[tokio::test]
async fn a_rollback_outlives_the_process_until_it_is_rearmed() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    bench.almost_trip().await;
    bench.stepper.advance(5_000).await;
    assert!(bench.now().latched);
    bench.stop().await;

    let bench = Bench::settled(dir.path(), &yaml(75, "")).await;
    assert_eq!(bench.now().percent, Percent::ZERO);
    let report = Arc::clone(&bench.now().report);
    let rollback = report.rollback.as_ref().expect("it is remembered");
    assert_eq!(rollback.from_percent.to_string(), "25");
    let applied = bench.command(Verb::Rearm).await.expect("re-armed");
    assert_eq!(
        (applied.percent.to_string().as_str(), applied.attempt),
        ("75", Attempt(2))
    );
    assert_eq!(record_on_disk(dir.path()), Record::first(Attempt(2)));
    let refused = bench
        .command(Verb::Rearm)
        .await
        .expect_err("nothing to re-arm");
    assert_eq!(refused.code(), "not_rolled_back");
    bench.stop().await;

    let bench = Bench::settled(dir.path(), &yaml(75, "")).await;
    assert_eq!(
        (
            bench.now().percent.to_string().as_str(),
            bench.now().attempt
        ),
        ("75", Attempt(2))
    );
}

#[tokio::test]
async fn a_torn_or_deleted_state_file_counts_as_tripped() {
    for damage in [true, false] {
        let dir = temp();
        Bench::settled(dir.path(), &yaml(25, "")).await.stop().await;
        if damage {
            std::fs::write(state_file(dir.path()), "{\"version\": 1, \"att").expect("torn");
        } else {
            std::fs::remove_file(state_file(dir.path())).expect("deleted");
        }
        // A higher attempt does not help: nobody knows which one was lost.
        let bench = Bench::settled(dir.path(), &yaml(25, ", attempt: 7")).await;
        assert_eq!(bench.now().percent, Percent::ZERO);
        let report = Arc::clone(&bench.now().report);
        assert_eq!(
            report.rollback.as_ref().map(|it| it.rule),
            Some(Cause::StateFile)
        );
        assert!(bench.metric("crossfade_rollbacks_total{rule=\"state_file\"} 1"));
        bench.command(Verb::Rearm).await.expect("re-armed");
        assert_eq!(bench.now().percent.to_string(), "25");
    }
}

#[tokio::test]
async fn a_state_file_that_somebody_spoils_is_written_again_at_once() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    let armed = std::fs::read(state_file(dir.path())).expect("readable");
    bench.command(Verb::Rollback).await.expect("in force");
    let file = state_file(dir.path());
    let spoilt: [(&str, &dyn Fn()); 4] = [
        ("deleted", &|| std::fs::remove_file(&file).expect("deleted")),
        ("by an older one", &|| {
            std::fs::write(&file, &armed).expect("written");
        }),
        ("torn", &|| {
            std::fs::write(&file, "{\"version\"").expect("written");
        }),
        ("with all beside it", &|| {
            std::fs::remove_dir_all(dir.path().join("state")).expect("deleted");
        }),
    ];
    for (count, (what, spoil)) in spoilt.into_iter().enumerate() {
        spoil();
        bench.stepper.advance(5_000).await;
        assert!(record_on_disk(dir.path()).rollback().is_some(), "{what}");
        let now = bench.now();
        assert!(now.latched && now.percent.is_zero(), "{what}");
        assert_eq!(now.files.state_problem, None, "{what}");
        let restored = format!("crossfade_state_file_restored_total {}", count + 1);
        assert!(bench.metric(&restored), "{what}");
    }
    let copy = StateStore::new(file.clone()).load_config_copy();
    assert_eq!(copy.expect("readable"), Some(yaml(25, "")));
    // What is whole is left alone.
    let before = std::fs::metadata(&file).expect("it is there");
    bench.stepper.advance(60_000).await;
    assert!(bench.metric("crossfade_state_file_restored_total 4"));
    let after = std::fs::metadata(&file).expect("it is there");
    assert_eq!(before.modified().ok(), after.modified().ok());
    bench.stop().await;
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    assert!(bench.now().latched, "a restart finds the latch");
}

#[tokio::test]
async fn limits_and_the_file_in_force_can_be_read_off_the_metrics() {
    let dir = temp();
    let edited = "limits: { in_flight: 7, connections: 9 }\nrollback: { latency: { above: 1500ms, measure: total } }\n";
    let bench = Bench::settled(dir.path(), &yaml(5, "")).await;
    for line in [
        "crossfade_in_flight_max 1000",
        "crossfade_connections_max 10000",
        "crossfade_buffered_bytes_max 268435456",
        "crossfade_slow_after_seconds{measure=\"first_token\"} 5",
        "crossfade_slow_after_seconds{measure=\"total\"} NaN",
    ] {
        assert!(bench.metric(line), "{line}");
    }
    bench.edit(&format!("{}{edited}", yaml(5, ""))).await;
    let hash = bench.now().files.hash.clone();
    let digits = hash.strip_prefix("sha256:").expect("its name");
    let number = u64::from_str_radix(digits, 16).expect("digits");
    for line in [
        format!("crossfade_config_hash {number}"),
        "crossfade_in_flight_max 7".to_owned(),
        "crossfade_connections_max 9".to_owned(),
        "crossfade_slow_after_seconds{measure=\"first_token\"} NaN".to_owned(),
        "crossfade_slow_after_seconds{measure=\"total\"} 1.5".to_owned(),
    ] {
        assert!(bench.metric(&line), "{line}");
    }
}

#[tokio::test]
async fn an_edit_moves_the_ceiling_and_a_refused_one_moves_nothing() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(5, "")).await;
    bench.edit(&yaml(50, "")).await;
    assert_eq!(bench.now().percent.to_string(), "50");
    assert_eq!(bench.now().files.generation, 2);
    assert!(bench.metric("crossfade_config_generation 2"));

    bench.edit("rollout: { percent: 500 }").await;
    let refused = bench.now();
    assert_eq!(refused.percent.to_string(), "50");
    assert_eq!(refused.files.generation, 2);
    assert!(
        refused.files.problems.len() >= 2,
        "{:?}",
        refused.files.problems
    );
    assert!(!bench.metric("crossfade_config_problems 0"));
    let copy = StateStore::new(state_file(dir.path()))
        .load_config_copy()
        .expect("readable");
    assert_eq!(
        copy,
        Some(yaml(50, "")),
        "only accepted configurations are copied"
    );

    let elsewhere = format!("{}listen: 127.0.0.1:9999\n", yaml(10, ""));
    bench.edit(&elsewhere).await;
    let now = bench.now();
    assert_eq!(now.percent.to_string(), "10");
    assert_eq!(now.files.restart_needed, ["listen"]);
    assert!(now.files.problems.is_empty());
    assert_eq!(now.config.listen.to_string(), "127.0.0.1:8787");
}

#[tokio::test]
async fn after_a_rollback_an_edit_of_the_share_changes_nothing_and_one_of_the_attempt_rearms() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    bench.command(Verb::Rollback).await.expect("in force");
    bench.edit(&yaml(100, "")).await;
    assert_eq!(bench.now().percent, Percent::ZERO);
    bench.edit(&yaml(100, ", attempt: 2")).await;
    assert_eq!(
        (bench.now().percent, bench.now().attempt),
        (Percent::ALL, Attempt(2))
    );
    assert_eq!(record_on_disk(dir.path()), Record::first(Attempt(2)));
}

#[tokio::test]
async fn a_start_with_a_refused_file_runs_the_copy_at_0_until_it_is_corrected() {
    let dir = temp();
    Bench::settled(dir.path(), &yaml(25, "")).await.stop().await;
    let wrong = "state: state/s.json\nrollout: { percent: 2500 }\n";
    let bench = Bench::settled(dir.path(), wrong).await;
    let now = bench.now();
    assert_eq!(now.percent, Percent::ZERO);
    assert!(now.holds.contains(Hold::ConfigRefused));
    assert_eq!(
        now.report.ceiling.to_string(),
        "25",
        "the copy is what runs"
    );
    assert!(!now.files.problems.is_empty());
    bench.edit(&yaml(10, "")).await;
    assert_eq!(bench.now().percent.to_string(), "10");
    assert!(bench.now().holds.is_empty());
}

#[tokio::test]
async fn draining_holds_the_share_and_stopping_frees_the_state() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    bench.controller.handle.drain().await;
    assert_eq!(bench.now().percent, Percent::ZERO);
    assert!(bench.now().holds.contains(Hold::Draining));
    assert!(!bench.now().latched);
    // What still runs is judged: a rollback at the last moment is kept.
    bench.almost_trip().await;
    bench.stepper.advance(5_000).await;
    let handle = bench.controller.handle.clone();
    bench.stop().await;
    let mut store = StateStore::new(state_file(dir.path()));
    assert_eq!(
        store.try_lock().expect("a lock file"),
        crate::state::Lock::Held
    );
    assert!(record_on_disk(dir.path()).rollback().is_some());
    let command = Command {
        verb: Verb::Rearm,
        reason: "late".into(),
        actor: "t".into(),
    };
    assert_eq!(handle.command(command).await, Err(Refusal::Stopping));
}

#[tokio::test]
async fn a_command_needs_a_reason_of_ordinary_length() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    let give = |reason: String, actor: String| {
        let command = Command {
            verb: Verb::Rollback,
            reason,
            actor,
        };
        bench.controller.handle.command(command)
    };
    assert_eq!(
        give(" \n".into(), "t".into()).await,
        Err(Refusal::ReasonMissing)
    );
    assert_eq!(
        give("ä".repeat(REASON_CHARS + 1), "t".into()).await,
        Err(Refusal::TooLong)
    );
    assert_eq!(
        give("x".into(), "t".repeat(ACTOR_CHARS + 1)).await,
        Err(Refusal::TooLong)
    );
    assert!(!bench.now().latched);
    let applied = give("ä".repeat(REASON_CHARS), "t".into())
        .await
        .expect("in force");
    assert!(applied.changed);
}

#[tokio::test]
async fn the_measured_share_starts_anew_when_the_percentage_changes() {
    let dir = temp();
    let bench = Bench::settled(dir.path(), &yaml(25, "")).await;
    for arm in [Arm::Bedrock, Arm::Original] {
        bench.metrics.split(arm);
    }
    bench.stepper.advance(1_000).await;
    assert_eq!(
        bench.now().files.share,
        Share {
            eligible: 2,
            bedrock: 1
        }
    );
    assert!(bench.metric("crossfade_share_actual_ratio 0.5"));
    bench.edit(&yaml(50, "")).await;
    assert_eq!(bench.now().files.share, Share::default());
    bench.metrics.split(Arm::Bedrock);
    bench.stepper.advance(1_000).await;
    assert_eq!(
        bench.now().files.share,
        Share {
            eligible: 1,
            bedrock: 1
        }
    );
}
