//! What the file and OpenTelemetry's variables say together.

use super::*;
use crate::config::resolve::load;

const LEAST: &str = "\
original: { url: https://api.openai.com }
bedrock: { region: eu-west-1, models: { gpt-4o: amazon.nova-pro-v1:0 } }
";

fn env_of<'e>(pairs: &'e [(&'e str, &'e str)]) -> impl Fn(&str) -> Option<String> + 'e {
    move |name| {
        let found = pairs.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

/// What the file says, and its warnings; all mistakes if there are any.
fn read(section: &str, env: &[(&str, &str)]) -> Result<(Option<Traces>, Vec<String>), Vec<String>> {
    let config = load(&format!("{LEAST}{section}\n"), &env_of(env));
    config
        .map(|config| {
            let warnings = config.warnings.iter().map(ToString::to_string);
            (config.traces, warnings.collect())
        })
        .map_err(|problems| problems.lines())
}

#[track_caller]
fn on(section: &str, env: &[(&str, &str)]) -> Traces {
    let read = read(section, env);
    let (traces, _) = read.unwrap_or_else(|problems| panic!("{problems:?}"));
    traces.expect("on")
}

fn target(traces: &Traces) -> String {
    format!("{traces}{}", traces.path.0)
}

#[test]
fn nothing_is_on_until_the_file_says_so() {
    let env = [(BASE_URL, "http://collector:4318"), (SAMPLER, "nonsense")];
    for section in ["", "traces: off", "traces: false"] {
        assert_eq!(read(section, &env), Ok((None, Vec::new())), "{section}");
    }
}

#[test]
fn without_a_word_more_the_specification_s_defaults_hold() {
    let expected = Traces {
        tls: false,
        authority: "localhost:4318".parse().expect("a host"),
        path: Path("/v1/traces".parse().expect("a path")),
        headers: Vec::new(),
        sample: Sample::ALL,
        resource: vec![("service.name".to_owned(), "crossfade".to_owned())],
    };
    for section in ["traces: on", "traces: true", "traces: {}"] {
        assert_eq!(on(section, &[]), expected, "{section}");
    }
}

#[test]
fn the_file_comes_before_the_environment() {
    let env = [
        (BASE_URL, "https://collector.example.com/base/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b, x-key=one"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=two"),
        (SAMPLER, "parentbased_traceidratio"),
        (SAMPLER_ARG, "0.25"),
        (SERVICE, "from-its-variable"),
        (RESOURCE, "service.name=other,k8s.pod.name=pod-7,team=a%2Cb"),
        ("KEY", "three"),
    ];
    let traces = on("traces: on", &env);
    assert_eq!(
        target(&traces),
        "https://collector.example.com/base/v1/traces"
    );
    assert_eq!(Sample::of_ratio(0.25), Some(traces.sample));
    let header = |name: &str| {
        let found = traces.headers.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| value.expose().to_owned())
    };
    assert_eq!(header("x-key").as_deref(), Some("two"));
    assert_eq!(header("x-tenant").as_deref(), Some("a b"));
    let pairs = |of: &Traces| -> Vec<String> {
        of.resource
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    };
    let expected = [
        "service.name=from-its-variable",
        "k8s.pod.name=pod-7",
        "team=a,b",
    ];
    assert_eq!(pairs(&traces), expected);

    let section = "traces: { otlp: 'http://other:4318', sample: 10%, service: mine, \
                   attributes: { team: z }, headers: { x-key: '${KEY}', x-more: '1' } }";
    let traces = on(section, &env);
    assert_eq!(target(&traces), "http://other:4318/v1/traces");
    assert_eq!(traces.sample.to_string(), "10 %");
    let names: Vec<_> = traces
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["x-key", "x-more", "x-tenant"]);
    assert_eq!(traces.headers[0].1.expose(), "three");
    assert_eq!(
        pairs(&traces),
        ["service.name=mine", "team=z", "k8s.pod.name=pod-7"]
    );
}

#[test]
fn the_url_of_the_signal_is_taken_as_it_stands() {
    for (variable, url, expected) in [
        (WHOLE_URL, "http://c:4318", "http://c:4318/"),
        (
            WHOLE_URL,
            "https://c/in/v1/traces/",
            "https://c/in/v1/traces/",
        ),
        (
            BASE_URL,
            "http://c:4318/v1/traces",
            "http://c:4318/v1/traces",
        ),
        (BASE_URL, "http://c/a/", "http://c/a/v1/traces"),
    ] {
        assert_eq!(
            target(&on("traces: on", &[(variable, url)])),
            expected,
            "{url}"
        );
    }
}

/// A section, the environment, and how the one mistake in them is reported.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

