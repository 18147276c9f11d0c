//! The admin port through a real loopback listener, and the status as people read it.

use super::status::Status;
use super::text;
use crate::clock::{RuleClock, Stepper};
use crate::config::Config;
use crate::config::resolve;
use crate::controller::{self, Controller, Handle};
use crate::drain::{Drain, Phase};
use crate::journal;
use crate::outcome::{Arm, Attempt, Booking, CallEvent, CallId, Class, Fault, RuleTime, Verdict};
use crate::rollout::{Command, Input, Machine, Plan, Record};
use crate::snapshot::{Files, Hold, Holds, Share, Snapshot};
use crate::state::start::start;
use crate::telemetry::metrics::{Eligibility, FailoverOutcome, Look, Metrics};
use crate::translate::Reason;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

mod page;

const YAML: &str = "original: { url: 'https://api.openai.com', api_key: '${KEY}' }\n\
                    bedrock: { models: { gpt-4o-mini: amazon.nova-lite-v1:0 } }\n\
                    hosts: [crossfade]\n\
                    rollout: { percent: 25 }\n";

/// Must be seen nowhere.
const CANARY: &str = "canary-of-this-test-0123456789";

fn env(name: &str) -> Option<String> {
    matches!(name, "KEY" | "CROSSFADE_ADMIN_TOKEN").then(|| CANARY.to_owned())
}

struct Bench {
    address: SocketAddr,
    handle: Handle,
    drain: Drain,
    _metrics: Arc<Metrics>,
    stepper: Stepper,
    _dir: TempDir,
}

struct Reply {
    status: u16,
    head: String,
    /// As it came, for what is told in capitals.
    raw_head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .expect("a code")
            .to_owned()
    }
}

impl Bench {
    /// A controller at 25 % and its admin port, on `ip`.
    async fn start(ip: [u8; 4]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("rollout.yaml");
        std::fs::write(&file, YAML).expect("written");
        let start = start(&file, &env).expect("valid");
        let (clock, stepper) = RuleClock::stepped();
        let metrics = Arc::new(Metrics::new());
        let (_, updates) = mpsc::channel(1);
        let journal = journal::untold(start.config.state.clone(), &metrics);
        let Controller { handle, .. } = controller::start(controller::Setup {
            start,
            admin: (ip, 8788).into(),
            require_state: false,
            clock,
            updates,
            questions: mpsc::channel(1).0,
            metrics: Arc::clone(&metrics),
            journal,
        });
        stepper.advance(1_000).await;
        let listener = TcpListener::bind(SocketAddr::from((ip, 0)))
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let drain = Drain::default();
        let served = super::serve(
            listener,
            handle.clone(),
            Arc::clone(&metrics),
            drain.watch(),
        );
        tokio::spawn(served);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            address,
            handle,
            drain,
            _metrics: metrics,
            stepper,
            _dir: dir,
        }
    }

    /// Sends a request with these header lines, and reads the whole answer.
    async fn ask(&self, line: &str, headers: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        let host = if headers.contains("host:") {
            ""
        } else {
            "host: localhost\r\n"
        };
        let request = format!(
            "{line} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok())
            .expect("a status");
        Reply {
            status,
            head: head.to_ascii_lowercase(),
            raw_head: format!("{head}\r\n"),
            body: body.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), "", "").await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.ask(&format!("POST {path}"), "", body).await
    }
}

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

