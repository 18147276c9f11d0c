//! `crossfade explain`, as a person and as a script run it.

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const CONFIG: &str = "\
original: { url: https://api.openai.com }
bedrock:
  region: eu-west-1
  models:
    gpt-4o: amazon.nova-lite-v1:0
    my deployment: { model: us.anthropic.claude-haiku-4-5-20251001-v1:0, allow: [reasoning] }
rollout: { percent: 100, sticky: 'header:x-user' }
";

const REQUEST: &str = r#"{"model":"gpt-4o","seed":1,"messages":[{"role":"user","content":"Hé"}],
"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"z":{"default":0.70},"a":{}}}}}]}"#;

/// A folder with a configuration and a request.
fn place() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(dir.path(), "rollout.yaml", CONFIG);
    write(dir.path(), "request.json", REQUEST);
    dir
}

fn write(dir: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(dir.join(name), content).expect("written");
}

/// Runs `crossfade explain` in `dir`, with `input` on stdin.
fn explain(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crossfade"))
        .arg("explain")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    // One that reads no stdin closes it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// What it prints, if it ends well.
fn told(dir: &Path, args: &[&str], input: &str) -> String {
    let output = explain(dir, args, input);
    let text = String::from_utf8(output.stdout).expect("text");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), complaint.as_str()),
        (Some(0), ""),
        "{text}"
    );
    text
}

fn json(dir: &Path, args: &[&str], input: &str) -> Value {
    let mut args = args.to_vec();
    args.push("--json");
    serde_json::from_str(&told(dir, &args, input)).expect("JSON")
}