#[test]
fn mistakes_name_their_place_and_show_no_key() {
    let canary = "canary-1234";
    let cases: [Case; 9] = [
        (
            "traces:",
            &[],
            "traces: found nothing; accepted: on, off, or keys",
        ),
        ("traces: 5", &[], "traces: found 5;"),
        (
            "traces: { otlp: 'localhost:4318' }",
            &[],
            "traces.otlp: found another URL; accepted: the URL of an OTLP receiver",
        ),
        (
            "traces: { otlp: 'http://canary-1234@c' }",
            &[],
            "traces.otlp: found another URL; accepted: a URL without credentials",
        ),
        (
            "traces: { sampel: 1% }",
            &[],
            "traces.sampel: found an unknown key; did you mean traces.sample?",
        ),
        ("traces: { sample: 101% }", &[], "traces.sample: found"),
        (
            "traces: { headers: { authorization: \"canary-1234\\n\" } }",
            &[],
            "traces.headers.authorization: found another header",
        ),
        (
            "traces: { headers: { content-type: canary-1234 } }",
            &[],
            "traces.headers.content-type: found another header",
        ),
        (
            "traces: { otlp: 'http://127.0.0.1:8787' }",
            &[],
            "traces.otlp: found \"127.0.0.1:8787\"; accepted: another address than crossfade's own",
        ),
    ];
    for (section, env, expected) in cases {
        let problems = read(section, env).expect_err(section);
        assert_eq!(problems.len(), 1, "{section}: {problems:?}");
        let (_, clean) = problems[0].split_once(", ").expect("a line");
        let clean = clean.replace('"', "");
        assert!(
            clean.starts_with(&expected.replace('"', "")),
            "{section}: {problems:?}"
        );
        assert!(!problems[0].contains(canary), "{problems:?}");
    }
}

#[test]
fn what_switches_them_off_or_will_not_work_is_said() {
    let (traces, warnings) = read("traces: on", &[(DISABLED, "TRUE")]).expect("valid");
    assert_eq!(traces, None);
    assert!(warnings[0].contains(DISABLED), "{warnings:?}");
    for (section, env) in [
        ("traces: { otlp: 'http://c:4317' }", &[][..]),
        ("traces: on", &[(BASE_URL, "http://c:4317")][..]),
    ] {
        let (_, warnings) = read(section, env).expect("valid");
        assert!(warnings[0].contains("4318"), "{warnings:?}");
    }
}

#[test]
fn nothing_shown_has_a_key_in_it() {
    let section = "traces: { otlp: 'https://c/canary', headers: { x: canary } }";
    let traces = on(section, &[]);
    assert!(!format!("{traces:?} {traces}").contains("canary"));
}

#[test]
fn a_variable_that_cannot_be_used_refuses_no_file() {
    type Env = &'static [(&'static str, &'static str)];
    let half = Sample::of_ratio(0.5);
    let cases: [(Env, Option<Sample>, &str); 7] = [
        (
            &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
            None,
            "OTEL_EXPORTER_OTLP_PROTOCOL (environment): found \"grpc\", so no spans are sent",
        ),
        (
            &[(BASE_URL, "canary:4317")],
            None,
            "OTEL_EXPORTER_OTLP_ENDPOINT (environment): found another URL, so no spans are sent",
        ),
        (
            &[("OTEL_EXPORTER_OTLP_HEADERS", "canary")],
            Some(Sample::ALL),
            "OTEL_EXPORTER_OTLP_HEADERS (environment): found another text, so it is left out",
        ),
        (
            &[(SAMPLER, "jaeger_remote")],
            Some(Sample::ALL),
            "OTEL_TRACES_SAMPLER (environment): found \"jaeger_remote\", so it is left out",
        ),
        (
            &[(SAMPLER, "traceidratio"), (SAMPLER_ARG, "0.5")],
            half,
            "OTEL_TRACES_SAMPLER (environment): found \"traceidratio\"; what a caller has decided",
        ),
        (
            &[(SAMPLER, "parentbased_traceidratio"), (SAMPLER_ARG, "half")],
            Some(Sample::ALL),
            "OTEL_TRACES_SAMPLER_ARG (environment): found \"half\", so it is left out",
        ),
        (
            &[(RESOURCE, "a=1,b")],
            Some(Sample::ALL),
            "OTEL_RESOURCE_ATTRIBUTES (environment): found \"a=1,b\", so it is left out",
        ),
    ];
    for (env, sample, expected) in cases {
        let (traces, warnings) = read("traces: on", env).expect("no mistake of the file's");
        assert_eq!(traces.map(|traces| traces.sample), sample, "{env:?}");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(expected), "{warnings:?}");
        assert!(!warnings[0].contains("canary"), "{warnings:?}");
    }
}