#[tokio::test]
async fn every_route_answers_with_its_kind_and_the_safe_headers() {
    let bench = Bench::start(LOOPBACK).await;
    for (path, status, kind, part) in [
        (
            "/",
            200,
            "text/html",
            "25 % of eligible calls go to Bedrock",
        ),
        ("/metrics", 200, "text/plain", "crossfade_percent 25\n"),
        ("/healthz", 200, "text/plain", "ok"),
        ("/readyz", 200, "text/plain", "ready"),
        (
            "/api/status",
            200,
            "application/json",
            "\"state\":\"steady\"",
        ),
        ("/api/status?x=1", 200, "application/json", "\"percent\":25"),
        ("/nonsense", 404, "application/json", "not_found"),
        (
            "/api/rollback",
            405,
            "application/json",
            "method_not_allowed",
        ),
    ] {
        let reply = bench.get(path).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(
            reply.head.contains(&format!("content-type: {kind}")),
            "{path}: {}",
            reply.head
        );
        assert!(reply.body.contains(part), "{path}: {}", reply.body);
        for header in [
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(reply.head.contains(header), "{path}: {}", reply.head);
        }
        assert!(
            !reply.head.contains("access-control"),
            "{path}: {}",
            reply.head
        );
        assert!(
            !reply.body.contains(CANARY) && !reply.head.contains(CANARY),
            "{path}"
        );
    }
    let head = bench.ask("HEAD /api/status", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let text = bench
        .ask("GET /api/status", "accept: text/plain\r\n", "")
        .await;
    assert!(
        text.body
            .starts_with("25 % of eligible calls go to Bedrock\n"),
        "{}",
        text.body
    );
    for (line, allow) in [
        ("POST /metrics", "allow: get, head"),
        ("DELETE /api/rearm", "allow: post"),
    ] {
        let reply = bench.ask(line, "", "").await;
        assert_eq!(reply.status, 405, "{line}");
        assert!(reply.head.contains(allow), "{line}: {}", reply.head);
    }
}

#[tokio::test]
async fn the_status_has_what_was_promised() {
    let bench = Bench::start(LOOPBACK).await;
    let status = bench.get("/api/status").await.json();
    for key in [
        "state",
        "percent",
        "ceiling",
        "attempt",
        "rollback",
        "rules",
        "arms",
        "eligibility",
        "migratable",
        "capped_answers",
        "config",
        "switches",
        "holds",
        "version",
        "uptime_s",
        "state_file",
        "share",
    ] {
        assert!(status.get(key).is_some(), "{key} in {status}");
    }
    assert_eq!(status["rollback"], Value::Null);
    assert_eq!(status["config"]["generation"], 1);
    assert_eq!(status["config"]["problems"], serde_json::json!([]));
    assert_eq!(status["config"]["restart_needed"], serde_json::json!([]));
    assert_eq!(status["holds"], serde_json::json!([]));
    assert_eq!(status["state_file"], "ok");
    assert_eq!(status["switches"]["force_openai_provider"], false);
}

#[tokio::test]
async fn a_rollback_and_a_rearm_by_hand() {
    let bench = Bench::start(LOOPBACK).await;
    for (body, code) in [
        ("", "body"),
        ("reason=x", "body"),
        ("{\"reason\":\"x\",\"nonsense\":1}", "body"),
        ("{}", "reason_missing"),
        ("{\"reason\":\"  \"}", "reason_missing"),
    ] {
        let reply = bench.post("/api/rollback", body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, code), "{body}");
    }
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(501));
    assert_eq!(bench.post("/api/rollback", &long).await.code(), "too_long");
    let huge = format!("{{\"reason\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(bench.post("/api/rollback", &huge).await.status, 400);
    assert!(
        !bench.handle.snapshot().latched,
        "nothing of that was followed"
    );
    let reply = bench.post("/api/rearm", "{\"reason\":\"x\"}").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (409, "not_rolled_back")
    );

    let body = "{\"reason\":\"<img onerror=x>\",\"actor\":\"night shift\"}";
    let reply = bench.post("/api/rollback", body).await;
    assert_eq!(
        (reply.status, &reply.json()["changed"]),
        (200, &Value::Bool(true))
    );
    assert!(bench.handle.snapshot().latched);
    let status = bench.get("/api/status").await.json();
    assert_eq!(status["state"], "rolled_back");
    assert_eq!(status["rollback"]["rule"], "operator");
    assert_eq!(status["rollback"]["actor"], "night shift");
    let page = bench.get("/").await.body;
    assert!(
        page.contains("&lt;img onerror=x&gt;") && !page.contains("<img"),
        "{page}"
    );

    let reply = bench.post("/api/rollback", "{\"reason\":\"again\"}").await;
    assert_eq!(
        (reply.status, &reply.json()["changed"]),
        (200, &Value::Bool(false))
    );
    let reply = bench.post("/api/rearm", "{\"reason\":\"mended\"}").await;
    assert_eq!(
        (reply.status, &reply.json()["attempt"]),
        (200, &Value::from(2))
    );
    assert!(!bench.handle.snapshot().latched);
}

