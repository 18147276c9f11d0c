//! The schema against the resolver, by a validator that is not ours.

use super::judge::{Judged, judge};
use super::*;
use crate::config::resolve::load;
use crate::config::values;
use crate::split::Percent;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const EXAMPLE: &str = include_str!("../../../rollout.yaml");

/// Every key once, so that mutations reach all of them.
const EVERY_KEY: &str = "\
listen: 127.0.0.1:8787
admin: 127.0.0.1:8788
original: { url: 'https://api.openai.com', api_key: sk-none }
bedrock:
  region: eu-west-1
  endpoint: http://127.0.0.1:9000
  models:
    gpt-4o-mini: amazon.nova-lite-v1:0
    gpt-4o:
      model: amazon.nova-pro-v1:0
      family: nova-pro
      max_tokens: 8192
      system_prefix: Answer in Markdown.
      defaults: { temperature: 0.3, top_p: 1 }
      allow: [json_object, strip_thinking]
      refuse: [hoisted_system]
      first_token: 60s
      capabilities:
        { system: true, tools: streamed, tool_choice: any, single_call: false, strict_tools: false,
          tool_schema: nova, json_schema: none, images: false, documents: false, sampling: both,
          stop: any, reasoning: fixed, prefill: false, turns: mixed, tool_ids: usual, cache: none,
          max_output: 9000, min_output: 1 }
rollout:
  percent: 2.5
  advance: auto
  sticky: header:x-session-id
  salt: s
  attempt: 2
  allow_override: true
  stages: [1, 10%, 100]
  bake: 30m
  final_bake: 1day
  min_calls: 500
  error_bound: 2%
  gates: [manual, { webhook: 'http://ops.example/', timeout: 5s }]
rollback:
  errors: { above: 2%, for: 10m }
  latency: { above: 5s, for: 5m, percentile: p95, measure: total }
  severe: { above: 10%, over: 5m }
  outage: { above: 50 %, over: 30s }
  relative: { odds: 1000, action: caution }
  rejected: { odds: 1000, action: rollback }
  abandoned: { times: 3 }
  breaker: off
  on_throttle: step_back
timeouts: { connect: 2s, first_token: 30s, idle: 2m, total: 10m }
limits: { body: 32MiB, buffered: 256 MiB, in_flight: 1000, connections: 10000 }
drain: 25s
hosts: [crossfade, 5]
callers: { key_sha256: [abababababababababababababababababababababababababababababababab] }
notify:
  - { slack: 'https://hooks.example.com/a?b=c' }
  - { webhook: 'https://hooks.example.com/', secret: 0123456789abcdef, events: [rearmed, held] }
traces: { otlp: 'http://127.0.0.1:4318', sample: 10%, service: chat, attributes: { a.b: 5 }, headers: { x-key: 1 } }
state: crossfade.state.json
";

#[test]
fn every_key_has_a_shape_and_words() {
    let sink = Sink::noting();
    resolve::note_all(&sink);
    let asked: BTreeSet<String> = sink
        .known()
        .iter()
        .map(|(section, key)| general(&join(section, key)))
        .collect();
    let keys = keys();
    let noted: BTreeSet<String> = keys.iter().map(|key| key.path.clone()).collect();
    assert_eq!(
        noted, asked,
        "what sections are asked for, and what they note"
    );
    let told: BTreeSet<String> = words::all().map(|it| it.0.to_owned()).collect();
    assert_eq!(told, noted, "what has words, and what is a key");
    assert_eq!(keys.len(), noted.len(), "each key once");
    for key in keys {
        assert!(key.words.ends_with('.'), "{}: {}", key.path, key.words);
    }
    let restart: Vec<_> = super::keys()
        .into_iter()
        .filter(|key| key.restart)
        .collect();
    assert_eq!(restart.len(), Config::restart_keys().count());
}

