//! `crossfade emulate` as processes: a provider is broken, asked and repaired from the command line,
//! an app says what it saw, and SIGTERM ends both without an error.

use super::support::sidecar::{exchange, request};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

/// A running part; killed when dropped.
struct Part {
    child: Child,
    addr: SocketAddr,
}

impl Part {
    /// Starts `crossfade emulate` with these arguments and reads its address off its first line.
    fn start(arguments: &[&str]) -> Self {
        let mut child = crossfade(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        said.read_line(&mut line).expect("a line");
        let (_, addr) = line.rsplit_once("http://").expect("an address");
        let addr = addr.trim().split('/').next().unwrap_or_default();
        let addr = addr
            .parse()
            .unwrap_or_else(|_| panic!("an address: {line}"));
        // Read to the end, so that the process never waits for a reader.
        std::thread::spawn(move || said.lines().for_each(drop));
        Self { child, addr }
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// SIGTERM, and the exit code.
    fn terminate(&mut self) -> Option<i32> {
        let sent = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.expect("there is a kill").success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn crossfade(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossfade"));
    command.arg("emulate").args(arguments).env_clear();
    command.stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (String, Option<i32>) {
    let Output {
        status,
        stdout,
        stderr,
    } = crossfade(arguments).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    (said.into_owned(), status.code())
}

#[test]
fn a_provider_is_broken_and_repaired_from_the_command_line() {
    let mut openai = Part::start(&["openai", "--listen", "127.0.0.1:0"]);
    let url = openai.url();
    let status = || {
        let body = r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}"#;
        let call = request(openai.addr, "POST /v1/chat/completions", body);
        let answer = exchange(openai.addr, &call).expect("an answer");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let usual = ("requests: 0; answers as usual\n".to_owned(), Some(0));
    assert_eq!(run(&["ask", "openai", "--at", &url]), usual);
    assert_eq!(status(), "200");

    let (said, code) = run(&["tell", "openai", "throttle", "--at", &url]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said, "requests: 1; plays error (status 429)\n");
    assert_eq!(status(), "429");

    let (said, code) = run(&[
        "tell",
        "openai",
        "--rules",
        "{\"behaviour\": \"x\"}",
        "--at",
        &url,
    ]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("refuses: unknown variant `x`"), "{said}");
    assert_eq!(status(), "429");

    let (said, code) = run(&["tell", "openai", "repair", "--at", &url]);
    assert_eq!(
        (said.as_str(), code),
        ("requests: 3; answers as usual\n", Some(0))
    );
    assert_eq!(status(), "200");

    let (said, code) = run(&["bedrock", "--listen", &openai.addr.to_string()]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot listen on"), "{said}");

    assert_eq!(openai.terminate(), Some(0));
    let (said, code) = run(&["ask", "openai", "--at", &url]);
    assert_eq!(code, Some(69), "{said}");
    assert!(
        said.contains("Start it with `crossfade emulate openai`"),
        "{said}"
    );
}

#[test]
fn the_app_says_what_it_saw() {
    let openai = Part::start(&["openai", "--listen", "127.0.0.1:0"]);
    let base_url = format!("{}/v1", openai.url());
    let app = [
        "app",
        "--rate",
        "50",
        "--listen",
        "127.0.0.1:0",
        "--base-url",
    ];
    let mut app = Part::start(&[&app[..], &[&base_url]].concat());
    // Without crossfade in between no answer says who gave it: the app takes that for an error.
    let url = app.url();
    let errors = || {
        let (said, code) = run(&["ask", "app", "--json", "--at", &url]);
        assert_eq!(code, Some(0), "{said}");
        let seen: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(seen["answered"], 0);
        seen["errors"].as_u64().expect("a number")
    };
    while errors() < 3 {}
    assert_eq!(app.terminate(), Some(0));
}

/// A command that reached a provider's port, or the app's, changed nothing and must say so.
#[test]
fn a_command_does_not_take_another_servers_answer_for_its_own() {
    let provider = Part::start(&["openai", "--listen", "127.0.0.1:0"]);
    for command in [&["status"] as &[&str], &["rollback", "--reason", "a test"]] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_crossfade"));
        process.args(command).args(["--admin", &provider.url()]);
        let output = process.env_clear().output().expect("the binary starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
        assert!(told.contains("no admin port of crossfade's"), "{told}");
    }
}
