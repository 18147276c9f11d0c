use super::ground::{Ground, Told, What};
use super::outcome::outcome;
use super::*;
use crate::cli::check::Format;
use crate::config::resolve::load;
use crate::outcome::{Attempt, RuleTime};
use crate::rollout::{Command, Input, Machine, Record};
use std::path::Path;

const LEAST: &str = "\
original: { url: https://api.openai.com }
bedrock: { region: eu-west-1, models: { gpt-4o: amazon.nova-pro-v1:0 } }
";

fn config(more: &str) -> Config {
    load(&format!("{LEAST}{more}"), &|_| None)
        .unwrap_or_else(|problems| panic!("{more}\n{problems}"))
}

fn first() -> Record {
    Record::first(Attempt(1))
}

/// What a person's rollback leaves behind.
fn rolled_back(config: &Config) -> Record {
    let mut machine = Machine::new(crate::controller::plan(config), first(), RuleTime(0));
    let command = Command::Rollback {
        actor: "me".to_owned(),
        reason: "a test".to_owned(),
        at_unix_ms: 1,
    };
    machine.handle(Input::Command(command), RuleTime(0));
    machine.record().clone()
}

/// What a climb that has begun leaves behind.
fn climbing(config: &Config) -> Record {
    let mut machine = Machine::new(crate::controller::plan(config), first(), RuleTime(0));
    let tick = Input::Tick {
        unix_ms: 1,
        held: false,
    };
    machine.handle(tick, RuleTime(0));
    assert!(machine.record().progress.is_some());
    machine.record().clone()
}

/// Each change on a line.
#[track_caller]
fn check_on(record: &Record, old: &str, new: &str, expected: &[&str]) {
    let (old, new) = (config(old), config(new));
    let outcome = outcome(&old, &new, record);
    let lines: Vec<String> = changes(&old, &new, &outcome)
        .into_iter()
        .map(|it| format!("{}: {} → {}: {}", it.key, it.from, it.to, it.means))
        .collect();
    assert_eq!(lines, expected);
}

#[track_caller]
fn check(old: &str, new: &str, expected: &[&str]) {
    check_on(&first(), old, new, expected);
}

#[test]
fn a_share_moves_so_many_and_none_back() {
    check(
        "rollout: { percent: 5 }",
        "rollout: { percent: 5.0 } # the same",
        &[],
    );
    check(
        "rollout: { percent: 5 }",
        "rollout: { percent: 10 }",
        &["rollout.percent: 5 % → 10 %: moves 5 % of conversations to Bedrock, none back"],
    );
    check(
        "rollout: { percent: 25, sticky: user }",
        "rollout: { percent: 2.5, sticky: user }",
        &["rollout.percent: 25 % → 2.5 %: moves 22.5 % of users back, none to Bedrock"],
    );
    check(
        "rollout: { percent: 0, sticky: none }",
        "rollout: { percent: 1, sticky: none }",
        &["rollout.percent: 0 % → 1 %: moves 1 % of calls to Bedrock, none back"],
    );
}

#[test]
fn another_draw_reshuffles() {
    check(
        "rollout: { percent: 5 }",
        "rollout: { percent: 5, salt: b }",
        &[
            "rollout.salt: \"crossfade\" → \"b\": reshuffles: 9.5 % of conversations change arm, 4.75 % \
           to Bedrock and 4.75 % back",
        ],
    );
    check(
        "rollout: { percent: 50 }",
        "rollout: { percent: 100, sticky: user, salt: b }",
        &[
            "rollout.percent: 50 % → 100 %: moves 50 % of users to Bedrock, none back",
            "rollout.sticky: conversation → user: moves 50 % of users to Bedrock, none back",
            "rollout.salt: \"crossfade\" → \"b\": as said of rollout.sticky",
        ],
    );
    check(
        "",
        "rollout: { salt: b }",
        &[
            "rollout.salt: \"crossfade\" → \"b\": reshuffles, which moves nobody while the share is 0 %",
        ],
    );
}

