//! The messenger against a real HTTP receiver on the loopback, with its waits in paused time.

use super::*;
use crate::config::notify::Kind;
use crate::config::resolve;
use crate::config::secret::Secret;
use crate::controller;
use crate::outcome::{Attempt, RuleTime};
use crate::rollout::{Admission, Machine, Record};
use crate::snapshot::{Files, Holds};
use crate::split::Percent;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::Sha256;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SECRET: &str = "a-secret-of-this-test";

/// A receiver that answers as it is told and remembers what it got.
struct Receiver {
    address: SocketAddr,
    answers: Arc<Mutex<VecDeque<u16>>>,
    got: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
    serving: JoinHandle<()>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, got) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let told = Arc::clone(&answers);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepted");
                let (sender, told) = (sender.clone(), Arc::clone(&told));
                let answer = service_fn(move |request: Request<Incoming>| {
                    let (sender, told) = (sender.clone(), Arc::clone(&told));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.expect("whole").to_bytes();
                        let status = told.lock().expect("no panic").pop_front().unwrap_or(204);
                        sender.send((head.headers, body)).expect("the test listens");
                        let mut answer = Response::new(Empty::<Bytes>::new());
                        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
                        let place = "http://127.0.0.1:1/elsewhere".parse().expect("a header");
                        answer.headers_mut().insert("location", place);
                        Ok::<_, Infallible>(answer)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self {
            address,
            answers,
            got,
            serving,
        }
    }

    fn answer(&self, statuses: &[u16]) {
        self.answers.lock().expect("no panic").extend(statuses);
    }

    /// The next event, its signature checked.
    async fn event(&mut self) -> Value {
        let (head, body) = self.got.recv().await.expect("a request");
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(&body);
        let signed = head["x-crossfade-signature"].to_str().expect("text");
        let hex = signed.strip_prefix("sha256=").expect("its form");
        let code: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect();
        mac.verify_slice(&code)
            .expect("the signature fits the body");
        let form = head["content-type"].to_str().expect("text");
        assert!(form.starts_with("application/cloudevents+json"), "{form}");
        serde_json::from_slice(&body).expect("JSON")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A messenger in one life of the process.
struct Life {
    posts: mpsc::Sender<Post>,
    task: JoinHandle<()>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
}

impl Life {
    fn start(dir: &TempDir, notify: &str) -> Self {
        let (posts, posted) = mpsc::channel(64);
        let (metrics, board) = (Arc::new(Metrics::new()), Arc::new(Board::default()));
        let task = tokio::spawn(run(Setup {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot(notify))),
            outbox: dir.path().join("s.outbox"),
            posts: posted,
            metrics: Arc::clone(&metrics),
            board: Arc::clone(&board),
        }));
        Self {
            posts,
            task,
            metrics,
            board,
        }
    }

    async fn open(&self, lines: &[Arc<Line>]) {
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let (journal, lines) = (Arc::from("j"), lines.to_vec());
        let post = Post::Open {
            journal,
            lines,
            ready,
        };
        self.posts.send(post).await.expect("it runs");
        is_ready.await.expect("it is told");
    }

    async fn tell(&self, line: &Arc<Line>) {
        let sent = self.posts.send(Post::New(Arc::clone(line))).await;
        sent.expect("it runs");
    }

    async fn end(self) {
        drop(self.posts);
        self.task.await.expect("no panic");
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.render().expect("rendered").contains(line)
    }
}

fn snapshot(notify: &str) -> Snapshot {
    let text = format!(
        "original: {{ url: 'https://api.openai.com' }}\n\
         bedrock: {{ region: us-east-1, models: {{ gpt-4o-mini: amazon.nova-lite-v1:0 }} }}\n{notify}"
    );
    let config = resolve::load(&text, &|_| None).unwrap_or_else(|error| panic!("{error}"));
    let plan = controller::plan(&config);
    let machine = Machine::new(plan, Record::first(Attempt(1)), RuleTime(0));
    Snapshot {
        report: Arc::new(machine.report(RuleTime(0))),
        config: Arc::new(config),
        percent: Percent::ZERO,
        attempt: Attempt(1),
        latched: false,
        admission: Admission::All,
        holds: Holds::NONE,
        files: Arc::new(Files::default()),
    }
}

