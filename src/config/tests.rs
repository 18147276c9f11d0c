//! Whole configurations: what each mistake is called, and what the file may say.

use super::*;
use crate::config::schema::judge::{Judged, is_beyond, judge};
use crate::rollout::Gate;
use crate::rollout::plan::Abandoned;
use crate::rollout::plan::Action;
use crate::rollout::plan::Errors;
use crate::rollout::plan::Fast;
use crate::rollout::plan::Latency;
use crate::rollout::plan::Measure;
use crate::rollout::plan::OnThrottle;
use crate::rollout::plan::Percentile;
use crate::rollout::plan::Relative;
use proptest::prelude::*;
use std::fs;
use std::net::Ipv4Addr;

/// The least that a file must say.
const LEAST: &str = "\
original: { url: https://api.openai.com }
bedrock: { region: eu-west-1, models: { gpt-4o: amazon.nova-pro-v1:0 } }
";

const EXAMPLE: &str = include_str!("../../rollout.yaml");

fn no_env(_: &str) -> Option<String> {
    None
}

fn env_of(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<> {
    let pairs: BTreeMap<String, String> = pairs
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    move |name| pairs.get(name).cloned()
}

/// Reads a file, and sees to it that an editor says the same of it: nothing against a good one, and
/// something against a bad one, unless it is bad in what a schema cannot say.
#[track_caller]
fn load(text: &str, env: &impl Fn(&str) -> Option<String>) -> Result<Config, Problems> {
    let result = resolve::load(text, env);
    match (&result, judge(text)) {
        (Ok(_), judged) => assert_eq!(judged, Judged::Fits, "{text}"),
        // What a variable holds, no editor knows.
        (Err(_), Judged::Fits) if text.contains("${") => {}
        (Err(problems), Judged::Fits) => {
            let lines = without_places(problems);
            assert!(
                lines.iter().all(|line| is_beyond(line)),
                "{text}\n{lines:#?}"
            );
        }
        (Err(_), Judged::Refused(_) | Judged::NotJson) => {}
    }
    result
}

/// The mistakes by their key paths alone; in which lines these stand is `place`'s.
fn without_places(problems: &Problems) -> Vec<String> {
    let bare = problems.clone().map(|problem| problems::Problem {
        line: None,
        ..problem
    });
    bare.lines()
}

/// The lines of all mistakes; none for a valid file.
fn mistakes_with(text: &str, env: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    load(text, env)
        .err()
        .map(|problems| without_places(&problems))
        .unwrap_or_default()
}

fn valid(more: &str) -> Config {
    valid_with(more, &[])
}

fn valid_with(more: &str, env: &[(&str, &str)]) -> Config {
    match load(&format!("{LEAST}{more}"), &env_of(env)) {
        Ok(config) => config,
        Err(problems) => panic!("{more}\n{problems}"),
    }
}

/// `more` added to the least file gives exactly these mistakes.
#[track_caller]
fn check(more: &str, expected: &[&str]) {
    assert_eq!(
        mistakes_with(&format!("{LEAST}{more}"), &no_env),
        expected,
        "{more}"
    );
}

/// The file `text` gives exactly these mistakes.
#[track_caller]
fn check_whole(text: &str, expected: &[&str]) {
    assert_eq!(mistakes_with(text, &no_env), expected, "{text}");
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = valid("");
    let ip = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    assert_eq!(config.listen, Listen::Tcp(ip(8787)));
    assert_eq!(config.admin, ip(8788));
    assert_eq!(config.admin_token, None);
    assert_eq!(config.original.api_key, None);
    assert_eq!(config.bedrock.endpoint, None);
    let percents = |list: &[u16]| -> Vec<Percent> {
        list.iter()
            .filter_map(|&bp| Percent::from_basis_points(bp))
            .collect()
    };
    let expected = Rollout {
        percent: Percent::ZERO,
        stages: percents(&[500, 1_000, 2_500, 5_000, 7_500, 10_000]),
        advance: Advance::Manual,
        webhook: None,
        sticky: Sticky::Conversation,
        salt: Arc::from("crossfade"),
        attempt: 1,
        allow_override: false,
        switches: Switches::default(),
    };
    assert_eq!(config.rollout, expected);
    let share = |bp| Percent::from_basis_points(bp).expect("a share");
    let latency = Latency {
        above_ms: 5_000,
        for_ms: 300_000,
        percentile: Percentile::P95,
        measure: Measure::FirstToken,
    };
    let rules = Rules {
        errors: Some(Errors {
            above: share(200),
            for_ms: 600_000,
        }),
        latency: Some(latency),
        severe: Some(Fast {
            above: share(1_000),
            over_ms: 300_000,
        }),
        outage: Some(Fast {
            above: share(5_000),
            over_ms: 30_000,
        }),
        relative: Some(Relative {
            odds: 1_000,
            action: Action::Caution,
        }),
        rejected: Some(Relative {
            odds: 1_000,
            action: Action::Caution,
        }),
        abandoned: Some(Abandoned { times: 3 }),
        breaker: Some(Fast {
            above: share(5_000),
            over_ms: 30_000,
        }),
        on_throttle: OnThrottle::Rollback,
    };
    assert_eq!(config.rules, rules);
    let s = Duration::from_secs;
    let timeouts = Timeouts {
        connect: s(2),
        first_token: s(30),
        idle: s(120),
        total: s(600),
    };
    assert_eq!(config.timeouts, timeouts);
    let limits = Limits {
        body: 32 << 20,
        buffered: 256 << 20,
        in_flight: 1_000,
        connections: 10_000,
    };
    assert_eq!(config.limits, limits);
    assert_eq!(config.drain, s(25));
    assert_eq!(config.hosts, Vec::<String>::new());
    assert_eq!(config.callers, None);
    assert_eq!(config.state, PathBuf::from("crossfade.state.json"));
    assert_eq!(config.warnings, []);
}

#[test]
fn the_example_shows_the_defaults() {
    let example = load(EXAMPLE, &no_env).expect("the example is valid");
    let mut least = load(LEAST, &no_env).expect("the least file is valid");
    assert_eq!(
        example.rollout.percent,
        Percent::from_basis_points(500).expect("5 %")
    );
    assert_eq!(example.bedrock.region, "us-east-1");
    let models: Vec<_> = example
        .bedrock
        .models
        .iter()
        .map(|(name, mapping)| (name.as_str(), mapping.target.model_id.as_str()))
        .collect();
    assert_eq!(
        models,
        [
            ("gpt-3.5-turbo", "amazon.nova-micro-v1:0"),
            ("gpt-4o", "amazon.nova-pro-v1:0"),
            ("gpt-4o-mini", "amazon.nova-lite-v1:0"),
        ]
    );
    assert_eq!(example.bedrock.models["gpt-4o"].target.max_tokens, 8_192);
    least.rollout.percent = example.rollout.percent;
    least.bedrock = example.bedrock.clone();
    assert_eq!(
        format!("{example:?}"),
        format!("{least:?}"),
        "every other line is the default"
    );
}

#[test]
fn what_the_example_comments_out_is_accepted_too() {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        // A commented key, unlike a sentence, is one word and a colon.
        let is_key = |rest: &str| {
            rest.split_once(": ").is_some_and(|(key, _)| {
                key.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
        };
        match line.split_once("# ") {
            Some((margin, rest)) if margin.trim().is_empty() && is_key(rest) => {
                text += &format!("{margin}{rest}\n");
            }
            _ => text += &format!("{line}\n"),
        }
    }
    let text = text.replace("64 hexadecimal digits, …", &"ab".repeat(32));
    let env = env_of(&[("OPENAI_API_KEY", "dummy-key")]);
    let config = load(&text, &env).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(config.original.api_key, Some(Secret::new("dummy-key")));
    assert_eq!(
        config.bedrock.endpoint,
        Some("http://127.0.0.1:9000/".parse().expect("a URI"))
    );
    let mapping = &config.bedrock.models["gpt-4o"];
    assert_eq!(mapping.first_token, Some(Duration::from_secs(60)));
    assert_eq!(
        mapping.target.system_prefix.as_deref(),
        Some("Answer in Markdown.")
    );
    assert!(mapping.target.defaults.temperature.is_some());
    assert!(
        mapping
            .target
            .refuse
            .contains(crate::translate::Loss::HoistedSystem)
    );
    assert!(
        mapping
            .target
            .allow
            .contains(crate::translate::Allowance::JsonObject)
    );
    assert!(config.rollout.allow_override);
    let traces = config.traces.expect("on");
    assert_eq!(traces.to_string(), "http://127.0.0.1:4318");
    assert_eq!(config.hosts, ["crossfade"]);
    assert_eq!(config.callers, Some(vec![[0xab; 32]]));
}

#[test]
fn the_climb_is_read_and_fits_the_rules() {
    let config = valid(
        "rollout: { percent: 50, advance: auto, bake: 40m, final_bake: 2h, min_calls: 200, \
         error_bound: 1.5%, gates: [manual, { webhook: 'https://ops.example/may/we', timeout: 5s }] }",
    );
    let Advance::Auto(climb) = &config.rollout.advance else {
        panic!("manual");
    };
    assert_eq!((climb.bake_ms, climb.final_bake_ms), (2_400_000, 7_200_000));
    assert_eq!(
        (climb.min_calls, climb.error_bound.basis_points()),
        (200, 150)
    );
    assert_eq!(climb.gates, [Gate::Manual, Gate::Webhook]);
    assert_eq!(climb.stages, config.rollout.stages);
    let webhook = config.rollout.webhook.expect("a webhook");
    assert_eq!(webhook.url, "https://ops.example/may/we");
    assert_eq!(webhook.timeout, Duration::from_secs(5));
    check(
        "rollout: { advance: auto, bake: 19m, final_bake: 1h }\nrollback: { severe: { over: 1h } }\n",
        &[
            "rollout.bake: found 19m; accepted: at least 2h, twice rollback.severe.over, so that \
             the rule can act within a stage",
            "rollout.final_bake: found 1h; accepted: at least 2h, twice rollback.severe.over, so \
             that the rule can act within a stage",
        ],
    );
    // Nobody bakes with `manual`.
    valid("rollout: { bake: 1m }");
    check(
        "rollout: { gates: [webhook, { webhook: ftp://a }, manual, manual, { webhook: http://a, retry: 1 }] }",
        &[
            "rollout.gates[0]: found \"webhook\"; accepted: manual, or { webhook: https://… }, with \
             a timeout if 10s do not fit",
            "rollout.gates[1].webhook: found \"ftp://a\"; accepted: http:// or https:// with a host, \
             such as https://api.openai.com",
            "rollout.gates: found manual twice; accepted: each gate once",
            "rollout.gates: found webhook twice; accepted: each gate once",
            "rollout.gates[4].retry: found an unknown key; accepted: the keys timeout, webhook",
        ],
    );
}

#[test]
fn all_mistakes_come_at_once() {
    check_whole(
        "\
listen: localhost:8787
admin: 8788
rollout:
  percent: 120
  percentage: 5
  sticky: ip
  attempt: 0
  advance: soon
  stages: [5, 5]
rollback:
  errors: { above: 2, for: 10s }
  latency: { percentile: p75, measure: ttft }
  severe: { over: 29s }
  outage: never
timeouts: 5s
limits: { body: 32MB, in_flight: 0 }
drain: 25
state: rollout.yaml
",
        &[
            "original.url: found nothing; accepted: http:// or https:// with a host, such as \
             https://api.openai.com",
            "bedrock.models: found nothing; accepted: at least one line such as `gpt-4o-mini: \
             amazon.nova-lite-v1:0`",
            "listen: found \"localhost:8787\"; accepted: IP:PORT, such as 127.0.0.1:8787 or \
             [::1]:8787, or unix:PATH",
            "admin: found 8788; accepted: IP:PORT, such as 127.0.0.1:8788",
            "rollout.percent: found 120; accepted: 0 to 100, at most two decimals",
            "rollout.percentage: found an unknown key; did you mean rollout.percent? Accepted: the keys advance, allow_override, attempt, bake, error_bound, \
             final_bake, gates, min_calls, percent, salt, stages, sticky",
            "rollout.sticky: found \"ip\"; accepted: conversation, user, header:NAME or none",
            "rollout.attempt: found 0; accepted: a whole number from 1 to 1000000000",
            "rollout.advance: found \"soon\"; accepted: manual, auto",
            "rollout.stages: found [5, 5]; accepted: a rising list of percentages above 0, such \
             as [5, 25, 100]",
            "rollback.errors.above: found 2; accepted: a share such as 2%, from 0% to 99.99%",
            "rollback.errors.for: found \"10s\"; accepted: a duration such as 10m, 90s or 500ms, \
             from 50s to 1day",
            "rollback.latency.percentile: found \"p75\"; accepted: p50, p90, p95, p99",
            "rollback.latency.measure: found \"ttft\"; accepted: first_token, total",
            "rollback.severe.over: found \"29s\"; accepted: a duration such as 10m, 90s or \
             500ms, from 30s to 1day",
            "rollback.outage: found \"never\"; accepted: off, or keys such as { above: …, for: … }",
            "timeouts: found text; accepted: keys and values, indented below it",
            "limits.body: found \"32MB\"; accepted: a size such as 32MiB, 512KiB or 1GiB, from \
             1KiB to 1GiB",
            "limits.in_flight: found 0; accepted: a whole number from 1 to 1000000",
            "drain: found 25; accepted: a duration such as 10m, 90s or 500ms, from 0s to 1h",
            "state: found \"rollout.yaml\"; accepted: the path of a file, such as \
             /var/lib/crossfade/state.json; its extension is not one of the files beside it \
             (lock, journal, outbox, bad, tmp, yaml, yml)",
        ],
    );
}

#[test]
fn wrong_types_are_named_by_their_kind() {
    check(
        "rollout: 5\n",
        &["rollout: found a number; accepted: keys and values, indented below it"],
    );
    check(
        "timeouts: [2s]\n",
        &["timeouts: found a list; accepted: keys and values, indented below it"],
    );
    check(
        "rollout: { percent: }\n",
        &["rollout.percent: found nothing; accepted: 0 to 100, at most two decimals"],
    );
    check(
        "rollout: { percent: .nan }\n",
        &["rollout.percent: found NaN; accepted: 0 to 100, at most two decimals"],
    );
    check(
        "rollout: { percent: !five 5 }\n",
        &[
            "rollout.percent: found a value with a YAML tag (!); accepted: 0 to 100, at most two \
         decimals",
        ],
    );
    check(
        "rollout: { percent: -1, allow_override: 'yes' }\n",
        &[
            "rollout.percent: found -1; accepted: 0 to 100, at most two decimals",
            "rollout.allow_override: found \"yes\"; accepted: true or false",
        ],
    );
    check(
        "hosts: [a b, 5, [x]]\n",
        &[
            "hosts[0]: found \"a b\"; accepted: a host name without a port",
            "hosts[2]: found a list; accepted: a host name without a port",
        ],
    );
    check_whole(
        "5",
        &[
            "file: found a number; accepted: keys and values, such as `rollout:`",
            "original.url: found nothing; accepted: http:// or https:// with a host, such as \
         https://api.openai.com",
            "bedrock.models: found nothing; accepted: at least one line such as `gpt-4o-mini: \
         amazon.nova-lite-v1:0`",
        ],
    );
}

#[test]
fn what_is_valid_and_probably_not_meant_is_doubted() {
    let doubts = |model: &str| -> Vec<String> {
        let text = LEAST.replace("amazon.nova-pro-v1:0", model);
        let config = load(&text, &no_env).expect("valid");
        config.warnings.iter().map(ToString::to_string).collect()
    };
    for sure in [
        "amazon.nova-pro-v1:0",
        "eu.amazon.nova-pro-v1:0",
        "{ model: writer.palmyra-x5-v1:0, family: llama }",
        "{ model: writer.palmyra-x5-v1:0, capabilities: { images: true } }",
        "'arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0'",
    ] {
        assert_eq!(doubts(sure), Vec::<String>::new(), "{sure}");
    }
    for (odd, words) in [
        (
            "nova-pro",
            "bedrock.models.gpt-4o: nova-pro looks like no id of Bedrock's",
        ),
        (
            "writer.palmyra-x5-v1:0",
            "bedrock.models.gpt-4o: writer.palmyra-x5-v1:0 is of no family that crossfade knows",
        ),
    ] {
        let doubts = doubts(odd);
        assert!(
            doubts.len() == 1 && doubts[0].starts_with(words),
            "{doubts:?}"
        );
    }
    let hashes = |hash: &str| valid(&format!("callers: {{ key_sha256: [{hash}] }}\n")).warnings;
    assert_eq!(hashes(&"1f2e".repeat(16)), []);
    let documented = "eb69ff583309529e57adf7285fbddf04e84c365107caa07337d1fcd2c5767b4c";
    for placeholder in [&"00".repeat(32), &"ab".repeat(32), documented] {
        let doubts = hashes(placeholder);
        assert_eq!(doubts[0].path, "callers.key_sha256[0]", "{placeholder}");
    }
}

#[test]
fn unknown_keys_are_mistakes_and_are_guessed() {
    check(
        "limit: {}\n",
        &[
            "limit: found an unknown key; did you mean limits? Accepted: the keys admin, \
         bedrock, callers, drain, hosts, limits, listen, notify, original, rollback, rollout, state, \
         timeouts, traces",
        ],
    );
    check(
        "percent: 5\n",
        &[
            "percent: found an unknown key; did you mean rollout.percent? Accepted: the keys admin, \
         bedrock, callers, drain, hosts, limits, listen, notify, original, rollback, rollout, \
         state, timeouts, traces",
        ],
    );
    check(
        "rollback: { latency: { Above: 5s } }\n",
        &[
            "rollback.latency.Above: found an unknown key; did you mean rollback.latency.above? Accepted: the keys above, for, measure, percentile",
        ],
    );
    check(
        "timeouts: { \"a\\nb c\": 1 }\n",
        &[
            "timeouts.\"a\\nb c\": found an unknown key; accepted: the keys connect, first_token, \
         idle, total",
        ],
    );
    check(
        "? [a]\n: 1\n",
        &["file: found a key that is no text; accepted: text before each colon"],
    );
}

#[test]
fn a_key_written_twice_is_a_mistake() {
    check(
        "drain: 5s\ndrain: 6s\n",
        &["drain: found the key a second time; accepted: each key once"],
    );
    check_whole(
        "\
original: { url: http://a }
bedrock: { region: us-east-1, models: { m: amazon.nova-pro-v1:0, m: amazon.nova-pro-v1:0 } }
",
        &["bedrock.models.m: found the key a second time; accepted: each key once"],
    );
}

#[test]
fn syntax_is_refused_with_its_line() {
    for (text, expected) in [
        (
            "a:\n\tb: 1\n",
            "line 2, column 1: found a tab in the margin; accepted: spaces",
        ),
        (
            "a:\n  b: 1\n\tc: 1\n",
            "line 3, column 1: found a tab in the margin; accepted: spaces",
        ),
        (
            "\u{feff}a: 1\n",
            "line 1: found a byte order mark; accepted: UTF-8 without a byte order mark",
        ),
        (
            "a: 1\n%YAML 1.2\n",
            "line 2: found a YAML directive (%); accepted: keys and values only",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "file: found a second document (---); accepted: one YAML document",
        ),
        (
            "a: 1\nb: c: d\n",
            "line 2, column 5: found a key where none can be; accepted: \
             YAML: `key: value`, the same margin within a section, quotes around a value with \
             `: ` or ` #` in it",
        ),
        (
            "a: 1\nb: [1, 2\nc: 3\n",
            "line 3, column 2: found no ',' or ']' where one must be; accepted: YAML: `key: \
             value`, the same margin within a section, quotes around a value with `: ` or ` #` \
             in it",
        ),
    ] {
        check_whole(text, &[expected]);
    }
}

#[test]
fn a_syntax_error_shows_no_key() {
    let text = "original:\n  api_key: canary: \"sk-canary\n";
    let mistakes = mistakes_with(text, &no_env);
    assert_eq!(mistakes.len(), 1);
    assert!(
        mistakes[0].starts_with("line 2") && !mistakes[0].contains("canary"),
        "{mistakes:?}"
    );
}

#[test]
fn files_made_to_be_slow_are_refused_unparsed() {
    let brackets = "file: found 3000 opening brackets; accepted: at most 2000";
    check_whole(&"[".repeat(3_000), &[brackets]);
    check_whole(&"{a: ".repeat(3_000), &[brackets]);
    check_whole(
        &" ".repeat(256 * 1024 + 1),
        &["file: found a larger file; accepted: at most 256 KiB"],
    );
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let repeated = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs += &format!("a{n}: &a{n} [{repeated}]\n");
    }
    check_whole(
        &laughs,
        &[
            "file: found more than 20000 values, counting what aliases repeat; accepted: a file of \
         ordinary size",
        ],
    );
    let deep = mistakes_with(&"- ".repeat(5_000), &no_env);
    assert!(deep[0].contains("values nested too deep"), "{deep:?}");
}

#[test]
fn many_mistakes_are_counted_not_listed() {
    let many: String = (0..500).map(|n| format!("key{n}: 1\n")).collect();
    let mistakes = mistakes_with(&format!("{LEAST}{many}"), &no_env);
    assert_eq!(mistakes.len(), 101);
    assert_eq!(mistakes[100], "…: found 400 more mistakes; accepted: none");
}

#[test]
fn rules_are_switched_off_or_merged_with_the_defaults() {
    for off in ["off", "'off'", "false"] {
        let config = valid(&format!("rollback: {{ latency: {off}, outage: {off} }}\n"));
        assert_eq!(
            (config.rules.latency, config.rules.outage),
            (None, None),
            "{off}"
        );
        assert_eq!(config.rules.errors, Some(defaults::ERRORS));
    }
    let config = valid("rollback: { errors: { above: 0.5 % }, latency: { measure: total } }\n");
    let errors = config.rules.errors.expect("on");
    assert_eq!(
        (errors.above.basis_points(), errors.for_ms),
        (50, defaults::ERRORS.for_ms)
    );
    let latency = config.rules.latency.expect("on");
    let expected = Latency {
        measure: Measure::Total,
        ..defaults::LATENCY
    };
    assert_eq!(latency, expected);
    check(
        "rollback: { errors: }\n",
        &["rollback.errors: found nothing; accepted: off, or keys such as { above: …, for: … }"],
    );
    check(
        "rollback: { errors: { above: 100% } }\n",
        &["rollback.errors.above: found \"100%\"; accepted: a share such as 2%, from 0% to 99.99%"],
    );
    check(
        "rollback: { relative: { odds: 3, action: page }, rejected: { odds: 1000:1 } }\n",
        &[
            "rollback.relative.odds: found 3; accepted: a whole number from 20 to 1000000000",
            "rollback.relative.action: found \"page\"; accepted: caution, rollback",
            "rollback.rejected.odds: found \"1000:1\"; accepted: a whole number from 20 to \
             1000000000",
        ],
    );
    check(
        "rollback: { abandoned: { times: 1 }, breaker: { over: 5s }, on_throttle: step_back }\n",
        &[
            "rollback.abandoned.times: found 1; accepted: a whole number from 2 to 100",
            "rollback.breaker.over: found \"5s\"; accepted: a duration such as 10m, 90s or 500ms, \
             from 30s to 1day",
            "rollback.on_throttle: found step_back; accepted: rollback; step_back only with \
             rollout.advance: auto, where there is a stage to go back to",
        ],
    );
    let steps_back = valid("rollout: { advance: auto }\nrollback: { on_throttle: step_back }\n");
    assert_eq!(steps_back.rules.on_throttle, OnThrottle::StepBack);
    for (more, accepted) in [
        (
            "rollback: { errors: { for: 50s }, latency: { for: 50s } }\n",
            true,
        ),
        ("rollback: { errors: { for: 49s } }\n", false),
        ("rollback: { latency: { for: 49999ms } }\n", false),
        (
            "rollback: { severe: { over: 30s }, outage: { over: 30s } }\n",
            true,
        ),
        ("rollback: { outage: { over: 29999ms } }\n", false),
    ] {
        let refused = mistakes_with(&format!("{LEAST}{more}"), &no_env);
        assert_eq!(refused.is_empty(), accepted, "{more}");
    }
}

#[test]
fn who_sticks_to_what() {
    for (written, expected) in [
        ("conversation", Sticky::Conversation),
        ("user", Sticky::User),
        ("none", Sticky::None),
        (
            "header:X-Session-Id",
            Sticky::Header(http::HeaderName::from_static("x-session-id")),
        ),
    ] {
        assert_eq!(
            valid(&format!("rollout: {{ sticky: '{written}' }}\n"))
                .rollout
                .sticky,
            expected
        );
    }
    check(
        "rollout: { sticky: 'header:a b' }\n",
        &[
            "rollout.sticky: found \"header:a b\"; accepted: conversation, user, header:NAME or none",
        ],
    );
}

#[test]
fn models_are_mapped_to_a_name_or_in_detail() {
    let with = |models: &str| {
        format!("original: {{ url: http://a }}\nbedrock:\n  region: us-east-1\n  models:\n{models}")
    };
    check_whole(
        &with("    a: 5\n    '': amazon.nova-pro-v1:0\n    b: bad id\n"),
        &[
            "bedrock.models.a: found 5; accepted: a Bedrock model such as amazon.nova-lite-v1:0, or \
         keys with `model:` in them",
            "bedrock.models.\"\": found \"\"; accepted: a model name of 1 to 256 characters",
            "bedrock.models.b: found \"bad id\"; accepted: a Bedrock model id, inference profile or ARN",
        ],
    );
    check_whole(
        &with("    a: { max_tokens: 0, allow: [jsonobject], modell: x }\n"),
        &[
            "bedrock.models.a.model: found nothing; accepted: a Bedrock model id, inference \
             profile or ARN",
            "bedrock.models.a.max_tokens: found 0; accepted: a whole number from 1 to 10000000",
            &format!(
                "bedrock.models.a.allow[0]: found \"jsonobject\"; accepted: {}",
                crate::translate::Allowance::ALL
                    .iter()
                    .map(|allowance| allowance.name())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "bedrock.models.a.modell: found an unknown key; did you mean bedrock.models.a.model? Accepted: the keys allow, capabilities, defaults, family, first_token, \
             max_tokens, model, refuse, system_prefix",
        ],
    );
    let arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc";
    let mistakes = mistakes_with(
        &with(&format!("    a: {arn}\n    b: {{ model: '{arn}' }}\n")),
        &no_env,
    );
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    for mistake in mistakes {
        assert!(mistake.contains("set `family`"), "{mistake}");
    }
    let family = crate::translate::Family::names()
        .next()
        .expect("there are families");
    let text = with(&format!("    a: {{ model: '{arn}', family: {family} }}\n"));
    let config = load(&text, &no_env).expect("the family is given");
    assert_eq!(config.bedrock.models["a"].target.family.name(), family);
    let text = with(&format!("    a: {{ model: '{arn}', family: nonesuch }}\n"));
    let mistakes = mistakes_with(&text, &no_env);
    assert!(
        mistakes[0].starts_with("bedrock.models.a.family: found \"nonesuch\"; accepted: one of ")
            && mistakes[0].contains(family),
        "{mistakes:?}"
    );
}

#[test]
fn defaults_are_those_that_the_model_takes() {
    let with = |mapping: &str| {
        format!(
            "original: {{ url: http://a }}\nbedrock:\n  region: us-east-1\n  models:\n    a: {{ {mapping} }}\n"
        )
    };
    let (nova, claude) = (
        "model: amazon.nova-lite-v1:0",
        "model: 'us.anthropic.claude-haiku-4-5-20251001-v1:0'",
    );
    let text = with(&format!(
        "{nova}, defaults: {{ temperature: 0.3, top_p: 1 }}, refuse: [seed]"
    ));
    let config = load(&text, &no_env).expect("both are taken");
    let target = &config.bedrock.models["a"].target;
    let shown =
        |value: &Option<crate::translate::Fraction>| value.as_ref().map(ToString::to_string);
    assert_eq!(shown(&target.defaults.temperature).as_deref(), Some("0.3"));
    assert_eq!(shown(&target.defaults.top_p).as_deref(), Some("1"));
    assert!(target.refuse.contains(crate::translate::Loss::Seed));
    assert!(!target.refuse.contains(crate::translate::Loss::User));
    check_whole(
        &with(&format!(
            "{nova}, defaults: {{ temperature: 1.5, top_p: half, max_tokens: 5 }}"
        )),
        &[
            "bedrock.models.a.defaults.temperature: found 1.5; accepted: a number from 0 to 1",
            "bedrock.models.a.defaults.top_p: found \"half\"; accepted: a number from 0 to 1",
            "bedrock.models.a.defaults.max_tokens: found an unknown key; did you mean \
             bedrock.models.a.max_tokens? Accepted: the keys temperature, top_p",
        ],
    );
    check_whole(
        &with(&format!(
            "{claude}, defaults: {{ temperature: 0.3, top_p: 0.5 }}"
        )),
        &[
            "bedrock.models.a.defaults.top_p: found 0.5; accepted: temperature or top_p: this model \
           takes only one of them",
        ],
    );
    check_whole(
        &with("model: anthropic.claude-sonnet-5, defaults: { temperature: 0.3 }, refuse: [sede]"),
        &[
            &format!(
                "bedrock.models.a.refuse[0]: found \"sede\"; accepted: {}",
                crate::translate::Loss::ALL
                    .iter()
                    .map(|loss| loss.name())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "bedrock.models.a.defaults.temperature: found 0.3; accepted: nothing: this model takes \
             neither temperature nor top_p",
        ],
    );
}

#[test]
fn a_mapping_may_know_better_than_the_table() {
    use crate::translate::capability::{AnswerSchema, Choice, Column, Tools};
    let with = |mapping: &str| {
        format!(
            "original: {{ url: http://a }}\nbedrock:\n  region: us-east-1\n  models:\n    a: {{ {mapping} }}\n"
        )
    };
    let text = with(
        "model: anthropic.claude-sonnet-5, capabilities: { json_schema: native, images: false, \
         sampling: both, max_output: 8192 }, defaults: { temperature: 0.3 }",
    );
    let config = load(&text, &no_env).expect("all of it is known");
    let target = &config.bedrock.models["a"].target;
    let told = target.family.capabilities();
    let own = target.capabilities;
    assert_eq!(told.answer_schema, AnswerSchema::Tool);
    assert_eq!(own.answer_schema, AnswerSchema::Native);
    assert_eq!((told.images, own.images), (true, false));
    assert_eq!((own.choice, own.tools), (Choice::Named, Tools::Streamed));
    assert_eq!(target.max_tokens, 8192);
    check_whole(
        &with(
            "model: amazon.nova-lite-v1:0, capabilities: { json_schema: yes, images: 1, tool: none, \
             min_output: 0, cache: }",
        ),
        &[
            "bedrock.models.a.capabilities.json_schema: found \"yes\"; accepted: native, tool, none",
            "bedrock.models.a.capabilities.images: found 1; accepted: true, false",
            "bedrock.models.a.capabilities.cache: found nothing; accepted: points, tools_too, none",
            "bedrock.models.a.capabilities.min_output: found 0; accepted: a number of tokens from 1 \
             to 10000000",
            &format!(
                "bedrock.models.a.capabilities.tool: found an unknown key; did you mean \
                 bedrock.models.a.capabilities.tools? Accepted: the keys {}",
                {
                    let mut names: Vec<_> = Column::all().iter().map(Column::name).collect();
                    names.sort_unstable();
                    names.join(", ")
                }
            ),
        ],
    );
    check_whole(
        &with(
            "model: meta.llama3-3-70b-instruct-v1:0, capabilities: { json_schema: tool, \
             max_output: 8, min_output: 16 }",
        ),
        &[
            "bedrock.models.a.capabilities.json_schema: found tool; accepted: native or none; or \
             tool, beside tools: streamed and tool_choice: named, because that tool must be called",
            "bedrock.models.a.capabilities.min_output: found more than max_output; accepted: at \
             most max_output",
        ],
    );
    check_whole(
        &with("model: amazon.nova-lite-v1:0, capabilities: [images]"),
        &[
            "bedrock.models.a.capabilities: found a list; accepted: keys and values, indented below it",
        ],
    );
}

#[test]
fn the_example_names_every_capability_and_all_its_values() {
    for column in crate::translate::capability::Column::all() {
        let values = match column.accepted() {
            crate::translate::capability::Accepted::Words(words) => words,
            crate::translate::capability::Accepted::Tokens(_) => &[],
        };
        for &word in values.iter().chain([&column.name()]) {
            let known = EXAMPLE
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|found| found == word);
            assert!(known, "{}: {word}", column.name());
        }
    }
}

#[test]
fn the_key_of_the_original_comes_from_the_environment() {
    let file = |key: &str| {
        format!(
            "\
original: {{ url: http://a, api_key: {key} }}
bedrock: {{ region: us-east-1, models: {{ m: amazon.nova-pro-v1:0 }} }}
"
        )
    };
    let env = env_of(&[
        ("KEY", "canary-key\n"),
        ("EMPTY", ""),
        ("ODD", "canary key"),
    ]);
    let key = |written: &str| load(&file(written), &env).expect("valid").original.api_key;
    assert_eq!(key("'${KEY}'"), Some(Secret::new("canary-key")));
    assert_eq!(
        key("'a-${KEY}-${KEY}'"),
        Some(Secret::new("a-canary-key-canary-key"))
    );
    let config = load(&file("canary-literal"), &env).expect("a literal key is valid");
    assert_eq!(
        config
            .warnings
            .iter()
            .map(|w| w.path.as_str())
            .collect::<Vec<_>>(),
        ["original.api_key"]
    );
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
    let any = "${NAME} of an environment variable, or the key itself";
    let unusable = "an empty key, or one with spaces or unprintable characters";
    for (written, found, accepted) in [
        (
            "'${NONE}'",
            "${NONE}, which the environment does not have",
            "NONE set in crossfade's environment",
        ),
        (
            "'${EMPTY}'",
            "${EMPTY}, which the environment does not have",
            "EMPTY set in crossfade's environment",
        ),
        ("'${KEY'", "${ without a variable's name and }", any),
        ("'${canary-x}'", "${ without a variable's name and }", any),
        ("'${ODD}'", unusable, any),
        ("'canary canary'", unusable, any),
        ("[canary]", "a list", any),
    ] {
        let expected = format!("original.api_key: found {found}; accepted: {accepted}");
        assert_eq!(mistakes_with(&file(written), &env), [expected], "{written}");
    }
    // Nowhere else is anything replaced.
    let text = file("x").replace("http://a", "'http://${KEY}'");
    assert_eq!(mistakes_with(&text, &env).len(), 1);
}

#[test]
fn who_may_cause_a_bedrock_call() {
    let public = "listen: found 0.0.0.0:8787, without callers; accepted: a loopback address or \
                  unix:PATH; or callers.key_sha256 with the SHA-256 of each app key that may \
                  cause a Bedrock call";
    check("listen: 0.0.0.0:8787\n", &[public]);
    let hash = "ab".repeat(32);
    let config = valid(&format!(
        "listen: 0.0.0.0:8787\ncallers: {{ key_sha256: [{hash}] }}\n"
    ));
    assert_eq!(config.callers, Some(vec![[0xab; 32]]));
    for private in [
        "127.0.0.1:1",
        "'[::1]:1'",
        "127.9.9.9:1",
        "'[::ffff:127.0.0.1]:1'",
        "unix:/run/x.sock",
    ] {
        assert_eq!(valid(&format!("listen: {private}\n")).callers, None);
    }
    check(
        "listen: 0.0.0.0:8787\ncallers: {}\n",
        &[
            public,
            "callers.key_sha256: found no usable hash; accepted: a list with at least one SHA-256 of \
         an app key",
        ],
    );
    let wanted = "accepted: the SHA-256 of an app key in 64 hexadecimal digits, as printed by \
                  `printf %s \"$KEY\" | sha256sum`";
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check(
        &format!("callers: {{ key_sha256: [sk-canary, {empty}, {hash}] }}\n"),
        &[
            &format!("callers.key_sha256[0]: found 9 characters; {wanted}"),
            &format!("callers.key_sha256[1]: found the hash of nothing at all; {wanted}"),
        ],
    );
}

#[test]
fn listeners_and_targets_must_differ() {
    check(
        "listen: 127.0.0.1:8788\n",
        &["admin: found 127.0.0.1:8788; accepted: a port that listen has not"],
    );
    assert_eq!(
        valid("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n")
            .admin
            .port(),
        0
    );
    let text = LEAST.replace("https://api.openai.com", "http://localhost:8787");
    check_whole(
        &text,
        &[
            "original.url: found localhost:8787; accepted: another address than crossfade's own, \
         127.0.0.1:8787",
        ],
    );
    let text = LEAST.replace("models:", "endpoint: 'http://127.0.0.1:8788/', models:");
    check_whole(
        &text,
        &[
            "bedrock.endpoint: found 127.0.0.1:8788; accepted: another address than crossfade's own, \
         127.0.0.1:8788",
        ],
    );
}

#[test]
fn limits_and_timeouts_fit_each_other() {
    check(
        "limits: { buffered: 16MiB }\n",
        &["limits.body: found 32MiB; accepted: at most limits.buffered, 16MiB"],
    );
    check(
        "timeouts: { total: 20s }\n",
        &["timeouts.first_token: found 30s; accepted: at most timeouts.total, 20s"],
    );
    check_whole(
        "\
original: { url: http://a }
bedrock:
  region: us-east-1
  models: { gpt-4.1: { model: amazon.nova-pro-v1:0, first_token: 11m } }
",
        &[
            "bedrock.models.\"gpt-4.1\".first_token: found 11m; accepted: at most timeouts.total, 10m",
        ],
    );
}

#[test]
fn the_environment_has_its_switches() {
    let switches = |pairs: &[(&str, &str)]| valid_with("rollout: { percent: 30 }\n", pairs).rollout;
    assert_eq!(switches(&[]).ceiling().basis_points(), 3_000);
    for yes in ["true", "1", "yes", "TRUE"] {
        assert!(
            switches(&[("FORCE_OPENAI_PROVIDER", yes)])
                .ceiling()
                .is_zero(),
            "{yes}"
        );
    }
    for no in ["false", "0", "no", ""] {
        assert!(
            !switches(&[("FORCE_OPENAI_PROVIDER", no)])
                .ceiling()
                .is_zero(),
            "{no}"
        );
    }
    for (second, ceiling) in [
        ("25", 2_500),
        ("2.5%", 250),
        ("40", 3_000),
        ("", 3_000),
        (" 0 ", 0),
    ] {
        let rollout = switches(&[("USE_AWS_PERCENT", second)]);
        assert_eq!(rollout.ceiling().basis_points(), ceiling, "{second:?}");
    }
    let env = env_of(&[
        ("FORCE_OPENAI_PROVIDER", "maybe"),
        ("USE_AWS_PERCENT", "120"),
    ]);
    assert_eq!(
        mistakes_with(LEAST, &env),
        [
            "FORCE_OPENAI_PROVIDER (environment): found \"maybe\"; accepted: true or false",
            "USE_AWS_PERCENT (environment): found \"120\"; accepted: 0 to 100, at most two decimals",
        ]
    );
}

#[test]
fn region_and_endpoint_come_from_the_file_then_the_environment() {
    let bare = LEAST.replace("region: eu-west-1, ", "");
    let both = env_of(&[
        ("AWS_REGION", "eu-north-1"),
        ("AWS_DEFAULT_REGION", "eu-south-1"),
    ]);
    let second = env_of(&[("AWS_DEFAULT_REGION", "eu-south-1")]);
    let region = |text: &str, env: &dyn Fn(&str) -> Option<String>| {
        let config = load(text, &env).expect("valid");
        (config.bedrock.region, config.warnings.len())
    };
    assert_eq!(region(LEAST, &both), ("eu-west-1".to_owned(), 0));
    assert_eq!(region(&bare, &both), ("eu-north-1".to_owned(), 0));
    assert_eq!(region(&bare, &second), ("eu-south-1".to_owned(), 0));
    assert_eq!(region(&bare, &no_env), ("us-east-1".to_owned(), 1));
    let wrong = env_of(&[("AWS_REGION", "EU"), ("AWS_ENDPOINT_URL", "host")]);
    assert_eq!(
        mistakes_with(&bare, &wrong),
        [
            "AWS_REGION (environment): found \"EU\"; accepted: an AWS region such as us-east-1: \
         lower-case letters, digits and hyphens",
            "AWS_ENDPOINT_URL (environment): found \"host\"; accepted: http:// or https:// with a \
         host, such as https://api.openai.com",
        ]
    );
    let endpoint = |pairs: &[(&str, &str)]| {
        valid_with("", pairs)
            .bedrock
            .endpoint
            .map(|uri| uri.to_string())
    };
    let specific = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9000");
    let general = ("AWS_ENDPOINT_URL", "http://127.0.0.1:9001");
    assert_eq!(
        endpoint(&[specific, general]).as_deref(),
        Some("http://127.0.0.1:9000/")
    );
    assert_eq!(
        endpoint(&[general]).as_deref(),
        Some("http://127.0.0.1:9001/")
    );
}

#[test]
fn a_public_admin_port_wants_a_token() {
    let public = "admin: 0.0.0.0:8788\n";
    let warned = |config: &Config| {
        config
            .warnings
            .iter()
            .any(|warning| warning.path == "admin")
    };
    assert!(warned(&valid(public)));
    let token = "0123456789abcdef";
    let config = valid_with(public, &[("CROSSFADE_ADMIN_TOKEN", token)]);
    assert_eq!(config.admin_token, Some(Secret::new(token)));
    assert!(!warned(&config));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("token");
    fs::write(&path, format!("{token}\n")).expect("written");
    let path = path.to_str().expect("a path in UTF-8");
    let in_file = [("CROSSFADE_ADMIN_TOKEN_FILE", path)];
    set_mode(path, 0o400);
    assert_eq!(
        valid_with(public, &in_file).admin_token,
        Some(Secret::new(token))
    );
    set_mode(path, 0o644);
    let mistakes = mistakes_with(LEAST, &env_of(&in_file));
    assert!(mistakes[0].starts_with("CROSSFADE_ADMIN_TOKEN_FILE (environment): found its mode"));
    for env in [
        vec![("CROSSFADE_ADMIN_TOKEN", "canary-short")],
        vec![("CROSSFADE_ADMIN_TOKEN", "canary-with spaces in it")],
        vec![("CROSSFADE_ADMIN_TOKEN", token), in_file[0]],
        vec![("CROSSFADE_ADMIN_TOKEN_FILE", "/nonesuch")],
    ] {
        let mistakes = mistakes_with(LEAST, &env_of(&env));
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].contains("(environment)") && !mistakes[0].contains("canary"));
    }
}

