//! `crossfade check --live` and `--iam`: the built binary between the emulated providers.

use crate::support::ANY_PORT;
use crate::support::sidecar::Providers;
use crossfade::demo::emulator::bedrock::{Behaviour, ErrorKind};
use crossfade::demo::emulator::{Credentials, Rule, Settings};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const NOVA: &str = "amazon.nova-lite-v1:0";
const CLAUDE: &str = "us.anthropic.claude-haiku-4-5-20251001-v1:0";

/// The two providers, and a file that maps three names to two models.
struct Place {
    providers: Providers,
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with("")
    }

    /// With more lines in the file.
    fn with(more: &str) -> Self {
        let providers = Providers::start();
        let dir = TempDir::new().expect("a temporary directory");
        let (original, bedrock) = (providers.openai.base_url(), providers.bedrock.base_url());
        let text = format!(
            "original: {{ url: '{original}' }}
bedrock:
  region: us-east-1
  endpoint: '{bedrock}'
  models:
    cheap: {NOVA}
    gpt-4o-mini: {{ model: '{NOVA}', system_prefix: Speak. }}
    gpt-4o: {CLAUDE}
{more}"
        );
        std::fs::write(dir.path().join("rollout.yaml"), text).expect("writable");
        Self { providers, dir }
    }

    fn breaks(&self, model: &str, kind: ErrorKind, message: Option<&str>) {
        let behaviour = Behaviour::Error {
            kind,
            message: message.map(str::to_owned),
            original_status: None,
            retry_after_ms: None,
        };
        self.providers
            .bedrock
            .add(Rule::always(behaviour).for_model(model));
    }

    fn keys() -> Vec<(&'static str, String)> {
        let keys = Credentials::default();
        vec![
            ("AWS_ACCESS_KEY_ID", keys.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key),
        ]
    }

    fn run(&self, args: &[&str], env: &[(&str, String)]) -> Output {
        run(self.dir.path(), args, env)
    }

    /// What a program reads, and the exit code.
    fn json(&self, args: &[&str], env: &[(&str, String)]) -> (i32, Value) {
        let args: Vec<&str> = args.iter().copied().chain(["--live", "--json"]).collect();
        let output = self.run(&args, env);
        let code = output.status.code().expect("it ends by itself");
        let told = String::from_utf8(output.stdout).expect("text");
        let json: Value =
            serde_json::from_str(&told).unwrap_or_else(|error| panic!("no JSON ({error}): {told}"));
        (code, json["live"].clone())
    }
}

fn run(dir: &Path, args: &[&str], env: &[(&str, String)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossfade"))
        .arg("check")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The model with this id.
#[track_caller]
fn model<'a>(live: &'a Value, id: &str) -> &'a Value {
    let models = live["models"].as_array().expect("a list");
    models
        .iter()
        .find(|model| model["model"] == id)
        .expect("the model")
}

#[test]
fn each_bedrock_model_is_asked_once_and_as_little_as_it_takes() {
    let place = Place::new();
    let output = place.run(&["--live"], &Place::keys());
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    for line in [
        "rollout.yaml is valid",
        "  region    us-east-1",
        "  identity  EnvironmentVariable (AWS_ACCESS_KEY_ID in the environment)",
        "All 2 models may be called.",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} in\n{told}");
    }
    assert!(told.contains(&format!(
        "ok: {NOVA} (for cheap, gpt-4o-mini), first token in "
    )));
    assert!(told.contains(&format!("ok: {CLAUDE} (for gpt-4o), first token in ")));
    assert!(!told.contains(&Credentials::default().secret_access_key));

    let calls = place.providers.bedrock.requests();
    let mut models: Vec<&str> = calls.iter().map(|call| call.model.as_str()).collect();
    models.sort_unstable();
    assert_eq!(models, [NOVA, CLAUDE]);
    for call in &calls {
        let body: Value = serde_json::from_slice(&call.body).expect("JSON");
        assert!(call.target.ends_with("/converse-stream"), "{}", call.target);
        assert_eq!(
            body,
            json!({
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "inferenceConfig": {"maxTokens": 1},
            })
        );
    }
    // The original was connected to and not asked.
    assert_eq!(place.providers.openai.count(), 0);
}

