//! SIGKILL at random points around a rollback, again and again: what was reported is never lost.
//!
//! A rollback counts as reported when its command was answered, or when the log says so. Whatever
//! the moment of the kill, the state file must be whole, and a process that starts on it must be of
//! one mind: rolled back and silent towards Bedrock, or armed because nothing was ever rolled back.
//! Its journal then has that rollback in one line, and whoever is told of it is told under one id.

use crate::support::bodies::Source;
use crate::support::sidecar::{Providers, Sidecar, chat, exchange, request};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// The sequence of moments is the same in every run; how far the process is by then is not.
const SEED: u64 = 0x6b69_6c6c;

/// Eight moments, five times.
const ROUNDS: usize = 40;

/// When the process is killed, seen from the one who asks for the rollback.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Nobody asks.
    BeforeAsking,
    /// So many thousandths of the request are sent.
    HalfAsked(usize),
    /// The whole request is sent; so many turns of a loop later.
    Asked(u32),
    /// The answer is read.
    Answered,
}

impl Moment {
    fn of_round(round: usize, random: &mut StdRng) -> Self {
        match round % 8 {
            0 => Self::BeforeAsking,
            1 => Self::HalfAsked(random.random_range(0..1000)),
            2 => Self::Answered,
            // From at once to some milliseconds: around the write of the state file.
            _ => Self::Asked(random.random_range(0..1 << 19)),
        }
    }
}

/// What a process says after it was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mind {
    Armed,
    RolledBack,
}

#[test]
fn a_kill_around_a_rollback_never_loses_it() {
    let providers = Providers::start().recorded(Source::EndToEnd);
    let told = Told::start();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut minds = Vec::new();
    for round in 0..ROUNDS {
        let moment = Moment::of_round(round, &mut random);
        let calls = random.random_range(0..8);
        let dir = TempDir::new().expect("a temporary directory");
        providers.write_config(dir.path(), 100);
        told.add_to(&dir.path().join("rollout.yaml"));
        let reported = killed_at(moment, calls, &providers, dir.path());
        check_state_file(dir.path(), reported);
        let mind = mind_after_restart(&providers, dir.path());
        told.check(mind, dir.path());
        println!("round {round}: {moment:?} after {calls} calls, reported: {reported}, {mind:?}");
        match (moment, reported) {
            (_, true) | (Moment::Answered, false) => assert_eq!(mind, Mind::RolledBack),
            (Moment::BeforeAsking | Moment::HalfAsked(_), false) => assert_eq!(mind, Mind::Armed),
            // Either is right: nobody was told anything.
            (Moment::Asked(_), false) => {}
        }
        minds.push(mind);
    }
    assert!(
        minds.contains(&Mind::Armed) && minds.contains(&Mind::RolledBack),
        "{minds:?}"
    );
}

/// Starts a sidecar under load, kills it at `moment`, and tells whether it had reported a rollback.
fn killed_at(moment: Moment, calls: usize, providers: &Providers, dir: &Path) -> bool {
    providers.bedrock.clear_requests();
    let sidecar = Sidecar::start(dir);
    let load = load(sidecar.listen);
    let busy = providers
        .bedrock
        .wait_until(|requests| requests.len() > calls);
    providers.runtime.block_on(busy);

    let body = r#"{"reason":"a test","actor":"kill"}"#;
    let request = request(sidecar.admin, "POST /api/rollback", body);
    let mut connection = TcpStream::connect(sidecar.admin).expect("the admin port is open");
    let mut answer = Vec::new();
    match moment {
        Moment::BeforeAsking => {}
        Moment::HalfAsked(thousandths) => {
            let part = &request[..request.len() * thousandths / 1000];
            connection.write_all(part).expect("it listens");
        }
        Moment::Asked(turns) => {
            connection.write_all(&request).expect("it listens");
            (0..turns).for_each(|_| std::hint::spin_loop());
        }
        Moment::Answered => {
            connection.write_all(&request).expect("it listens");
            connection.read_to_end(&mut answer).expect("it answers");
        }
    }
    let log = sidecar.kill();
    // What was sent before the kill can still be read; an error says that there is no more.
    let _ = connection.read_to_end(&mut answer);
    load.join().expect("the load ends with the process");
    let answered = answer.starts_with(b"HTTP/1.1 200 ");
    answered || log.iter().any(says_rolled_back)
}

/// Calls, one after the other, until nobody answers any more.
fn load(address: SocketAddr) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let calls = (0..).map(|number| chat(address, &format!("Question {number}")));
        for call in calls {
            if exchange(address, &call).is_err() {
                return;
            }
        }
    })
}