#[tokio::test]
async fn a_browser_is_kept_out() {
    let bench = Bench::start(LOOPBACK).await;
    for path in ["/", "/metrics", "/healthz", "/api/status"] {
        let reply = bench
            .ask(&format!("GET {path}"), "host: evil.test\r\n", "")
            .await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "host_refused"),
            "{path}"
        );
    }
    let known = bench
        .ask("GET /healthz", "host: crossfade:8788\r\n", "")
        .await;
    assert_eq!(known.status, 200);
    let body = "{\"reason\":\"csrf\"}";
    for headers in [
        "origin: http://evil.test\r\n",
        "sec-fetch-site: cross-site\r\n",
    ] {
        let reply = bench.ask("POST /api/rollback", headers, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (403, "cross_site"),
            "{headers}"
        );
    }
    assert!(!bench.handle.snapshot().latched);
}

#[tokio::test]
async fn a_public_port_wants_the_token_for_changes_only() {
    let bench = Bench::start([0, 0, 0, 0]).await;
    assert_eq!(bench.get("/api/status").await.status, 200);
    let body = "{\"reason\":\"from outside\"}";
    let reply = bench.post("/api/rollback", body).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "token_required")
    );
    let wrong = bench
        .ask(
            "POST /api/rollback",
            "authorization: Bearer wrong\r\n",
            body,
        )
        .await;
    assert_eq!(wrong.status, 403);
    assert!(!bench.handle.snapshot().latched);
    let right = format!("authorization: Bearer {CANARY}\r\n");
    assert_eq!(
        bench.ask("POST /api/rollback", &right, body).await.status,
        200
    );
}

#[tokio::test]
async fn only_draining_makes_it_unready() {
    let bench = Bench::start(LOOPBACK).await;
    bench
        .post("/api/rollback", "{\"reason\":\"bad night\"}")
        .await;
    assert_eq!(
        bench.get("/readyz").await.status,
        200,
        "a rollback is no reason"
    );
    bench.drain.enter(Phase::Draining);
    assert_eq!(bench.get("/readyz").await.status, 503);
    assert_eq!(bench.get("/healthz").await.status, 200);
}

/// A machine with some history, as the controller would publish it.
struct Story {
    machine: Machine,
    now: RuleTime,
    calls: u64,
    config: Config,
    metrics: Metrics,
    holds: Holds,
    files: Files,
}

impl Story {
    fn new(percent: &str) -> Self {
        let text = YAML.replace("25", percent);
        let config = resolve::load(&text, &env).expect("valid");
        let plan = Plan {
            ceiling: config.rollout.ceiling(),
            attempt: Attempt(1),
            rules: config.rules.clone(),
            advance: crate::rollout::Advance::Manual,
            basis: crate::rollout::Basis::default(),
        };
        let now = RuleTime(0);
        let metrics = Metrics::new();
        for _ in 0..30 {
            metrics.chat_call(Eligibility::Eligible);
            metrics.examined(Look::Whole, true);
        }
        metrics.chat_call(Eligibility::Ineligible(Reason::Busy));
        metrics.chat_call(Eligibility::Ineligible(Reason::NGt1));
        metrics.examined(Look::Sample, false);
        metrics.failover(Fault::Refused, FailoverOutcome::Answered);
        let files = Files {
            generation: 3,
            hash: "sha256:0123456789ab".to_owned(),
            percent_since_unix_ms: NOW_MS - 2 * 3_600_000,
            share: Share {
                eligible: 120,
                bedrock: 29,
            },
            ..Files::default()
        };
        let machine = Machine::new(plan, Record::first(Attempt(1)), now);
        Self {
            machine,
            now,
            calls: 0,
            config,
            metrics,
            holds: Holds::NONE,
            files,
        }
    }

