//! The states that documents speak of: a crossfade between the emulated providers, brought there by
//! calls and a stepped clock, and the desk of the person who types.
//!
//! The desk is a folder of its own: its `rollout.yaml` is the sidecar's with the ports and the state
//! file that it really has, and beside it lies what the documents name.

use crate::support::{
    ANY_PORT, Answer, World, chat_request, credentials, failing, open, original_failing,
};
use crossfade::controller::Verb;
use crossfade::demo::emulator::bedrock::ErrorKind;
use crossfade::rollout::RolloutState;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// A state of the rollout in which somebody reads a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Before the first start.
    Fresh,
    /// The first day: nothing goes to Bedrock.
    Zero,
    /// A quarter of the calls goes to Bedrock, all is well.
    Steady,
    /// `advance: auto`, in its first stage.
    Climbing,
    /// The same, paused.
    Paused,
    /// The same, before a manual gate.
    Waiting,
    /// Bedrock throttled until a rule took everything back.
    RolledBack,
    /// The clock of `errors` has run for more than half of its time.
    Breaching,
    /// Too few calls for any rule.
    Quiet,
    /// The place of the state file cannot be written.
    Unwritable,
    /// The sidecar has ended.
    Gone,
    /// All calls are of one conversation.
    Lopsided,
    /// A receiver of `notify` refuses.
    Unheard,
    /// The original fails every call.
    OriginalDown,
    /// The file has mistakes.
    Refused,
    /// There are no AWS credentials.
    Keyless,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

/// A state, and the desk.
pub(super) struct Place {
    stage: Stage,
    world: World,
    desk: TempDir,
    /// The sidecar without credentials is a process: the others are given theirs.
    _keyless: Option<Child>,
}

/// Stages that are short enough to be gone through, and rules that fit them.
const CLIMB: &str = "\
rollout:
  percent: 100
  advance: auto
  sticky: none
  stages: [40, 70, 100]
  bake: 2m
  final_bake: 2m
  min_calls: 20
  error_bound: 30%
  gates: [manual]
rollback:
  errors: { above: 20%, for: 50s }
  latency: { for: 50s }
  severe: { above: 40%, over: 30s }
  outage: { over: 30s }
";

impl Stage {
    /// What the file says beside listeners, providers and models.
    const fn config(self) -> &'static str {
        match self {
            Self::Climbing | Self::Paused | Self::Waiting => CLIMB,
            Self::Breaching | Self::Quiet => "rollout: { percent: 100, sticky: none }\n",
            Self::Zero => "rollout: { percent: 0, sticky: none }\n",
            Self::Lopsided => "rollout: { percent: 25 }\n",
            Self::Unwritable => {
                "rollout: { percent: 25, sticky: none }\nstate: place/crossfade.state.json\n"
            }
            Self::Fresh
            | Self::Steady
            | Self::RolledBack
            | Self::Gone
            | Self::Unheard
            | Self::OriginalDown
            | Self::Refused
            | Self::Keyless => "rollout: { percent: 25, sticky: none }\n",
        }
    }

    /// Brings the world there.
    async fn plays(self, world: &mut World) {
        match self {
            Self::Fresh | Self::Keyless => {}
            Self::Zero => {
                for call in 0..12 {
                    let n = if call % 3 == 0 { 2 } else { 1 };
                    world.chat(json!({ "n": n })).await;
                    world.stepper.advance(5_000).await;
                }
            }
            Self::Steady => pass(world, 6, 20).await,
            Self::Gone => {
                pass(world, 2, 4).await;
                world.kill().await;
            }
            Self::Climbing => pass(world, 6, 2).await,
            Self::Paused => {
                pass(world, 6, 2).await;
                command(world, Verb::Pause, "let me look at the answers").await;
            }
            Self::Waiting => {
                while world.snapshot().report.state != RolloutState::Waiting {
                    pass(world, 1, 2).await;
                }
            }
            Self::RolledBack => {
                pass(world, 6, 20).await;
                world.bedrock.always(failing(ErrorKind::Throttling));
                while !world.snapshot().latched {
                    pass(world, 1, 20).await;
                }
                world.bedrock.repair();
                world.wait_for(|now| now.report.rollback.is_some()).await;
            }
            Self::Breaching => {
                for minute in 0..7 {
                    if minute > 0 {
                        world.bedrock.once(failing(ErrorKind::Internal));
                    }
                    pass(world, 12, 3).await;
                }
            }
            Self::Quiet => {
                for _ in 0..3 {
                    pass(world, 1, 1).await;
                    world.stepper.advance(60_000).await;
                }
            }
            Self::Unwritable => {
                pass(world, 2, 4).await;
                let place = world.dir.path().join("place");
                fs::rename(&place, world.dir.path().join("away")).expect("moved away");
                fs::write(&place, "in the way").expect("written");
                let refused = world.command(Verb::Rollback, "looking into it").await;
                refused.expect_err("it is not on disk");
            }
            Self::Lopsided => pass(world, 12, 20).await,
            Self::Unheard => {
                command(world, Verb::Rollback, "looking into it").await;
                while world.status().await["notify"][0]["problem"].is_null() {
                    world.stepper.advance(1_000).await;
                }
            }
            Self::OriginalDown => {
                pass(world, 6, 20).await;
                world.openai.always(original_failing());
                pass(world, 12, 20).await;
            }
            Self::Refused => {
                pass(world, 2, 4).await;
                world.write_config(MISTAKEN);
                world.wait_for(|now| !now.files.problems.is_empty()).await;
            }
        }
    }
}