fn set_mode(path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode set");
}

#[test]
fn what_is_valid_but_hardly_meant_is_warned_of() {
    let warned = |config: Config| -> Vec<String> {
        config
            .warnings
            .into_iter()
            .map(|warning| warning.path)
            .collect()
    };
    assert_eq!(warned(valid("state: /tmp/x.json\n")), ["state"]);
    assert_eq!(
        warned(valid_with(
            "state: /scratch/x.json\n",
            &[("TMPDIR", "/scratch")]
        )),
        ["state"]
    );
    assert_eq!(
        warned(valid("timeouts: { first_token: 5s }\n")),
        ["rollback.latency.above"]
    );
    let text = LEAST.replace("api.openai.com", "api.openai.com/v1/");
    assert_eq!(
        warned(load(&text, &no_env).expect("valid")),
        ["original.url"]
    );
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let env = no_env;
    let at = |more: &str, file: &str| {
        let config =
            resolve::load_at(&format!("{LEAST}{more}"), file.as_ref(), &env).expect("valid");
        (config.state, config.listen)
    };
    let (state, _) = at("", "/etc/crossfade/rollout.yaml");
    assert_eq!(state, PathBuf::from("/etc/crossfade/crossfade.state.json"));
    let (state, listen) = at(
        "state: /var/x.json\nlisten: unix:a.sock\n",
        "/etc/c/rollout.yaml",
    );
    assert_eq!(state, PathBuf::from("/var/x.json"));
    assert_eq!(listen, Listen::Unix(PathBuf::from("/etc/c/a.sock")));
    assert_eq!(
        at("", "rollout.yaml").0,
        PathBuf::from("crossfade.state.json")
    );
    let own = resolve::load_at(
        &format!("{LEAST}state: /a/c.json\n"),
        "/a/c.json".as_ref(),
        &env,
    );
    assert_eq!(
        own.expect_err("itself").lines(),
        ["line 3, state: found the configuration file itself; accepted: another file",]
    );
}

