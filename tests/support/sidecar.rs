//! The built binary as a process of its own, for what cannot be tested inside one: being killed,
//! and clients in other languages.
//!
//! Blocking on purpose: the emulators have a runtime of their own, and a test that kills and
//! restarts processes reads best from top to bottom.

use super::ANY_PORT;
use super::bodies::{self, Source};
use crossfade::demo::emulator::{BedrockEmulator, Credentials, OpenAiEmulator};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::runtime::Runtime;

/// A hang guard; nothing that works comes near it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two emulated providers, served by threads of their own.
pub(crate) struct Providers {
    pub(crate) openai: OpenAiEmulator,
    pub(crate) bedrock: BedrockEmulator,
    pub(crate) runtime: Runtime,
}

impl Providers {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (openai, bedrock) = runtime.block_on(async {
            let bedrock = BedrockEmulator::start(ANY_PORT, Credentials::default());
            (OpenAiEmulator::start(ANY_PORT).await, bedrock.await)
        });
        let (openai, bedrock) = (openai.expect("a free port"), bedrock.expect("a free port"));
        Self {
            openai,
            bedrock,
            runtime,
        }
    }

    /// The same providers, whose Bedrock keeps what it is sent for the judge of `tests/run strict`.
    pub(crate) fn recorded(self, source: Source) -> Self {
        bodies::record(&self.bedrock, source);
        self
    }

    /// Writes `rollout.yaml` for a sidecar at `percent` in front of these providers. The rules are
    /// off: what happens is up to the test alone.
    pub(crate) fn write_config(&self, dir: &Path, percent: u8) {
        let (openai, bedrock) = (self.openai.base_url(), self.bedrock.base_url());
        let text = format!(
            "listen: 127.0.0.1:0
admin: 127.0.0.1:0
original: {{ url: '{openai}' }}
bedrock:
  region: us-east-1
  endpoint: '{bedrock}'
  models:
    gpt-4o-mini: amazon.nova-lite-v1:0
    gpt-4o: us.anthropic.claude-haiku-4-5-20251001-v1:0
    gpt-4.1: {{ model: 'amazon.nova-pro-v1:0', allow: [json_object] }}
rollout: {{ percent: {percent} }}
rollback: {{ errors: off, latency: off, severe: off, outage: off }}
"
        );
        std::fs::write(dir.join("rollout.yaml"), text).expect("the directory is writable");
    }
}

/// A running `crossfade run`; killed when dropped.
pub(crate) struct Sidecar {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    child: Child,
    log: Receiver<Value>,
    seen: Vec<Value>,
}

impl Sidecar {
    /// Starts the binary on the `rollout.yaml` in `dir` and returns when both ports are
    /// open, the keys are there and the state file is read.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    /// The same, with more variables in its environment.
    pub(crate) fn start_with(dir: &Path, variables: &[(&str, &str)]) -> Self {
        Self::launch(
            Command::new(env!("CARGO_BIN_EXE_crossfade")),
            dir,
            variables,
        )
    }

    /// The same, where it may open only so many files.
    pub(crate) fn start_with_files(dir: &Path, files: usize) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_crossfade"));
        Self::launch(shell, dir, &[])
    }

    fn launch(mut command: Command, dir: &Path, variables: &[(&str, &str)]) -> Self {
        let keys = Credentials::default();
        let mut child = command
            .args(["run", "--config"])
            .arg(dir.join("rollout.yaml"))
            // Nothing of the machine's own AWS set-up or proxies.
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", keys.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = follow(child.stderr.take().expect("a pipe"));
        let (ports, seen) = ready(&log);
        // A Unix socket has no address of this kind.
        let [listen, admin] = ports.map(|port| port.parse().unwrap_or(ANY_PORT));
        let sidecar = Self {
            listen,
            admin,
            child,
            log,
            seen,
        };
        // No line says that the state file was read; until it is, the share is held at 0.
        while sidecar.is_held("state_write") {
            std::thread::yield_now();
        }
        sidecar
    }

    fn is_held(&self, hold: &str) -> bool {
        let status = self.status();
        let holds = status["holds"].as_array().expect("a list");
        holds.iter().any(|each| each == hold)
    }

    /// Waits until the log has a line of `event`.
    pub(crate) fn logged(&mut self, event: &str) {
        while self.seen.iter().all(|line| line["event"] != event) {
            self.seen.push(self.log.recv().expect("it runs"));
        }
    }

    /// SIGKILL, and everything that it had logged by then, oldest first.
    pub(crate) fn kill(mut self) -> Vec<Value> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        let mut lines = std::mem::take(&mut self.seen);
        // The pipe ends with the process.
        lines.extend(self.log.iter());
        lines
    }

    /// `/api/status`.
    pub(crate) fn status(&self) -> Value {
        let answer = exchange(self.admin, &request(self.admin, "GET /api/status", ""));
        let answer = answer.expect("the admin port answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("no JSON ({error}): {answer}"))
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads log lines in a thread, so that the process never waits for a reader.
fn follow(stderr: ChildStderr) -> Receiver<Value> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(stderr).lines().map_while(Result::ok) {
            // A line that was being written at a SIGKILL is no JSON; it says nothing.
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            if line.send(value).is_err() {
                return;
            }
        }
    });
    lines
}

/// What the log says about the ports, and all lines until the keys are there too: before that
/// crossfade asks Bedrock nothing.
fn ready(log: &Receiver<Value>) -> ([String; 2], Vec<Value>) {
    let (mut seen, mut ports, mut keys) = (Vec::new(), None, false);
    loop {
        let Ok(line) = log.recv_timeout(PATIENCE) else {
            panic!("crossfade ended or hangs before it is ready; it said {seen:#?}");
        };
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        match text("event") {
            Some("listening") => {
                let port = |name| text(name).expect("an address").to_owned();
                ports = Some(["listen", "admin"].map(port));
            }
            Some("credentials") => keys = line["healthy"] == true,
            Some(_) | None => {}
        }
        seen.push(line);
        if let (Some(ports), true) = (ports.clone(), keys) {
            return (ports, seen);
        }
    }
}

/// A request for a connection of its own; `call` is method and path.
pub(crate) fn request(address: SocketAddr, call: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{call} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer dummy\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
         {body}"
    )
    .into_bytes()
}

/// A chat call with one user message.
pub(crate) fn chat(address: SocketAddr, prompt: &str) -> Vec<u8> {
    let messages = serde_json::json!([{"role": "user", "content": prompt}]);
    let body = serde_json::json!({"model": "gpt-4o-mini", "messages": messages});
    request(address, "POST /v1/chat/completions", &body.to_string())
}

/// Sends a request and reads the answer until the connection ends.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
