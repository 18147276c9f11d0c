use super::*;
use crate::config::problems::Problem;
use crate::config::resolve::load;

const VALID: &str = "\
original: { url: https://name.openai.azure.com, api_key: canary }
bedrock: { region: us-east-1, models: { gpt-4o: amazon.nova-pro-v1:0 } }
rollout: { percent: 12.5 }
rollback: { latency: off }
";

fn read(text: &str, percent: Option<&str>) -> Result<Config, Problems> {
    let env = |name: &str| {
        percent
            .filter(|_| name == "USE_AWS_PERCENT")
            .map(str::to_owned)
    };
    load(text, &env)
}

#[test]
fn where_traces_go_is_shown_without_their_keys() {
    let more = "traces: { otlp: 'https://c/canary', sample: 10%, headers: { x: canary } }\n";
    let on = read(&format!("{VALID}{more}"), None);
    let text = render(Path::new("rollout.yaml"), &on, Format::Text);
    let line = "\n  traces    go to https://c: what callers sample, and 10 % of the other calls\n";
    assert!(text.contains(line), "{text}");
    let json = render(Path::new("rollout.yaml"), &on, Format::Json);
    let value: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        value["effect"]["traces"],
        json!({"to": "https://c", "sample": "10 %"})
    );
    assert!(!text.contains("canary") && !json.contains("canary"));
}

#[test]
fn a_valid_file_is_shown_by_its_effect() {
    let text = render(Path::new("rollout.yaml"), &read(VALID, None), Format::Text);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "rollout.yaml is valid",
            "  share     12.5 % of the eligible calls go to Bedrock unless a rollback holds",
            "  listen    127.0.0.1:8787",
            "  admin     127.0.0.1:8788",
            "  original  https://name.openai.azure.com, Azure OpenAI, with a key of crossfade's own",
            "  bedrock   us-east-1",
        ]
    );
    assert!(
        lines[6].starts_with("  model     gpt-4o → amazon.nova-pro-v1:0 ("),
        "{}",
        lines[6]
    );
    assert_eq!(
        lines[7..21],
        [
            "  sticky    conversation, salt \"crossfade\", attempt 1",
            "  rule      errors: more than 2 % of the calls fail for 10m",
            "  rule      latency is off",
            "  rule      severe: more than 10 % of the calls fail over 5m",
            "  rule      outage: more than 50 % of the calls fail over 30s",
            "  rule      relative: more failures, slow calls or truncated answers than the \
             original, at odds above 1000:1 (caution)",
            "  rule      rejected: more refusals than the original, at odds above 1000:1 (caution)",
            "  rule      abandoned: callers leave more than 3 times as many calls as the \
             original's (caution)",
            "  rule      breaker: more than 50 % of the calls fail over 30s: this process pauses, \
             nothing is rolled back",
            "  callers   whoever reaches the listener may cause a Bedrock call",
            "  timeouts  of Bedrock: 2s to connect, 30s to the first token, 2m between events, 10m \
             in all",
            "  limits    32MiB a body, 256MiB of bodies at a time, 1000 Bedrock calls in flight, \
             10000 connections",
            "  drain     a stop waits up to 25s for what runs",
            "  state     crossfade.state.json",
        ]
    );
    assert!(
        lines[21].starts_with("  warning   original.api_key: "),
        "{}",
        lines[21]
    );
    assert_eq!(lines.len(), 22);
    assert!(!text.contains("canary"));
}

#[test]
fn what_is_not_the_default_is_shown_too() {
    let more = "listen: 0.0.0.0:1\nhosts: [a, b.c]\ncallers: { key_sha256: [KEY, KEY] }\n\
                notify: [{ slack: 'https://hooks.example/canary' }]\n"
        .replace("KEY", &"1f".repeat(32));
    let text = VALID.replace(
        "amazon.nova-pro-v1:0",
        "{ model: amazon.nova-pro-v1:0, first_token: 90s }",
    );
    let result = read(&format!("{text}{more}"), None);
    let text = render(Path::new("f"), &result, Format::Text);
    for line in [
        ", first token within 1m 30s)\n",
        "\n  callers   the owners of 2 keys may cause a Bedrock call; the calls of others stay\n",
        "\n  hosts     a, b.c, besides localhost and IP addresses\n",
        "\n  notify    slack hooks.example is told of ",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let json = render(Path::new("f"), &result, Format::Json);
    assert!(!text.contains("canary") && !json.contains("canary"));
    let effect = serde_json::from_str::<Value>(&json).expect("JSON")["effect"].clone();
    assert_eq!(effect["callers"], 2);
    assert_eq!(effect["hosts"], json!(["a", "b.c"]));
    assert_eq!(effect["timeouts"]["first_token_ms"], 30_000);
    assert_eq!(effect["models"]["gpt-4o"]["first_token_ms"], 90_000);
    assert_eq!(effect["limits"]["connections"], 10_000);
    assert_eq!(effect["drain_ms"], 25_000);
    assert_eq!(effect["notify"], json!(["slack hooks.example"]));
}

#[test]
fn a_second_ceiling_is_explained() {
    let text = render(Path::new("f"), &read(VALID, Some("5")), Format::Text);
    let expected = "  share     5 % of the eligible calls go to Bedrock unless a rollback holds, \
                    because USE_AWS_PERCENT is below rollout.percent (12.5 %)";
    assert_eq!(text.lines().nth(1), Some(expected));
    let text = render(Path::new("f"), &read(VALID, Some("50")), Format::Text);
    assert!(!text.contains("USE_AWS_PERCENT"));
}

#[test]
fn a_refused_file_is_shown_by_its_mistakes() {
    let one = render(
        Path::new("f"),
        &read(&format!("{VALID}drain: 5\n"), None),
        Format::Text,
    );
    assert_eq!(
        one,
        "f is refused: 1 mistake\n  line 5, drain: found 5; accepted: a duration such as 10m, 90s or \
         500ms, from 0s to 1h\n"
    );
    let none = Err(Problem::new("f", "a directory", "a file").into());
    let text = render(Path::new("f"), &none, Format::Text);
    assert_eq!(text, "f: found a directory; accepted: a file\n");
    let two = render(
        Path::new("f"),
        &read(&format!("{VALID}drain: 5\nx: 1\n"), None),
        Format::Text,
    );
    assert!(
        two.starts_with("f is refused: 2 mistakes\n  line 5, drain: "),
        "{two}"
    );
    assert_eq!(two.lines().count(), 3);
}

#[test]
fn a_program_reads_json() {
    let result = read(VALID, None);
    let text = render(Path::new("f"), &result, Format::Json);
    assert!(text.ends_with("}\n") && !text.contains("canary"));
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["valid"], true);
    assert_eq!(json["problems"], json!([]));
    assert_eq!(json["warnings"][0]["path"], "original.api_key");
    assert_eq!(json["effect"]["percent"], json!(12.5));
    assert_eq!(
        json["effect"]["models"]["gpt-4o"]["model"],
        "amazon.nova-pro-v1:0"
    );
    assert_eq!(json["effect"]["rules"]["latency"], Value::Null);
    assert_eq!(exit_code(&result), 0);

    let result = read("drain: 5\n", None);
    let json: Value =
        serde_json::from_str(&render(Path::new("f"), &result, Format::Json)).expect("JSON");
    assert_eq!(json["valid"], false);
    assert_eq!(json["effect"], Value::Null);
    assert_eq!(json["problems"][0]["path"], "original.url");
    assert_eq!(json["problems"][0]["line"], Value::Null);
    assert_eq!(json["problems"][2]["line"], 1);
    assert_eq!(exit_code(&result), 78);
}