fn says_rolled_back(line: &Value) -> bool {
    let event = line.get("event").and_then(Value::as_str);
    matches!(event, Some("rolled_back" | "tripped"))
}

/// A state file is whole at any moment, and says what was reported.
fn check_state_file(dir: &Path, reported: bool) {
    let text =
        std::fs::read(dir.join("crossfade.state.json")).expect("it was written at the start");
    let record: Value = serde_json::from_slice(&text).expect("it is never torn");
    if reported {
        assert!(record.to_string().contains("rolled_back"), "{record}");
    }
}

/// Starts a sidecar on what is left, and tells what it is; what it says and does must agree.
fn mind_after_restart(providers: &Providers, dir: &Path) -> Mind {
    let sidecar = Sidecar::start(dir);
    let mind = match sidecar.status()["state"].as_str() {
        Some("rolled_back") => Mind::RolledBack,
        Some(_) => Mind::Armed,
        None => panic!("a status without a state"),
    };
    for number in 0..5 {
        let call = chat(sidecar.listen, &format!("{AFTER} {number}"));
        let answer = exchange(sidecar.listen, &call).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // Calls of the killed process may still arrive; those of this one are told by their words.
    let requests = providers.bedrock.requests();
    let reached = requests
        .iter()
        .filter(|request| contains(&request.body, AFTER))
        .count();
    match mind {
        // The keys are there a moment after the log says so: the first call may come before.
        Mind::Armed => assert!(reached > 0, "armed, and Bedrock gets nothing"),
        Mind::RolledBack => assert_eq!(reached, 0, "rolled back, and Bedrock gets calls"),
    }
    // All that a crash may have left to write is written at once with the first line.
    let healthy = "\ncrossfade_journal_healthy 1\n";
    let metrics = request(sidecar.admin, "GET /metrics", "");
    while !exchange(sidecar.admin, &metrics).is_ok_and(|answer| answer.contains(healthy)) {
        std::thread::yield_now();
    }
    mind
}

/// Who is told of rollbacks: the ids, as they come.
struct Told {
    address: SocketAddr,
    ids: Receiver<String>,
}

impl Told {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, ids) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // One that is killed while it tells is not heard.
                if let Some(id) = hear(stream) {
                    sender.send(id).expect("the test listens");
                }
            }
        });
        Self { address, ids }
    }

    fn add_to(&self, file: &Path) {
        let text = std::fs::read_to_string(file).expect("written");
        let hook = format!("http://{}/hook", self.address);
        let notify = format!("notify: [{{ webhook: '{hook}', events: [rolled_back] }}]\n");
        std::fs::write(file, text + &notify).expect("writable");
    }

    /// The journal has one line for a rollback, and all that was told of it has its id.
    fn check(&self, mind: Mind, dir: &Path) {
        let text =
            std::fs::read_to_string(dir.join("crossfade.state.journal")).expect("it is there");
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let rollbacks: Vec<_> = lines
            .filter(|line| line["event"] == "rolled_back")
            .collect();
        let mut ids: Vec<_> = self.ids.try_iter().collect();
        match mind {
            Mind::Armed => assert!(rollbacks.is_empty() && ids.is_empty(), "{ids:?} {text}"),
            Mind::RolledBack => {
                assert_eq!(rollbacks.len(), 1, "{text}");
                if ids.is_empty() {
                    // The process after the restart was killed before it told: the next one does.
                    let sidecar = Sidecar::start(dir);
                    ids.push(self.ids.recv_timeout(PATIENCE).expect("told at last"));
                    drop(sidecar);
                }
                assert!(
                    ids.iter().all(|id| rollbacks[0]["id"] == id.as_str()),
                    "{ids:?} {text}"
                );
            }
        }
        // What the last process of this round had still to say is no other round's.
        while self.ids.try_recv().is_ok() {}
    }
}

/// Reads one event, answers, and gives its id.
fn hear(mut stream: TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(event) = serde_json::from_str::<Value>(body)
        {
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            // The process may have been killed meanwhile.
            let _ = stream.write_all(answer);
            return event["id"].as_str().map(str::to_owned);
        }
        match stream.read(&mut part) {
            Ok(0) | Err(_) => return None,
            Ok(read) => heard.extend_from_slice(&part[..read]),
        }
    }
}

/// A hang guard; nothing that works comes near it.
const PATIENCE: Duration = Duration::from_secs(60);

const AFTER: &str = "After the restart";

fn contains(body: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(body).contains(words)
}