#[test]
fn a_program_reads_the_same() {
    let place = Place::new();
    let mut env = Place::keys();
    env.push(("AWS_ACCOUNT_ID", "111122223333".to_owned()));
    let (code, live) = place.json(&[], &env);
    assert_eq!((code, &live["ok"]), (0, &json!(true)));
    assert_eq!(live["identity"]["account"], "111122223333");
    assert_eq!(live["original"]["ok"], true);
    assert_eq!(live["bedrock"]["url"], place.providers.bedrock.base_url());
    let nova = model(&live, NOVA);
    assert_eq!(nova["names"], json!(["cheap", "gpt-4o-mini"]));
    assert!(
        nova["first_token_ms"].is_u64() && nova["output_tokens"].is_u64(),
        "{nova}"
    );
}

#[test]
fn one_model_can_be_asked_alone() {
    let place = Place::new();
    for name in ["gpt-4o", CLAUDE] {
        place.providers.bedrock.clear_requests();
        let (code, live) = place.json(&["--model", name], &Place::keys());
        assert_eq!((code, place.providers.bedrock.count()), (0, 1), "{name}");
        assert_eq!(live["models"].as_array().map(Vec::len), Some(1));
    }
    let output = place.run(&["--live", "--model", "gpt-5"], &Place::keys());
    let complaint = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(64));
    assert!(
        complaint
            .contains("\"gpt-5\" is not mapped; bedrock.models has cheap, gpt-4o, gpt-4o-mini"),
        "{complaint}"
    );
    let output = place.run(&["--model", "gpt-4o"], &Place::keys());
    assert_eq!(output.status.code(), Some(64), "without --live");
}

#[test]
fn a_missing_right_is_told_with_the_statement_that_mends_it() {
    let place = Place::new();
    let denied = format!(
        "User: arn:aws:sts::111122223333:assumed-role/app/i-0 is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:us-east-1:111122223333:inference-profile/{CLAUDE} because no identity-based policy \
         allows the bedrock:InvokeModelWithResponseStream action"
    );
    place.breaks(CLAUDE, ErrorKind::AccessDenied, Some(&denied));
    let (code, live) = place.json(&[], &Place::keys());
    assert_eq!((code, &live["ok"]), (1, &json!(false)));
    assert_eq!(
        live["identity"]["principal"],
        "arn:aws:sts::111122223333:assumed-role/app/i-0"
    );
    assert_eq!(
        model(&live, NOVA)["ok"],
        true,
        "the other one is asked all the same"
    );
    let claude = model(&live, CLAUDE);
    assert_eq!(claude["cause"], "denied");
    assert_eq!(claude["remedy"], "Attach this to the role app:");
    let statements = &claude["policy"]["Statement"];
    assert_eq!(
        statements[0]["Resource"],
        format!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/{CLAUDE}")
    );
    assert_eq!(
        statements[1]["Resource"],
        "arn:aws:bedrock:*::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0"
    );

    let output = place.run(&["--live"], &Place::keys());
    let told = text(&output);
    assert!(told.contains("FAILED: us.anthropic.claude-haiku"), "{told}");
    assert!(
        told.contains("\"Sid\": \"CrossfadeProfileModels\""),
        "{told}"
    );
    assert!(told.ends_with("1 of 2 models may be called.\n"), "{told}");
}

#[test]
fn every_error_of_the_service_has_its_words() {
    let place = Place::new();
    for (kind, cause, ok) in [
        (ErrorKind::AccessDenied, "no_model_access", false),
        (ErrorKind::ModelId, "unknown_model", false),
        (ErrorKind::OnDemand, "profile_needed", false),
        (ErrorKind::NotFound, "retired", false),
        (ErrorKind::Validation, "refused", false),
        (ErrorKind::Throttling, "throttled", true),
        (ErrorKind::Quota, "throttled", true),
        (ErrorKind::Unavailable, "unavailable", true),
        (ErrorKind::NotReady, "unavailable", true),
        (ErrorKind::Internal, "service_fault", false),
        (ErrorKind::ModelError, "service_fault", false),
        (ErrorKind::ModelTimeout, "timeout", false),
    ] {
        place.breaks(CLAUDE, kind, None);
        let (code, live) = place.json(&[], &Place::keys());
        let told = model(&live, CLAUDE);
        assert_eq!(
            (&told["cause"], &told["ok"]),
            (&json!(cause), &json!(ok)),
            "{kind:?}"
        );
        assert_eq!(code, i32::from(!ok), "{kind:?}");
        for key in ["what", "detail", "remedy"] {
            assert!(
                told[key].as_str().is_some_and(|it| !it.is_empty()),
                "{kind:?} {key}"
            );
        }
        place.providers.bedrock.repair();
    }
}