    fn calls(&mut self, count: u64, verdict: Verdict) {
        for _ in 0..count {
            self.calls += 1;
            let key = self.calls;
            let dispatched = CallEvent::Dispatched {
                request_id: "req-1".into(),
            };
            let ended = CallEvent::Ended {
                verdict,
                key,
                request_id: "req-1".into(),
            };
            for event in [dispatched, CallEvent::FirstToken, ended] {
                let (at, call) = (self.now, CallId(self.calls));
                let booking = Booking {
                    at,
                    attempt: Attempt(1),
                    call,
                    event,
                };
                self.machine.handle(Input::Booking(booking), self.now);
            }
        }
    }

    fn tick(&mut self) {
        self.now = self.now.plus(5_000);
        self.machine.handle(
            Input::Tick {
                unix_ms: NOW_MS - 840_000,
                held: false,
            },
            self.now,
        );
    }

    fn text(self) -> String {
        let held = !self.holds.is_empty();
        let percent = if held {
            crate::split::Percent::ZERO
        } else {
            self.machine.percent()
        };
        let snapshot = Snapshot {
            percent,
            attempt: self.machine.attempt(),
            latched: self.machine.latched(),
            admission: crate::rollout::Admission::All,
            holds: self.holds,
            report: Arc::new(self.machine.report(self.now)),
            files: Arc::new(self.files),
            config: Arc::new(self.config),
        };
        let text = text::render(&Status::new(
            Arc::new(snapshot),
            &self.metrics,
            7_300,
            NOW_MS,
        ));
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }
}

const NOW_MS: u64 = 1_700_000_000_000;

#[test]
fn the_status_of_a_quiet_rollout() {
    let mut story = Story::new("25");
    story.calls(100, Verdict::Ok);
    story.tick();
    story.metrics.ending(&crate::translate::Ending::OwnCap);
    story.metrics.split(Arm::Bedrock);
    assert_eq!(story.text(), include_str!("tests/steady.txt"));
}

#[test]
fn the_status_of_a_rollback_with_a_refused_configuration() {
    let mut story = Story::new("25");
    for _ in 0..4 {
        story.calls(2, Verdict::Ok);
        story.calls(8, Verdict::Failure(Class::Throttle));
        story.calls(1, Verdict::ContextWindow);
        story.tick();
    }
    assert!(story.machine.latched());
    story.files.problems = vec!["rollout.percent: found 500; accepted: 0 to 100".to_owned()];
    story.files.restart_needed = vec!["listen"];
    assert_eq!(story.text(), include_str!("tests/rolled_back.txt"));
}

#[test]
fn the_first_line_says_what_is_the_case() {
    let first = |story: Story| story.text().lines().next().unwrap_or_default().to_owned();
    assert_eq!(
        first(Story::new("2.5")),
        "2.5 % of eligible calls go to Bedrock"
    );
    assert_eq!(
        first(Story::new("100")),
        "All eligible calls go to Bedrock (100 %)"
    );
    assert_eq!(
        first(Story::new("0")),
        "Nothing goes to Bedrock: the share is 0 %"
    );
    let mut held = Story::new("25");
    held.holds.set(Hold::StateLocked, true);
    assert!(first(held).starts_with("HELD AT 0 %: Another crossfade process owns the state file"));
    let mut unsaved = Story::new("25");
    unsaved.holds.set(Hold::StateWrite, true);
    unsaved.files.unsaved = Some("Rolled back 25 % -> 0 %: errors".to_owned());
    assert!(first(unsaved).starts_with("HELD AT 0 %, not on disk yet: Rolled back 25 %"));
    let mut by_hand = Story::new("25");
    let (reason, actor) = ("bad night".to_owned(), "night shift".to_owned());
    let command = Command::Rollback {
        reason,
        actor,
        at_unix_ms: NOW_MS - 90_000,
    };
    by_hand.machine.handle(Input::Command(command), RuleTime(0));
    assert_eq!(
        first(by_hand),
        "ROLLED BACK 1 min ago, 25 % -> 0 % by night shift: bad night"
    );
}