#[test]
fn an_empty_list_of_models_is_called_empty() {
    for empty in ["{}", "\n"] {
        let text =
            format!("original: {{ url: https://api.openai.com }}\nbedrock:\n  models: {empty}");
        let lines = mistakes_with(&text, &no_env);
        let line = lines.first().expect("a mistake");
        let nothing = if empty == "{}" {
            "no model in it"
        } else {
            "nothing"
        };
        let told = format!("bedrock.models: found {nothing}; accepted: at least one line such as");
        assert!(line.starts_with(&told), "{line}");
    }
}

#[test]
fn the_state_of_a_refused_file_is_found() {
    let file = std::path::Path::new("/etc/c/rollout.yaml");
    for (text, expected) in [
        ("", "/etc/c/crossfade.state.json"),
        ("state: /var/x.json\nnonsense: 1\n", "/var/x.json"),
        ("nonsense: [\nstate: /var/x.json   # here\n", "/var/x.json"),
        ("nonsense: [\nstate: 'x.json'\n", "/etc/c/x.json"),
        ("state: [\n", "/etc/c/crossfade.state.json"),
        ("state: rollout.yaml\n", "/etc/c/crossfade.state.json"),
    ] {
        assert_eq!(
            resolve::state_path(text, file, &|_| None),
            PathBuf::from(expected),
            "{text:?}"
        );
        let told = resolve::with_state(Some("/told/x.json".to_owned()), |_| None);
        let path = resolve::state_path(text, file, &told);
        assert_eq!(path, PathBuf::from("/told/x.json"), "{text:?}");
    }
}