/// The products are what a count over many keys shows.
#[test]
fn a_reshuffle_is_what_the_split_does() {
    use crate::split::Bucket;
    let (from, to) = (
        Percent::from_basis_points(3_000),
        Percent::from_basis_points(2_000),
    );
    let (from, to) = (from.expect("30 %"), to.expect("20 %"));
    let keys = 100_000_u32;
    let (mut over, mut back) = (0_u32, 0_u32);
    for key in 0..keys {
        let before = from.includes(Bucket::of_key("crossfade", &key.to_be_bytes()));
        let after = to.includes(Bucket::of_key("b", &key.to_be_bytes()));
        over += u32::from(!before && after);
        back += u32::from(before && !after);
    }
    let (old, new) = (
        config("rollout: { percent: 30 }"),
        config("rollout: { percent: 20, salt: b }"),
    );
    let moved = outcome(&old, &new, &first())
        .moved
        .sentence(&new.rollout.sticky);
    assert_eq!(
        moved,
        "reshuffles: 38 % of conversations change arm, 14 % to Bedrock and 24 % back"
    );
    assert!(
        over.abs_diff(14_000) < 500 && back.abs_diff(24_000) < 500,
        "{over} {back}"
    );
}

#[test]
fn models_come_go_and_change() {
    let models = |models: &str| {
        let text =
            LEAST.replace("gpt-4o: amazon.nova-pro-v1:0", models) + "rollout: { percent: 25 }\n";
        load(&text, &|_| None).expect("valid")
    };
    let old = models("a: amazon.nova-pro-v1:0, b: amazon.nova-lite-v1:0, d: amazon.nova-pro-v1:0");
    let new = models(
        "a: { model: amazon.nova-pro-v1:0, max_tokens: 100, allow: [penalty], first_token: 9s }, \
         c: amazon.nova-micro-v1:0, d: anthropic.claude-sonnet-5",
    );
    let outcome = outcome(&old, &new, &first());
    let lines: Vec<String> = changes(&old, &new, &outcome)
        .into_iter()
        .map(|it| format!("{}: {} → {}: {}", it.key, it.from, it.to, it.means))
        .collect();
    assert_eq!(
        lines,
        [
            "bedrock.models.a.max_tokens: 10000 → 100: another cap where the app sends none",
            "bedrock.models.a.first_token: timeouts.first_token → 9s: another time until failover",
            "bedrock.models.a.allow: as it was → changed: changes which calls can move; try \
             `crossfade explain`",
            "bedrock.models.c: not mapped → amazon.nova-micro-v1:0: its calls can move: 25 % of them \
             at once",
            "bedrock.models.d: amazon.nova-pro-v1:0 → anthropic.claude-sonnet-5: another model answers \
             the calls that moved",
            "bedrock.models.d.max_tokens: 10000 → 16384: another cap where the app sends none",
            "bedrock.models.b: amazon.nova-lite-v1:0 → not mapped: its calls stay with the original",
        ]
    );
}

#[test]
fn rules_are_loosened_tightened_and_switched() {
    check(
        "",
        "rollback: { errors: { above: 5%, for: 5m }, latency: { percentile: p99 }, outage: off, \
         relative: { action: rollback }, abandoned: { times: 2 }, breaker: { above: 60% } }",
        &[
            "rollback.errors.above: 2 % → 5 %: looser: trips later",
            "rollback.errors.for: 10m → 5m: tighter: trips sooner",
            "rollback.latency.percentile: p95 → p99: tighter: trips sooner: more than 1 % may not be slow",
            "rollback.outage: on → off: nothing watches for this any more",
            "rollback.relative.action: caution → rollback: tighter: a finding takes everything back",
            "rollback.abandoned.times: 3 → 2: tighter: finds sooner",
            "rollback.breaker.above: 50 % → 60 %: looser: opens later",
        ],
    );
}