/// The address of one that hangs up on everybody.
async fn deaf_receiver() -> String {
    let listener = TcpListener::bind(ANY_PORT).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    format!("http://{address}/hook")
}

/// A file with two mistakes.
const MISTAKEN: &str = "rollout: { percent: 250, stiky: none }\n";

/// `times` times five seconds with `calls` calls each.
async fn pass(world: &World, times: usize, calls: usize) {
    for _ in 0..times {
        for _ in 0..calls {
            world.chat(json!({})).await;
        }
        world.stepper.advance(5_000).await;
    }
}

async fn command(world: &World, verb: Verb, reason: &str) {
    let applied = world.command(verb, reason).await.expect("it is accepted");
    assert!(applied.changed);
}

impl Place {
    /// A world in this state, and a desk.
    pub(super) async fn at(stage: Stage) -> Self {
        let mut rest = stage.config().to_owned();
        if stage == Stage::Unheard {
            let receiver = deaf_receiver().await;
            let _ = writeln!(rest, "notify: [ {{ webhook: '{receiver}' }} ]");
        }
        let mut world = World::with(&rest).await;
        let ends_at_once = matches!(stage, Stage::Fresh | Stage::Keyless);
        let ports = (world.listen(), world.app().admin());
        if ends_at_once {
            world.kill().await;
        }
        stage.plays(&mut world).await;
        let desk = TempDir::new().expect("a temporary directory");
        let mut place = Self {
            stage,
            world,
            desk,
            _keyless: None,
        };
        if stage == Stage::Keyless {
            place.start_without_keys().await;
        } else {
            let ports = (!ends_at_once).then_some(ports);
            place.lay_out(ports.map(|(listen, admin)| [listen.to_string(), admin.to_string()]));
        }
        place
    }

    /// What lies on the desk.
    fn lay_out(&self, ports: Option<[String; 2]>) {
        let rest = if self.stage == Stage::Refused {
            MISTAKEN
        } else {
            self.stage.config()
        };
        let (rest, state) = match rest.split_once("state: ") {
            Some((rest, state)) => (rest, self.world.dir.path().join(state.trim())),
            None => (rest, self.world.state_file()),
        };
        let mut text = self.world.config_with(rest);
        if let Some([listen, admin]) = ports {
            text = text.replace("listen: 127.0.0.1:0", &format!("listen: {listen}"));
            text = text.replace("admin: 127.0.0.1:0", &format!("admin: {admin}"));
            let _ = writeln!(text, "state: {}", state.display());
        }
        let next = text.replace("percent: 25", "percent: 50");
        self.write("next.yaml", &next.replace("percent: 0", "percent: 5"));
        self.write("rollout.yaml", &text);
        let request = json!({
            "model": "gpt-4o-mini", "seed": 7,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        });
        self.write("request.json", &request.to_string());
        let answer = json!({
            "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": "end_turn",
        });
        self.write("answer.json", &answer.to_string());
        self.write("calls.jsonl", &trace());
    }