#[test]
fn the_state_may_be_said_outside_of_the_file_if_that_is_no_contradiction() {
    let file = std::path::Path::new("/etc/c/rollout.yaml");
    let load = |rest: &str, outside: &str| {
        let env = |name: &str| (name == resolve::STATE_VARIABLE).then(|| outside.to_owned());
        let text = format!("{LEAST}{rest}");
        resolve::load_at(&text, file, &env).map(|config| config.state)
    };
    for (rest, outside) in [
        ("", "/var/x.json"),
        ("state: /var/x.json\n", "/var/x.json"),
        ("state: /var/./x.json\n", "/var//x.json"),
    ] {
        let state = load(rest, outside).expect(rest);
        assert_eq!(state, PathBuf::from("/var/x.json"), "{rest}");
    }
    // Nothing is said by an empty variable.
    let state = load("", "").expect("the default");
    assert_eq!(state, PathBuf::from("/etc/c/crossfade.state.json"));
    let contradiction = load("state: x.json\n", "/var/x.json").expect_err("two places");
    assert_eq!(
        contradiction.lines(),
        [
            "line 3, state: found /etc/c/x.json; accepted: the same as --state or CROSSFADE_STATE says, \
          /var/x.json; or one of the two left out"
        ]
    );
    let wrong = load("", "/var/x.yaml").expect_err("no place for it");
    let line = &wrong.lines()[0];
    assert!(
        line.starts_with("CROSSFADE_STATE (environment): found "),
        "{line}"
    );
}