#[test]
fn every_section_is_reached_by_a_file_with_every_key() {
    let written: serde_yaml::Value = serde_yaml::from_str(EVERY_KEY).expect("YAML");
    let mut found = BTreeSet::new();
    paths(&written, "", &mut found);
    let missing: Vec<_> = keys()
        .into_iter()
        .filter(|key| !found.contains(&key.path) && !key.path.starts_with("rollback.breaker."))
        .map(|key| key.path)
        .collect();
    assert_eq!(missing, ["notify[].secret_file"], "a file of its own");
    load(EVERY_KEY, &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(judge(EVERY_KEY), Judged::Fits);
}

/// The paths of all keys, as [`Key::path`] has them.
fn paths(value: &serde_yaml::Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        serde_yaml::Value::Mapping(pairs) => {
            for (key, value) in pairs {
                let key = key.as_str().expect("text");
                let key = if path == "bedrock.models" {
                    "NAME"
                } else {
                    key
                };
                let path = join(path, key);
                found.insert(path.clone());
                paths(value, &path, found);
            }
        }
        serde_yaml::Value::Sequence(values) => {
            for value in values {
                paths(value, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_schema_is_one_and_the_example_fits_it() {
    let schema: Value = serde_json::from_str(&json()).expect("JSON");
    jsonschema::draft7::meta::validate(&schema).expect("a schema of draft 7");
    assert_eq!(judge(EXAMPLE), Judged::Fits);
}

/// Defaults and examples are offered by editors: each fits the key that it is offered for.
#[test]
fn defaults_and_examples_fit_their_own_key() {
    let schema: Value = serde_json::from_str(&json()).expect("JSON");
    let mut open = vec![&schema];
    let mut judged = 0;
    while let Some(part) = open.pop() {
        if part.get("description").is_some_and(Value::is_string) {
            let validator = jsonschema::draft7::new(part).expect("a schema");
            let examples = part.get("examples").and_then(Value::as_array);
            for value in part
                .get("default")
                .into_iter()
                .chain(examples.into_iter().flatten())
            {
                judged += 1;
                assert!(validator.is_valid(value), "{value} in {part}");
            }
        }
        match part {
            Value::Object(map) => open.extend(map.values()),
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    assert!(judged > 60, "{judged}");
}

#[test]
fn ranges_with_units_are_exact() {
    let matches = |pattern: &str| {
        let schema = serde_json::json!({ "pattern": pattern });
        let validator = jsonschema::draft7::new(&schema).expect("a pattern");
        move |text: &str| validator.is_valid(&Value::from(text))
    };
    let mut ranges = 0;
    for key in keys() {
        match &key.shape {
            Shape::Duration(range) => {
                let fits = matches(&pattern::duration(range));
                let read = values::duration(range.clone());
                let taken = |text: &str| {
                    let node = crate::config::raw::Node::Text(text.to_owned());
                    read.read(&node).is_ok()
                };
                let edges = [range.start().as_millis(), range.end().as_millis()];
                for (unit, millis) in [
                    ("ms", 1),
                    ("s", 1_000),
                    ("min", 60_000),
                    ("hours", 3_600_000),
                ] {
                    let near = edges.map(|edge| edge / millis);
                    let numbers = near.iter().flat_map(|&it| it.saturating_sub(30)..it + 30);
                    for number in numbers.chain([0, 1, 9, 10, 11, 99, 100, 101, 999, 1000]) {
                        let text = format!("{number}{unit}");
                        assert_eq!(fits(&text), taken(&text), "{}: {text}", key.path);
                    }
                }
                ranges += 1;
            }
            Shape::Share(range) | Shape::Percent(range) => {
                let fits = matches(&pattern::share(range));
                for points in 0..=10_000 {
                    let percent = Percent::from_basis_points(points).expect("in range");
                    let (whole, rest) = (points / 100, points % 100);
                    for text in [format!("{percent}%"), format!("{whole}.{rest:02} %")] {
                        assert_eq!(
                            fits(&text),
                            range.contains(&percent),
                            "{}: {text}",
                            key.path
                        );
                    }
                }
                for text in ["2", "%", "02%", "2.555%", "-1%", "100.01%", "101%", "1000%"] {
                    assert!(!fits(text), "{text}");
                }
                ranges += 1;
            }
            Shape::Size(range) => {
                let fits = matches(&pattern::size(range));
                for (name, unit) in values::UNITS {
                    for edge in [range.start() / unit, range.end() / unit, 10] {
                        for number in edge.saturating_sub(12)..edge + 12 {
                            let within = range.contains(&(number * unit));
                            assert_eq!(fits(&format!("{number}{name}")), within, "{number}{name}");
                        }
                    }
                }
                ranges += 1;
            }
            _ => {}
        }
    }
    assert!(ranges > 20, "{ranges}");
    let fits = matches(&pattern::duration(
        &(Duration::from_secs(50)..=Duration::from_hours(24)),
    ));
    for text in [
        "1m30s",
        "1h 30m",
        "1.5m",
        " 10m ",
        "1 0m",
        "90000000us",
        "0010m",
        "1hour 1sec",
    ] {
        assert!(fits(text), "{text}");
    }
    for text in [
        "",
        "10",
        "m",
        "10 parsecs",
        "10m30",
        "-10m",
        "10mm",
        "49s",
        "2w",
        "1m,5s",
    ] {
        assert!(!fits(text), "{text}");
    }
}

/// What people write, mean and mistype, in any place.
fn scraps() -> impl Strategy<Value = serde_yaml::Value> {
    let text = prop_oneof![
        "[0-9]{1,5} ?(ms|s|m|min|h|d|days|w|M|y|us|ns|sec|parsecs)",
        "[0-9]{1,2}h ?[0-9]{1,3}m( 5s)?",
        "[0-9]{1,2}\\.[0-9]{1,2} ?(s|m|h)",
        "[0-9]{1,3}(\\.[0-9]{1,3})? ?%?",
        "[0-9]{1,5} ?(B|KiB|MiB|GiB|MB|k)",
        "(127\\.0\\.0\\.1|0\\.0\\.0\\.0|\\[::1\\]|localhost):[0-9]{1,5}",
        "https?://[a-z0-9.:/_-]{1,20}",
        "(header:|unix:)[a-zA-Z/ -]{0,12}",
        "[a-z]{1,8}\\.(json|lock|yaml|bad)",
        "(off|on|auto|manual|none|user|conversation|hold|rollback|step_back|p50|p99|total|true|false)",
        "(streamed|named|native|tool|one|neither|any|pure|nine|points|seed|penalty|nova|held|rearmed)",
        "\\$\\{[A-Z_]{1,4}\\}",
        "[ -~]{0,20}",
        "\\PC{0,10}",
    ];
    let leaf = prop_oneof![
        8 => text.prop_map(serde_yaml::Value::from),
        3 => (0_u64..2_000_000).prop_map(serde_yaml::Value::from),
        1 => any::<i64>().prop_map(serde_yaml::Value::from),
        2 => (-1.0..101.0_f64).prop_map(serde_yaml::Value::from),
        1 => (0_u32..10_001).prop_map(|it| serde_yaml::Value::from(f64::from(it) / 100.0)),
        1 => any::<bool>().prop_map(serde_yaml::Value::from),
        1 => Just(serde_yaml::Value::Null),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let key = prop::sample::select(vec![
            "above", "for", "model", "webhook", "slack", "url", "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(serde_yaml::Value::from),
            prop::collection::vec((key, inner), 0..3).prop_map(|pairs| {
                let pairs = pairs.into_iter().map(|(key, value)| (key.into(), value));
                serde_yaml::Value::Mapping(pairs.collect())
            }),
        ]
    })
}

/// A key with a value that mostly fits its shape, in the odd spellings that parsers take too.
fn fitting() -> impl Strategy<Value = (String, serde_yaml::Value)> {
    let keys: Vec<_> = keys()
        .into_iter()
        .filter(|key| !key.path.contains("[]") && of_shape(&key.shape).is_some())
        .collect();
    assert!(keys.len() > 60, "{}", keys.len());
    prop::sample::select(keys).prop_flat_map(|key| {
        let value = of_shape(&key.shape).expect("filtered");
        value.prop_map(move |value| (key.path.clone(), value))
    })
}

fn of_shape(shape: &Shape) -> Option<BoxedStrategy<serde_yaml::Value>> {
    let text = |regex: &'static str| regex.prop_map(serde_yaml::Value::from).boxed();
    Some(match shape {
        Shape::Duration(_) => prop_oneof![
            text("(0{0,2}[1-9][0-9]{0,2} ?(ms|millis|s|secs|m|min|h|hrs|d|day|w)){1,3}"),
            text(" ?[0-9]{1,2}\\.[0-9]{1,2} ?(s|m|h)"),
            text("[1-9] ?[0-9]{0,2}(s|m|h|hours|minutes)( [1-9]s)? ?"),
            text("[1-9][0-9]{7,10}(us|µs|ns|nanos)"),
        ]
        .boxed(),
        Shape::Share(_) => text("[0-9]{1,2}(\\.[0-9]{1,2})? {0,2}%"),
        Shape::Percent(_) => prop_oneof![
            text("(100|[0-9]{1,2}(\\.[0-9]{1,2})?)( ?%)?"),
            (0_u32..10_001).prop_map(|it| serde_yaml::Value::from(f64::from(it) / 100.0)),
            (0_u32..101).prop_map(serde_yaml::Value::from),
        ]
        .boxed(),
        Shape::Size(_) => text("0{0,2}[1-9][0-9]{0,4} {0,2}(B|KiB|MiB|GiB)"),
        Shape::Count(range) => prop_oneof![
            (*range.start()..=*range.end()).prop_map(serde_yaml::Value::from),
            (0_u32..100).prop_map(|it| serde_yaml::Value::from(f64::from(it))),
        ]
        .boxed(),
        Shape::Tokens(_) => prop_oneof![
            text("\\+?[0-9]{1,7}"),
            (0_u64..20_000).prop_map(serde_yaml::Value::from),
        ]
        .boxed(),
        Shape::Fraction => (0.0..=1.0_f64).prop_map(serde_yaml::Value::from).boxed(),
        Shape::Flag => any::<bool>().prop_map(serde_yaml::Value::from).boxed(),
        Shape::Off => Just(serde_yaml::Value::from("off")).boxed(),
        Shape::Word(words) => prop::sample::select(words.clone())
            .prop_map(|word| serde_yaml::from_str(word).expect("a word"))
            .boxed(),
        Shape::List { of, .. } => {
            let each = of_shape(of)?;
            prop::collection::vec(each, 0..3)
                .prop_map(serde_yaml::Value::from)
                .boxed()
        }
        Shape::Either(shapes) => of_shape(shapes.first()?)?,
        Shape::Section => Just(serde_yaml::Value::Null).boxed(),
        Shape::Text(_) | Shape::Named { .. } => return None,
    })
}

/// Puts a value where the file has the key; a rule that is off stays off.
fn put(file: &mut serde_yaml::Value, path: &str, value: &serde_yaml::Value) {
    let mut at = file;
    for key in path.replace("NAME", "gpt-4o").split('.') {
        match at.get_mut(key) {
            Some(inner) => at = inner,
            None => return,
        }
    }
    at.clone_from(value);
}

/// The variables that scraps name; the others would change what the file means.
fn variables(name: &str) -> Option<String> {
    (name.len() <= 4).then(|| "0123456789abcdef".to_owned())
}

/// Takes one value of the file out, or puts another in its place.
fn mutate(
    value: &mut serde_yaml::Value,
    path: &[prop::sample::Index],
    scrap: Option<&serde_yaml::Value>,
) {
    let Some((at, deeper)) = path.split_first() else {
        if let Some(scrap) = scrap {
            value.clone_from(scrap);
        }
        return;
    };
    match value {
        serde_yaml::Value::Mapping(map) if !map.is_empty() => {
            let key = map
                .keys()
                .nth(at.index(map.len()))
                .expect("in range")
                .clone();
            if deeper.is_empty() && scrap.is_none() {
                map.remove(&key);
            } else if let Some(inner) = map.get_mut(&key) {
                mutate(inner, deeper, scrap);
            }
        }
        serde_yaml::Value::Sequence(list) if !list.is_empty() => {
            let at = at.index(list.len());
            mutate(&mut list[at], deeper, scrap);
        }
        other => {
            if let Some(scrap) = scrap {
                other.clone_from(scrap);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// No editor complains of a file that crossfade takes.
    #[test]
    fn what_the_resolver_takes_fits_the_schema(
        changes in prop::collection::vec(
            (prop::collection::vec(any::<prop::sample::Index>(), 1..5), prop::option::weighted(0.9, scraps())),
            1..3,
        ),
    ) {
        let mut file: serde_yaml::Value = serde_yaml::from_str(EVERY_KEY).expect("YAML");
        for (path, scrap) in &changes {
            mutate(&mut file, path, scrap.as_ref());
        }
        let text = serde_yaml::to_string(&file).expect("YAML");
        if load(&text, &variables).is_ok() {
            prop_assert_eq!(judge(&text), Judged::Fits, "{}", text);
        }
    }

    /// Nor of one whose values are spelt oddly. Most of these files are taken.
    #[test]
    fn odd_spellings_that_the_resolver_takes_fit_the_schema(
        changes in prop::collection::vec(fitting(), 1..4),
    ) {
        let mut file: serde_yaml::Value = serde_yaml::from_str(EVERY_KEY).expect("YAML");
        for (path, value) in &changes {
            put(&mut file, path, value);
        }
        let text = serde_yaml::to_string(&file).expect("YAML");
        if load(&text, &variables).is_ok() {
            prop_assert_eq!(judge(&text), Judged::Fits, "{}", text);
        }
    }

    /// And of one value alone, in any key, both say the same, but for what a schema cannot say.
    #[test]
    fn a_value_that_the_resolver_refuses_for_its_shape_is_refused(
        path in prop::collection::vec(any::<prop::sample::Index>(), 2..5),
        scrap in scraps(),
    ) {
        let mut file: serde_yaml::Value = serde_yaml::from_str(EVERY_KEY).expect("YAML");
        mutate(&mut file, &path, Some(&scrap));
        let text = serde_yaml::to_string(&file).expect("YAML");
        let Err(problems) = load(&text, &variables) else {
            return Ok(());
        };
        if problems.lines().iter().any(|line| !judge::is_beyond(line)) {
            prop_assert_ne!(judge(&text), Judged::Fits, "{}\n{}", problems, text);
        }
    }
}