    /// Starts the sidecar as a process to which nobody gives credentials.
    async fn start_without_keys(&mut self) {
        self.lay_out(None);
        let mut child = self.shell("exec crossfade run").spawn().expect("a shell");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (mut ports, mut known) = (None, false);
        while ports.is_none() || !known {
            let line = log.next_line().await.expect("a pipe");
            let line: Value = serde_json::from_str(&line.expect("it runs")).expect("JSON");
            if line["event"] == "listening" {
                let port = |name: &str| line[name].as_str().expect("an address").to_owned();
                ports = Some(["listen", "admin"].map(port));
            }
            known |= line["event"] == "credentials" && line["healthy"] == false;
        }
        // Read to the end, so that the process never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        self._keyless = Some(child);
        let [listen, _] = ports.as_ref().expect("it listens");
        for _ in 0..60 {
            let address = listen.parse().expect("an address");
            let answer = Answer::read(open(address, chat_request(json!({}))).await).await;
            assert!(answer.status.is_success(), "the app never sees it");
        }
        self.lay_out(ports);
        // The sidecar's own clock: what came of the calls is counted at its next tick.
        while !self
            .types("crossfade status")
            .await
            .text
            .contains("failures in")
        {}
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.desk.path().join(name), text).expect("writable");
    }

    /// A shell at the desk, with `crossfade` in its path and nothing of the machine's own set-up.
    fn shell(&self, line: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_crossfade"));
        let folder: PathBuf = binary.parent().expect("a folder").to_owned();
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", line])
            .current_dir(self.desk.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .env("USER", "ops")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if self.stage != Stage::Keyless {
            let keys = credentials();
            shell
                .env("AWS_ACCESS_KEY_ID", keys.access_key_id())
                .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key());
        }
        shell
    }

    /// Types a command and waits for its end.
    pub(super) async fn types(&self, line: &str) -> Told {
        let output = self.shell(line).output().await.expect("a shell");
        let text = [output.stdout, output.stderr].concat();
        Told {
            code: output.status.code(),
            text: String::from_utf8(text).expect("text"),
        }
    }

    /// Types a command that goes on until it is stopped, and stops it as soon as it says that it serves.
    pub(super) async fn starts(&self, line: &str) -> Told {
        let mut child = self
            .shell(&format!("exec {line}"))
            .spawn()
            .expect("a shell");
        let id = child.id().expect("it runs").to_string();
        // `run` says so in its log, the others on stdout.
        let (mut out, log) = (child.stdout.take().expect("a pipe"), child.stderr.take());
        let mut log = BufReader::new(log.expect("a pipe")).lines();
        let mut first = [0; 1];
        tokio::select! {
            read = out.read_exact(&mut first) => { read.expect("it says something"); }
            () = async {
                loop {
                    let line = log.next_line().await.expect("a pipe").expect("it runs");
                    if line.contains("\"listening\"") { break }
                }
            } => {}
        }
        let sent = Command::new("kill").arg(id).status().await;
        assert!(sent.expect("there is a kill").success());
        let mut text = String::from_utf8_lossy(&first).into_owned();
        out.read_to_string(&mut text).await.expect("text");
        let code = child.wait().await.expect("it ends").code();
        Told { code, text }
    }
}

/// A record of three minutes, in which Bedrock has half of the calls.
fn trace() -> String {
    let mut text = String::new();
    for call in 0..1_800 {
        let arm = if call % 2 == 0 { "bedrock" } else { "original" };
        let call = json!({
            "at": f64::from(call) / 10.0, "arm": arm, "verdict": "ok", "first_token_ms": 300, "total_ms": 900,
        });
        let _ = writeln!(text, "{call}");
    }
    text
}