#[test]
fn a_person_reads_what_would_be_sent_and_what_is_lost() {
    let dir = place();
    let text = told(dir.path(), &["request.json", "--header", "x-user: 42"], "");
    let expected = "\
request.json: a chat call for \"gpt-4o\", not streamed
Bedrock can honour it.
  model  amazon.nova-lite-v1:0, of the family nova-lite
  call   POST /model/amazon.nova-lite-v1%3A0/converse-stream in eu-west-1
  split  bucket 6727 of 10,000 by header:x-user, so it goes to Bedrock from 67.28 % on;
         at the 100 % of this configuration it goes there, unless a rollback or a hold is in force

What is lost on the way
  seed  `seed` was dropped: equal requests may get different answers.
  `refuse: [seed]` in the mapping would keep such calls with the original.

The Converse body
{
  \"messages\": [
";
    assert!(text.starts_with(expected), "{text}");
    let order = ["\"z\": {", "\"default\": 0.70", "\"a\": {}"].map(|key| text.find(key));
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
}

#[test]
fn a_script_reads_the_same() {
    let dir = place();
    let told = json(dir.path(), &["-"], REQUEST);
    assert_eq!(told["request"], "stdin");
    assert_eq!(
        (&told["arm"], &told["eligible"]),
        (&"bedrock".into(), &true.into())
    );
    assert_eq!(told["reason"], Value::Null);
    assert_eq!(told["model"], "gpt-4o");
    assert_eq!(told["bedrock_model"], "amazon.nova-lite-v1:0");
    assert_eq!(
        told["path"],
        "/model/amazon.nova-lite-v1%3A0/converse-stream"
    );
    assert_eq!(told["body"]["messages"][0]["content"][0]["text"], "Hé");
    assert_eq!(told["losses"][0]["loss"], "seed");
    assert_eq!(
        told["split"]["key_missing"], true,
        "no such header was given"
    );
    let bucket = told["split"]["bucket"].as_f64().expect("a bucket");
    let from = told["split"]["moves_at_percent"].as_f64().expect("a share");
    assert!(
        (from - (bucket + 1.0) / 100.0).abs() < 1e-9,
        "{from} {bucket}"
    );
}

#[test]
fn azure_takes_the_model_from_the_path() {
    let dir = place();
    let request =
        r#"{"model":"gpt-4o","reasoning_effort":"low","messages":[{"role":"user","content":"x"}]}"#;
    let args = ["-", "--as", "azure", "--model", "my deployment"];
    let told = json(dir.path(), &args, request);
    assert_eq!(told["model"], "my deployment");
    assert_eq!(told["family"], "claude-haiku-4-5");
    assert_eq!(
        told["body"]["additionalModelRequestFields"]["thinking"]["budget_tokens"],
        1024
    );
    let output = explain(dir.path(), &["-", "--as", "azure"], request);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_call_that_stays_is_sent_nowhere() {
    let dir = place();
    let hot = r#"{"model":"gpt-4o","n":2,"messages":[{"role":"user","content":"x"}]}"#;
    let unmapped = hot.replace("gpt-4o", "other");
    let azure = ["-", "--as", "azure", "--model", "my deployment"];
    for (args, request) in [(&["-"][..], hot), (&["-"], &unmapped), (&azure, hot)] {
        let text = told(dir.path(), args, request);
        assert!(text.contains("It stays with the original: "), "{text}");
        assert!(
            !text.contains("POST") && !text.contains("  call "),
            "{text}"
        );
        assert_eq!(json(dir.path(), args, request)["path"], Value::Null);
    }
}

#[test]
fn a_call_that_stays_says_why_and_what_would_move_it() {
    let dir = place();
    let request =
        r#"{"model":"gpt-4o","temperature":1.5,"messages":[{"role":"user","content":"x"}]}"#;
    let text = told(dir.path(), &["-"], request);
    for line in [
        "It stays with the original: temperature_range",
        "  To move it: Send at most 1, or accept that it is lowered to 1.",
        "  To accept it: `allow: [temperature_clamp]` at \"gpt-4o\" in bedrock.models.",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
    let told = json(dir.path(), &["-", "--model", "gpt-5"], request);
    assert_eq!(
        (&told["arm"], &told["reason"]),
        (&"original".into(), &"unmapped_model".into())
    );
    assert_eq!(
        told["detail"],
        "\"gpt-5\"; mapped are gpt-4o, my deployment"
    );

    let told = json(dir.path(), &["-"], "{\"model\":\n\"gpt-4o\",}");
    assert_eq!(
        (&told["arm"], &told["reason"]),
        (&"original".into(), &"malformed".into())
    );
    let detail = told["detail"].as_str().expect("where it is");
    assert!(
        detail.starts_with("no JSON at line 2 column 10; accepted: "),
        "{detail}"
    );
}

#[test]
fn an_answer_is_shown_as_the_app_would_read_it() {
    let dir = place();
    let answer = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn"}"#;
    write(dir.path(), "answer.json", answer);
    let args = ["request.json", "--response", "answer.json"];
    let told = json(dir.path(), &args, "");
    let response = &told["response"];
    assert_eq!(
        (&response["form"], &response["events"]),
        (&"converse".into(), &5.into())
    );
    assert_eq!(response["answer"]["choices"][0]["message"]["content"], "Hi");

    let streamed = REQUEST.replacen('{', "{\"stream\":true,", 1);
    let args = ["-", "--response", "answer.json"];
    let text = self::told(dir.path(), &args, &streamed);
    assert!(text.contains("\"delta\":{\"content\":\"Hi\"}"), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");

    write(
        dir.path(),
        "answer.json",
        r#"{"throttlingException":{"message":"slow"}}"#,
    );
    let text = self::told(dir.path(), &args, &streamed);
    assert!(
        text.contains("header x-crossfade-failover: throttle."),
        "{text}"
    );
    let stays = streamed.replacen('{', "{\"n\":2,", 1);
    let text = self::told(dir.path(), &args, &stays);
    assert!(
        text.ends_with("There is no way back: Bedrock is not asked.\n"),
        "{text}"
    );
}

#[test]
fn mistakes_name_the_file_and_what_would_be_right() {
    let dir = place();
    write(dir.path(), "answer.json", "[{\"messageStart\":{}},\n3]");
    write(dir.path(), "broken.yaml", "original: [");
    for (args, code, expected) in [
        (&["none.json"][..], 1, "none.json cannot be read: "),
        (
            &["request.json", "--response", "none.json"],
            1,
            "none.json cannot be read: ",
        ),
        (
            &["request.json", "--response", "answer.json"],
            1,
            "answer.json: line 2: no JSON object",
        ),
        (
            &["-", "--response", "-"],
            1,
            "cannot both be read from stdin",
        ),
        (
            &["request.json", "--config", "none.yaml"],
            78,
            "name it with --config FILE",
        ),
        (
            &["request.json", "--config", "broken.yaml"],
            78,
            "broken.yaml is refused",
        ),
        (
            &["request.json", "--header", "nothing"],
            64,
            "accepted: NAME:VALUE",
        ),
        (&[], 64, "<REQUEST>"),
    ] {
        let output = explain(dir.path(), args, "");
        let complaint = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {complaint}");
        assert!(complaint.contains(expected), "{args:?}: {complaint}");
    }
    let args = ["request.json", "--config", "none.yaml", "--json"];
    let output = explain(dir.path(), &args, "");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (output.status.code(), &told["valid"]),
        (Some(78), &false.into())
    );
}