fn webhook(receiver: &Receiver) -> String {
    format!(
        "notify: [{{ webhook: 'http://{}/hook?a=b', secret: {SECRET} }}]\n",
        receiver.address
    )
}

fn line(seq: u64, kind: Kind) -> Arc<Line> {
    let line = json!({
        "sentence": format!("Thing {seq} <happened>"), "at": "2026-01-31T12:00:00.000Z",
        "event": kind.name(), "attempt": 3, "at_unix_ms": unix_ms(), "seq": seq,
        "id": format!("id-{seq}"), "journal": "j", "from": 5, "to": 0,
        "actor": "alice", "reason": "why & how",
    });
    Arc::new(serde_json::from_value(line).expect("a line"))
}

#[tokio::test(start_paused = true)]
async fn an_event_is_a_signed_cloud_event_and_only_what_was_asked_for_is_told() {
    let (dir, mut receiver) = (
        tempfile::tempdir().expect("a directory"),
        Receiver::start().await,
    );
    let life = Life::start(&dir, &webhook(&receiver));
    // What happened before this destination was there is not told.
    life.open(&[line(1, Kind::RolledBack)]).await;
    life.tell(&line(2, Kind::ClockStarted)).await;
    life.tell(&line(3, Kind::RolledBack)).await;
    let event = receiver.event().await;
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], "id-3");
    assert_eq!(event["source"], "/crossfade/j");
    assert_eq!(event["type"], "dev.crossfade.rolled_back");
    assert_eq!(event["subject"], "attempt/3");
    assert_eq!(event["time"], "2026-01-31T12:00:00.000Z");
    assert_eq!(event["data"]["sentence"], "Thing 3 <happened>");
    assert_eq!(event["data"]["to"], 0);
    life.end().await;
    assert!(receiver.got.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_later_and_later_and_shown() {
    let (dir, mut receiver) = (
        tempfile::tempdir().expect("a directory"),
        Receiver::start().await,
    );
    receiver.answer(&[503, 302, 429, 200, 200]);
    let life = Life::start(&dir, &webhook(&receiver));
    life.open(&[]).await;
    life.tell(&line(1, Kind::RolledBack)).await;
    life.tell(&line(2, Kind::Rearmed)).await;
    let (mut times, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let event = receiver.event().await;
        ids.push(event["id"].as_str().expect("text").to_owned());
        times.push(io_now());
        if times.len() == 3 {
            // The second failure is shown by then, without the path.
            let side = life.board.side();
            let problem = side.notify[0].problem.clone().expect("shown");
            assert!(problem.contains("redirects are not followed"), "{problem}");
            assert_eq!(side.notify[0].to, format!("webhook {}", receiver.address));
            assert_eq!(side.notify[0].waiting, 2);
        }
    }
    assert_eq!(ids, ["id-1", "id-1", "id-1", "id-1", "id-2"]);
    let waits: Vec<_> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs())
        .collect();
    // A second, two, four; each up to a beat late.
    for (wait, least) in waits.iter().zip([1, 2, 4]) {
        assert!((least..=least + 1).contains(wait), "{waits:?}");
    }
    let (metrics, board) = (Arc::clone(&life.metrics), Arc::clone(&life.board));
    assert!(life.counted("crossfade_notify_failures_total 3"));
    life.end().await;
    let text = metrics.render().expect("rendered");
    assert!(text.contains("crossfade_notify_sent_total 2"), "{text}");
    assert_eq!(board.side().notify[0].problem, None);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_rest_is_told_under_the_same_ids() {
    let (dir, mut receiver) = (
        tempfile::tempdir().expect("a directory"),
        Receiver::start().await,
    );
    let lines: Vec<_> = (1..=4).map(|seq| line(seq, Kind::RolledBack)).collect();
    receiver.answer(&[200, 500]);
    let life = Life::start(&dir, &webhook(&receiver));
    life.open(&[]).await;
    for line in &lines[..3] {
        life.tell(line).await;
    }
    assert_eq!(receiver.event().await["id"], "id-1");
    assert_eq!(receiver.event().await["id"], "id-2");
    // The process is killed: nothing more is written.
    life.task.abort();
    let _ = life.task.await;
    // The journal has them all.
    let life = Life::start(&dir, &webhook(&receiver));
    life.open(&lines[..3]).await;
    life.tell(&lines[3]).await;
    for id in ["id-2", "id-3", "id-4"] {
        assert_eq!(receiver.event().await["id"], id);
    }
    life.end().await;
    let life = Life::start(&dir, &webhook(&receiver));
    life.open(&lines).await;
    life.end().await;
    assert!(receiver.got.try_recv().is_err(), "told again without need");
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_refuses_or_is_too_old_does_not_block_the_rest() {
    let (dir, mut receiver) = (
        tempfile::tempdir().expect("a directory"),
        Receiver::start().await,
    );
    receiver.answer(&[422, 200]);
    let life = Life::start(&dir, &webhook(&receiver));
    life.open(&[]).await;
    let mut old = Line::clone(&line(1, Kind::RolledBack));
    old.at_unix_ms -= 86_401_000;
    life.tell(&Arc::new(old)).await;
    life.tell(&line(2, Kind::RolledBack)).await;
    life.tell(&line(3, Kind::Rearmed)).await;
    assert_eq!(receiver.event().await["id"], "id-2");
    assert_eq!(receiver.event().await["id"], "id-3");
    let metrics = Arc::clone(&life.metrics);
    life.end().await;
    assert!(
        metrics
            .render()
            .expect("rendered")
            .contains("crossfade_notify_dropped_total 2")
    );
}

#[tokio::test(start_paused = true)]
async fn slack_gets_its_own_form_and_no_signature() {
    let (dir, mut receiver) = (
        tempfile::tempdir().expect("a directory"),
        Receiver::start().await,
    );
    let notify = format!(
        "notify: [{{ slack: 'http://{}/services/T/B/x', events: [paused, rearmed] }}]\n",
        receiver.address
    )
    .replace("paused, ", "");
    let life = Life::start(&dir, &notify);
    life.open(&[]).await;
    life.tell(&line(1, Kind::RolledBack)).await;
    life.tell(&line(2, Kind::Rearmed)).await;
    let (head, body) = receiver.got.recv().await.expect("a request");
    assert!(!head.contains_key("x-crossfade-signature"));
    let message: Value = serde_json::from_slice(&body).expect("JSON");
    let expected = "crossfade, attempt 3: *Thing 2 &lt;happened&gt;*\nalice: why &amp; how";
    assert_eq!(message, json!({ "text": expected }));
    life.end().await;
}

#[test]
fn waits_double_up_to_five_minutes() {
    let waits: Vec<_> = (1..=12).map(|tries| backoff(tries).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
}

#[test]
fn a_place_in_the_outbox_shows_nothing_of_the_url() {
    let of = |target: &str| {
        let snapshot = snapshot("notify: [{ slack: 'https://hooks.slack.com/services/T/B/x' }]\n");
        let to = snapshot.config.notify[0].clone();
        outbox::key(&Notify {
            target: Secret::new(target),
            ..to
        })
    };
    assert_ne!(of("/services/T/B/x"), of("/services/T/B/y"));
    assert_eq!(of("/a").len(), 16);
}

#[tokio::test]
async fn the_outbox_is_written_only_when_it_changes() {
    let dir = TempDir::new().expect("a folder");
    let journal = Arc::from("j");
    let path = dir.path().join("s.outbox");
    let mut outbox = Outbox::at(path.clone());
    outbox.load(&journal).await;
    outbox.save(&journal).await.expect("nothing to write");
    assert!(!path.exists(), "nobody is to be told");
    outbox.begin("a", 3);
    outbox.save(&journal).await.expect("written");
    std::fs::remove_file(&path).expect("it is there");
    outbox.save(&journal).await.expect("nothing to write");
    assert!(!path.exists(), "nothing is new");
    outbox.note("a", 4);
    outbox.save(&journal).await.expect("written");
    // Places in another journal are none in this one.
    let mut other = Outbox::at(path.clone());
    other.load(&Arc::from("k")).await;
    assert_eq!(other.told("a"), u64::MAX);
    other.save(&Arc::from("k")).await.expect("written");
    other.load(&journal).await;
    assert_eq!(other.told("a"), u64::MAX, "the file is the new journal's");
}