#[test]
fn what_takes_a_restart_is_named_and_kept() {
    let running = valid("listen: 127.0.0.1:1\n");
    let same = valid("listen: 127.0.0.1:1\nrollout: { percent: 50 }\n");
    assert_eq!(running.restart_needed(&same), Vec::<&str>::new());
    let new =
        valid("listen: 127.0.0.1:2\nadmin: 127.0.0.1:3\nstate: x.json\nrollout: { percent: 9 }\n");
    assert_eq!(running.restart_needed(&new), ["listen", "admin", "state"]);
    let kept = new.keeping(&running).expect("safe");
    assert_eq!(running.restart_needed(&kept), Vec::<&str>::new());
    assert_eq!(kept.rollout.percent.basis_points(), 900);
}

#[test]
fn a_public_listener_keeps_its_callers_until_it_is_gone() {
    let hash = "ab".repeat(32);
    let callers = format!("callers: {{ key_sha256: [{hash}] }}\n");
    let running = valid(&format!("listen: 0.0.0.0:1\n{callers}"));
    let refused = valid("")
        .keeping(&running)
        .expect_err("nobody would be kept out");
    assert!(refused.lines()[0].starts_with("listen: found 0.0.0.0:1, without callers"));
    valid(&callers).keeping(&running).expect("the callers stay");
}