#[test]
fn what_is_wrong_with_the_caller_is_asked_once() {
    let place = Place::new();
    let bedrock = &place.providers.bedrock;
    let secret = vec![
        ("AWS_ACCESS_KEY_ID", Credentials::default().access_key_id),
        ("AWS_SECRET_ACCESS_KEY", "canary".to_owned()),
    ];
    let bearer = vec![("AWS_BEARER_TOKEN_BEDROCK", "canary".to_owned())];
    for (env, cause) in [(secret, "credentials_wrong"), (bearer, "api_key_wrong")] {
        bedrock.clear_requests();
        let (code, live) = place.json(&[], &env);
        assert_eq!((code, bedrock.count()), (1, 1), "{cause}");
        assert_eq!(model(&live, NOVA)["cause"], cause);
        assert_eq!(model(&live, CLAUDE)["asked"], false);
        assert!(!live.to_string().contains("canary"));
    }
    bedrock.clear_requests();
    place.breaks(NOVA, ErrorKind::ExpiredToken, None);
    let (code, live) = place.json(&[], &Place::keys());
    assert_eq!((code, bedrock.count()), (1, 1));
    assert_eq!(model(&live, NOVA)["cause"], "credentials_expired");
    let output = place.run(&["--live"], &Place::keys());
    assert!(text(&output).ends_with("they would fail the same way.\n"));
}

#[test]
fn an_api_key_is_an_identity_too() {
    let place = Place::new();
    let token = Credentials::default().bearer.expect("a token");
    let (code, live) = place.json(&[], &[("AWS_BEARER_TOKEN_BEDROCK", token.clone())]);
    assert_eq!(code, 0);
    assert_eq!(
        live["identity"]["source"],
        "the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK"
    );
    assert!(!live.to_string().contains(&token));
}

#[test]
fn a_clock_that_is_off_is_told_by_how_much() {
    let place = Place::new();
    place.providers.bedrock.set(Settings {
        clock_offset_s: 3_600,
        ..Settings::default()
    });
    let (code, live) = place.json(&[], &Place::keys());
    assert_eq!(code, 1);
    let told = model(&live, NOVA);
    assert_eq!(told["cause"], "clock");
    let what = told["what"].as_str().expect("a text");
    // A second may pass on the way.
    assert!(
        what == "this machine's clock is 1h behind the service's"
            || what == "this machine's clock is 59m 59s behind the service's",
        "{what}"
    );
}

#[test]
fn without_credentials_nobody_is_asked_and_the_places_are_named() {
    let place = Place::new();
    let output = place.run(&["--live"], &[]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("identity  FAILED: no AWS credentials"),
        "{told}"
    );
    assert!(told.contains("AWS_ACCESS_KEY_ID"), "{told}");
    assert!(
        told.contains("  original  http://127.0.0.1:"),
        "reached all the same: {told}"
    );
    assert!(
        told.ends_with("No model was asked; mend what failed above first.\n"),
        "{told}"
    );
    assert_eq!(place.providers.bedrock.count(), 0);
}

#[test]
fn a_profile_that_the_sdk_was_built_without_says_how_to_use_it() {
    let place = Place::new();
    let profile = "[default]\nsso_start_url = https://example.invalid/start\nsso_region = us-east-1\n\
                   sso_account_id = 111122223333\nsso_role_name = app\n";
    let file = place.dir.path().join("aws-config");
    std::fs::write(&file, profile).expect("writable");
    let file = file.to_str().expect("text").to_owned();
    let (code, live) = place.json(&[], &[("AWS_CONFIG_FILE", file)]);
    assert_eq!(code, 1);
    let remedy = live["identity"]["remedy"].as_str().expect("a text");
    assert!(
        remedy.contains("aws configure export-credentials"),
        "{remedy}"
    );
}