#[test]
fn a_latched_rollback_keeps_the_share_at_0() {
    let old = "rollout: { percent: 25 }";
    let record = rolled_back(&config(old));
    check_on(
        &record,
        old,
        "rollout: { percent: 50 }",
        &[
            "rollout.percent: 25 % → 50 %: the share stays 0 %: a rollback is latched; re-arm with \
           `crossfade rearm --reason …` or by setting `rollout.attempt: 2`",
        ],
    );
    check_on(
        &record,
        old,
        "rollout: { percent: 5, attempt: 2 }",
        &[
            "rollout.percent: 25 % → 5 %: moves 5 % of conversations to Bedrock, none back",
            "rollout.attempt: 1 → 2: re-arms the rollback; moves 5 % of conversations to Bedrock, none back",
        ],
    );
    check(
        "rollout: { attempt: 3 }",
        "rollout: { attempt: 2 }",
        &["rollout.attempt: 3 → 2: nothing: attempt 3 runs already"],
    );
    let same = outcome(&config(old), &config(old), &record);
    assert_eq!(
        same.said,
        [
            "the share stays 0 %: a rollback is latched; re-arm with `crossfade rearm --reason …` or by \
          setting `rollout.attempt: 2`."
        ]
    );
    let lost = Record::lost(Attempt(1), "the state file is gone", 0);
    check_on(
        &lost,
        old,
        "rollout: { percent: 25, attempt: 2 }",
        &["rollout.attempt: 1 → 2: does not re-arm: re-arm with `crossfade rearm --reason …`"],
    );
}

#[test]
fn a_climb_goes_on_or_refuses() {
    let old = "rollout: { percent: 50, advance: auto }";
    let record = climbing(&config(old));
    check_on(
        &record,
        old,
        "rollout: { percent: 100, advance: auto, bake: 1h, gates: [manual] }",
        &[
            "rollout.percent: 50 % → 100 %: moves nobody now; the stages climb from 5 % up to it",
            "rollout.bake: 30m → 1h: the climb takes longer",
            "rollout.gates: [] → [manual]: who must agree to the next stage",
        ],
    );
    // A gate that is not there any more shows, though none was in force before.
    check_on(
        &first(),
        "rollout: { percent: 50, gates: [manual] }",
        "rollout: { percent: 50, advance: auto }",
        &[
            "rollout.advance: manual → auto: the stages climb by themselves, up to rollout.percent: \
             5, 10, 25, 50, 75, 100 %, each for 30m (the last for 1day) and 500 calls at least, with \
             an error rate below 2 %; nobody is asked",
        ],
    );
    let refused = |more: &str| outcome(&config(old), &config(more), &record).refused;
    let why = refused("rollout: { percent: 50, advance: auto, salt: b }").expect("refused");
    assert!(why.contains("`rollout.attempt: 2`"), "{why}");
    assert_eq!(
        refused("rollout: { percent: 50, advance: auto, salt: b, attempt: 2 }"),
        None
    );
    let switched = outcome(&config("rollout: { percent: 30 }"), &config(old), &first());
    assert_eq!(switched.said.len(), 1, "{:?}", switched.said);
    assert!(
        switched.said[0].starts_with("Climbing from 30 %"),
        "{:?}",
        switched.said
    );
}

fn ground(old: &str) -> Ground {
    Ground {
        config: config(old),
        told: Told {
            what: What::InForce,
            file: "state.config.yaml".to_owned(),
            hash: "sha256:0123".to_owned(),
            admin: Some("http://127.0.0.1:8788/".to_owned()),
        },
        record: first(),
        remarks: Vec::new(),
    }
}

fn shown(old: &str, new: &str, format: Format) -> String {
    let (ground, new) = (ground(old), config(new));
    let outcome = outcome(&ground.config, &new, &ground.record);
    text::render(Path::new("rollout.yaml"), &new, &ground, &outcome, format)
}