#[test]
fn problems_are_serialized_for_status() {
    let problems = load("drain: 5\n", &no_env).expect_err("refused");
    let json = serde_json::to_value(&problems).expect("serializable");
    let first = &json[0];
    assert_eq!(first["path"], "original.url");
    assert_eq!(first["found"], "nothing");
    assert!(first["accepted"].is_string());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever is done to the example, it is read or refused; a key in it is never shown.
    #[test]
    fn no_mutation_of_the_example_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..20),
    ) {
        let text = EXAMPLE.replace("# api_key: ${OPENAI_API_KEY}", "api_key: canary-canary");
        let mut bytes = text.into_bytes();
        for (at, byte, what) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(config) = load(&text, &no_env) {
            let shown = format!("{config:?}");
            prop_assert!(!shown.contains("canary"));
            prop_assert!(config.rules.errors.is_none_or(|rule| rule.for_ms >= 50_000));
            let Listen::Tcp(address) = config.listen else { return Ok(()) };
            prop_assert!(address.ip().is_loopback() || config.callers.is_some());
        }
    }

    /// Any key and value of one section are read or refused.
    #[test]
    fn no_value_panics(key in "[a-z_]{1,12}", value in "\\PC{0,40}") {
        for section in ["rollout", "rollback", "limits", "timeouts", "original", "callers"] {
            let text = format!("{section}:\n  {key}: {value}\n");
            prop_assert!(load(&text, &no_env).is_err(), "the rest is missing");
        }
    }
}