#[test]
fn a_provider_that_is_away_is_told_from_a_missing_right() {
    let place = Place::new();
    let Providers {
        openai,
        bedrock,
        runtime,
    } = &place.providers;
    runtime.block_on(openai.refuse()).expect("it runs");
    let (code, live) = place.json(&[], &Place::keys());
    assert_eq!((code, &live["ok"]), (69, &json!(false)));
    assert_eq!(live["original"]["failed_at"], "tcp");
    assert_eq!(
        model(&live, NOVA)["ok"],
        true,
        "Bedrock is asked all the same"
    );
    runtime.block_on(openai.accept()).expect("the port is free");

    runtime.block_on(bedrock.refuse()).expect("it runs");
    let output = place.run(&["--live"], &Place::keys());
    let told = text(&output);
    assert_eq!(output.status.code(), Some(69), "{told}");
    assert!(
        told.contains("bedrock   FAILED: http://127.0.0.1:"),
        "{told}"
    );
    assert!(told.contains("not asked: amazon.nova"), "{told}");
}

#[test]
fn what_stands_in_the_way_is_told_by_its_step() {
    let place = Place::new();
    let file = place.dir.path().join("rollout.yaml");
    let text = std::fs::read_to_string(&file).expect("written");
    let original = place.providers.openai.base_url();
    // It speaks no TLS.
    let text = text.replace(&original, &original.replace("http://", "https://"));
    std::fs::write(&file, text).expect("writable");
    let (code, live) = place.json(&[], &Place::keys());
    assert_eq!((code, &live["original"]["failed_at"]), (69, &json!("tls")));

    let closed = std::net::TcpListener::bind(ANY_PORT).expect("a free port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let mut env = Place::keys();
    env.push(("HTTPS_PROXY", format!("http://{address}")));
    let (code, live) = place.json(&[], &env);
    assert_eq!(
        (code, &live["original"]["failed_at"]),
        (69, &json!("proxy"))
    );
    let remedy = live["original"]["remedy"].as_str().expect("a text");
    assert!(remedy.contains("HTTPS_PROXY"), "{remedy}");
}

#[test]
fn an_answer_that_is_late_broken_or_no_answer_is_no_right() {
    let place = Place::with("timeouts: { first_token: 1s }\n");
    for (behaviour, cause) in [
        (Behaviour::Hang, "timeout"),
        (Behaviour::Drop, "connection"),
        (Behaviour::Html { status: 503 }, "bad_answer"),
        (Behaviour::EmptyObject, "bad_answer"),
        (Behaviour::NoMessageStop, "bad_answer"),
        (Behaviour::Cut { after: 2 }, "connection"),
    ] {
        let rule = Rule::always(behaviour.clone()).for_model(CLAUDE);
        place.providers.bedrock.add(rule);
        let (code, live) = place.json(&[], &Place::keys());
        assert_eq!(model(&live, CLAUDE)["cause"], cause, "{behaviour:?}");
        assert_eq!(code, 1, "{behaviour:?}");
        place.providers.bedrock.repair();
    }
}

#[test]
fn a_refused_file_is_refused_before_anything_is_asked() {
    let place = Place::with("nonsense: 1\n");
    for args in [&["--live"][..], &["--live", "--json"], &["--iam"]] {
        assert_eq!(
            place.run(args, &Place::keys()).status.code(),
            Some(78),
            "{args:?}"
        );
    }
    assert_eq!(place.providers.bedrock.count(), 0);
}

#[test]
fn the_least_policy_is_printed_without_asking_anyone() {
    let place = Place::new();
    let env = [("AWS_ACCOUNT_ID", "111122223333".to_owned())];
    let output = place.run(&["--iam"], &env);
    assert_eq!(output.status.code(), Some(0));
    let policy: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let statements = policy["Statement"].as_array().expect("a list");
    assert_eq!(statements.len(), 3);
    assert_eq!(
        statements[0]["Resource"],
        format!("arn:aws:bedrock:us-east-1::foundation-model/{NOVA}")
    );
    assert_eq!(
        statements[1]["Resource"],
        format!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/{CLAUDE}")
    );
    assert_eq!(place.providers.bedrock.count(), 0);
}

/// What the documented example needs is what is deployed for it.
#[test]
fn the_documented_example_needs_what_is_deployed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = run(root, &["--iam", "rollout.yaml"], &[]);
    let deployed = std::fs::read_to_string(root.join("deploy/iam/policy.json")).expect("readable");
    assert_eq!(String::from_utf8_lossy(&output.stdout), deployed);
}