#[test]
fn a_person_reads_it() {
    let in_force = "what is in force at http://127.0.0.1:8788/ (sha256:0123)";
    assert_eq!(
        shown("drain: 5s", "drain: 5s", Format::Text),
        format!("No change: rollout.yaml means the same as {in_force}.\n")
    );
    assert_eq!(
        shown(
            "rollout: { percent: 5 }",
            "rollout: { percent: 10 }\ndrain: 5s\nlisten: 127.0.0.1:1",
            Format::Text
        ),
        format!(
            "rollout.yaml, compared with {in_force}:\n\n\
             \x20 listen           127.0.0.1:8787 → 127.0.0.1:1\n\
             \x20                  takes a restart\n\
             \x20 rollout.percent  5 % → 10 %\n\
             \x20                  moves 5 % of conversations to Bedrock, none back\n\
             \x20 drain            25s → 5s\n\
             \x20                  holds for the next stop\n\n\
             In force only after a restart: listen. All else within 2 s of saving.\n"
        )
    );
}

#[test]
fn a_program_reads_it() {
    let text = shown(
        "rollout: { percent: 5 }",
        "rollout: { percent: 10 }",
        Format::Json,
    );
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told["changes"][0]["key"], "rollout.percent");
    assert_eq!(told["share"]["to_bedrock"], 5);
    assert_eq!(told["share"]["back"], 0);
    assert_eq!(told["against"]["what"], "in_force");
    assert_eq!(told["refused"], serde_json::Value::Null);
    let same = shown("", "", Format::Json);
    let told: serde_json::Value = serde_json::from_str(&same).expect("JSON");
    assert_eq!(told["changes"], serde_json::json!([]));
}

/// Every key of the file is compared: another value of it is a change, or belongs to the climb.
#[test]
fn no_key_is_forgotten() {
    let old = "rollout: { percent: 50, advance: auto }";
    for (new, key) in [
        ("admin: 127.0.0.1:1", "admin"),
        (
            "rollback: { latency: { above: 6s, for: 6m, measure: total } }",
            "rollback.latency.above",
        ),
        (
            "rollback: { severe: { above: 11%, over: 6m } }",
            "rollback.severe.above",
        ),
        (
            "rollback: { breaker: { above: 11%, over: 6m } }",
            "rollback.breaker.above",
        ),
        (
            "rollback: { rejected: { odds: 30 } }",
            "rollback.rejected.odds",
        ),
        (
            "rollback: { on_throttle: step_back }",
            "rollback.on_throttle",
        ),
        ("timeouts: { connect: 3s }", "timeouts.connect"),
        ("timeouts: { first_token: 31s }", "timeouts.first_token"),
        ("timeouts: { idle: 3s }", "timeouts.idle"),
        ("timeouts: { total: 11m }", "timeouts.total"),
        ("limits: { body: 1MiB }", "limits.body"),
        ("limits: { buffered: 64MiB }", "limits.buffered"),
        ("limits: { in_flight: 1 }", "limits.in_flight"),
        ("limits: { connections: 1 }", "limits.connections"),
        ("hosts: [a]", "hosts"),
        ("notify: [{ slack: 'https://a.example/b' }]", "notify"),
        ("state: other.json", "state"),
    ] {
        let (old, new) = (config(old), config(&format!("{old}\n{new}")));
        let outcome = outcome(&old, &new, &first());
        let found = changes(&old, &new, &outcome);
        assert_eq!(found.first().map(|it| it.key.as_str()), Some(key));
    }
    for (more, key) in [
        ("stages: [5, 100]", "rollout.stages"),
        ("final_bake: 25h", "rollout.final_bake"),
        ("min_calls: 501", "rollout.min_calls"),
        ("error_bound: 1%", "rollout.error_bound"),
        ("allow_override: true", "rollout.allow_override"),
        ("advance: manual", "rollout.advance"),
    ] {
        let advance = if key == "rollout.advance" {
            ""
        } else {
            "advance: auto, "
        };
        let new = config(&format!("rollout: {{ percent: 50, {advance}{more} }}"));
        let old = config(old);
        let outcome = outcome(&old, &new, &climbing(&old));
        let found = changes(&old, &new, &outcome);
        assert_eq!(
            found.first().map(|it| it.key.as_str()),
            Some(key),
            "{found:?}"
        );
    }
}