#[test]
fn who_is_told_what_is_read_and_its_keys_are_never_shown() {
    let env = |name: &str| {
        (name == "HOOK").then(|| "https://hooks.slack.com/services/T/B/canary".to_owned())
    };
    let text = format!(
        "{LEAST}notify:\n- slack: ${{HOOK}}\n- webhook: https://h.example.com/a?sig=canary\n  \
         secret: canary-of-this-test\n  events: [rearmed, rolled_back]\n"
    );
    let config = load(&text, &env).unwrap_or_else(|problems| panic!("{problems}"));
    let [slack, webhook] = config.notify.as_slice() else {
        panic!("{:?}", config.notify)
    };
    assert_eq!(slack.to_string(), "slack hooks.slack.com");
    assert_eq!(slack.target.expose(), "/services/T/B/canary");
    assert!(slack.events.contains(&notify::Kind::RolledBack));
    assert!(!slack.events.contains(&notify::Kind::ClockStarted));
    assert_eq!(webhook.target.expose(), "/a?sig=canary");
    assert_eq!(
        webhook.events,
        [notify::Kind::RolledBack, notify::Kind::Rearmed]
    );
    assert!(!format!("{config:?}").contains("canary"));
    for (entry, expected) in [
        (
            "5",
            "notify[0]: found a number; accepted: webhook: URL, or slack: URL",
        ),
        (
            "{ events: [paused] }",
            "notify[0].webhook: found neither webhook nor slack; accepted",
        ),
        (
            "{ webhook: 'ftp://canary' }",
            "notify[0].webhook: found another URL; accepted: http",
        ),
        (
            "{ webhook: '${NONE}' }",
            "notify[0].webhook: found ${NONE}, which the environment",
        ),
        (
            "{ webhook: 'http://h', secret: canary }",
            "notify[0].secret: found fewer than 16",
        ),
        (
            "{ slack: 'http://h', secret: canary-of-this-test }",
            "notify[0].secret: found a secret beside slack",
        ),
        (
            "{ webhook: 'http://h', secret_file: none }",
            "notify[0].secret_file: found none: ",
        ),
        (
            "{ webhook: 'http://h', events: [tripped] }",
            "notify[0].events[0]: found \"tripped\"; accepted: one of rolled_back, rearmed",
        ),
        (
            "{ webhook: 'http://h', url: x }",
            "notify[0].url: found an unknown key",
        ),
    ] {
        let text = format!("{LEAST}notify: [{entry}]\n");
        let problems = load(&text, &env).expect_err(entry).to_string();
        assert!(problems.contains(expected), "{entry}: {problems}");
        assert!(!problems.contains("canary"), "{problems}");
    }
}
