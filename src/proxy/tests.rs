//! The Bedrock arm's timeouts, over in-memory answers and in paused time: a paused runtime jumps
//! whenever it waits, which a real socket would not survive.

use super::ask::{Answer, Timed, begin_stream, read_whole};
use super::caught::{asked, caught};
use super::patience::Patience;
use super::stream::AnswerStream;
use super::*;
use crate::clock;
use crate::config::resolve::load;
use crate::outcome::{Attempt, CallEvent, Class, Fault, RuleTime, Verdict};
use crate::proxy::books::Books;
use crate::rollout::{Machine, Record};
use crate::snapshot::{Files, Holds};
use crate::split::Percent;
use crate::translate::{Fold, Identity, ReplyShape, StreamWriter};
use crate::upstream::Failure;
use crate::upstream::credentials::{Keyring, Source};
use crate::upstream::frames::EventStream;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue as Value, Message};
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use std::convert::Infallible;
use std::time::Duration;

const CONFIG: &str = "original: { url: 'http://127.0.0.1:1' }\n\
                      bedrock: { region: us-east-1, models: { m: amazon.nova-lite-v1:0 } }\n\
                      rollout: { percent: 100 }\n";

/// What all calls share, with nothing behind it.
fn shared(drain: Watch) -> (Arc<Shared>, mpsc::Receiver<Booking>) {
    let config = Arc::new(load(CONFIG, &|_| None).expect("a valid configuration"));
    let plan = crate::rollout::Plan {
        ceiling: Percent::ALL,
        attempt: Attempt(1),
        rules: config.rules.clone(),
        advance: crate::rollout::Advance::Manual,
        basis: crate::rollout::Basis::default(),
    };
    let machine = Machine::new(plan, Record::first(Attempt(1)), RuleTime(0));
    let snapshot = Snapshot {
        config: Arc::clone(&config),
        percent: Percent::ALL,
        attempt: Attempt(1),
        latched: false,
        admission: crate::rollout::Admission::All,
        holds: Holds::NONE,
        report: Arc::new(machine.report(RuleTime(0))),
        files: Arc::new(Files::default()),
    };
    let metrics = Arc::new(Metrics::new());
    let transport = Transport::new(config.timeouts.connect);
    let keys = aws_credential_types::Credentials::new("id", "key", None, None, "test");
    let keyring = Keyring::start(
        Source::Fixed(keys),
        "us-east-1".to_owned(),
        Arc::clone(&metrics),
        Arc::default(),
    );
    let (sender, receiver) = mpsc::channel(16);
    let (clock, _) = RuleClock::stepped();
    let bedrock = Bedrock::new(transport.clone(), keyring);
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let tracer = Arc::new(Tracer::new(Arc::clone(&metrics), |_| {}));
    let shared = Shared::new(Setup {
        snapshot,
        bookings: sender,
        metrics,
        clock,
        transport,
        bedrock,
        drain,
        tracer,
    });
    (Arc::new(shared), receiver)
}

/// An answer that a test sends piece by piece.
struct Scripted {
    books: Box<Books>,
    bookings: mpsc::Receiver<Booking>,
    sender: Sender<Bytes, std::io::Error>,
    events: Option<Timed<Channel<Bytes, std::io::Error>>>,
    drain: crate::drain::Drain,
}

impl Scripted {
    fn new() -> Self {
        let drain = crate::drain::Drain::default();
        let (shared, bookings) = shared(drain.watch());
        let mut books = Books::open(&shared, "req_test".into(), Attempt(1));
        let dispatched = books.open_bedrock("m", Some(0), 1).expect("there is room");
        let timeouts = shared.snapshot.load().config.timeouts;
        let patience = Patience::new(dispatched, &timeouts, true, None);
        let (sender, body) = Channel::new(16);
        let events = Some(Timed {
            events: EventStream::new(body),
            patience,
        });
        Self {
            books,
            bookings,
            sender,
            events,
            drain,
        }
    }

    async fn send(&mut self, frame: Bytes) {
        self.sender
            .send_data(frame)
            .await
            .expect("the body is read");
    }

    fn take(&mut self) -> Timed<Channel<Bytes, std::io::Error>> {
        self.events.take().expect("taken once")
    }

    /// What was booked, in words.
    fn booked(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Ok(booking) = self.bookings.try_recv() {
            words.push(match booking.event {
                CallEvent::Dispatched { .. } => "dispatched".to_owned(),
                CallEvent::FirstToken => "first token".to_owned(),
                CallEvent::Refused => "refused".to_owned(),
                CallEvent::Ended { verdict, .. } => format!("{verdict:?}"),
                CallEvent::Original { verdict, .. } => format!("original {verdict:?}"),
            });
        }
        words
    }
}

fn frame(kind: &'static str, payload: &'static str) -> Bytes {
    let text =
        |name: &'static str, value: &'static str| Header::new(name, Value::String(value.into()));
    let headers = vec![text(":message-type", "event"), text(":event-type", kind)];
    let message = Message::new_from_parts(headers, Bytes::from_static(payload.as_bytes()));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a small message");
    Bytes::from(bytes)
}

fn start() -> Bytes {
    frame("messageStart", r#"{"role":"assistant"}"#)
}

fn hello() -> Bytes {
    frame(
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"Hello"}}"#,
    )
}

fn shape(stream: bool) -> ReplyShape {
    let body = format!(
        r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let request = crate::openai::request::ChatRequest::parse(body.as_bytes()).expect("a request");
    let config = load(CONFIG, &|_| None).expect("a valid configuration");
    let target = &config.bedrock.models["m"].target;
    crate::translate::eligible(&request, target)
        .expect("eligible")
        .shape()
}

fn identity() -> Identity {
    Identity {
        id: "chatcmpl-test".to_owned(),
        created_unix_s: 0,
    }
}

async fn seconds<T>(future: impl Future<Output = T>) -> (u64, T) {
    let start = clock::io_now();
    let result = future.await;
    (start.elapsed().as_secs(), result)
}

#[tokio::test(start_paused = true)]
async fn without_a_first_token_a_call_stalls_after_30_s() {
    // Nothing at all, and a beginning that says nothing yet: neither is a first token.
    for begun in [false, true] {
        let mut call = Scripted::new();
        if begun {
            call.send(start()).await;
        }
        let (events, writer) = (call.take(), StreamWriter::new(shape(true), identity()));
        let waiting = begin_stream(events, writer, &mut call.books);
        let (after, result) = seconds(waiting).await;
        let failure = result.err().expect("a stall");
        assert_eq!((after, failure.fault), (30, Fault::Counted(Class::Stall)));
        call.books.bedrock_failed(failure.fault, || None);
        assert_eq!(call.booked(), ["dispatched", "Failure(Stall)"]);
    }
}

/// An answer whose reading panics after its beginning.
struct Panicking(Option<Bytes>);

impl hyper::body::Body for Panicking {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let data = self
            .0
            .take()
            .expect("read to its end: the panic that is asked for");
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(data))))
    }
}

#[tokio::test]
async fn a_panic_on_bedrocks_side_is_a_failure_of_bedrocks() {
    let mut call = Scripted::new();
    let events = Timed {
        events: EventStream::new(Panicking(Some(start()))),
        patience: call.take().patience,
    };
    let writer = StreamWriter::new(shape(true), identity());
    let result = asked(begin_stream(events, writer, &mut call.books)).await;
    let failure = result.err().expect("the panic");
    assert_eq!(failure.fault, Fault::Counted(Class::Malformed));
    call.books.bedrock_failed(failure.fault, || None);
    assert_eq!(call.booked(), ["dispatched", "Failure(Malformed)"]);
    assert_eq!(caught(|| -> u8 { panic!("asked for") }), None);
    assert_eq!(caught(|| 7), Some(7));
}

#[test]
fn a_panic_over_a_sample_leaves_the_originals_call_alone() {
    assert_eq!(
        chat::glance(Some(Vec::new()), |_| panic!("asked for")),
        None
    );
}

#[tokio::test]
async fn a_panic_after_the_commit_point_ends_the_stream_with_an_error_frame() {
    let mut call = Scripted::new();
    let mut begun = start().to_vec();
    begun.extend_from_slice(&hello());
    let events = Timed {
        events: EventStream::new(Panicking(Some(begun.into()))),
        patience: call.take().patience,
    };
    let writer = StreamWriter::new(shape(true), identity());
    let stream = stream_of(begin_stream(events, writer, &mut call.books).await);
    let Scripted {
        books,
        mut bookings,
        drain,
        ..
    } = call;
    let collected = stream.into_body(books, drain.watch()).collect().await;
    let text = collected.unwrap_or_else(|never: Infallible| match never {});
    let text = String::from_utf8(text.to_bytes().to_vec()).expect("text");
    assert!(
        text.contains("Hello") && text.contains("upstream_stream_interrupted"),
        "{text}"
    );
    assert!(!text.contains("[DONE]"));
    let mut last = None;
    while let Ok(booking) = bookings.try_recv() {
        last = booking.event.verdict();
    }
    assert_eq!(last, Some(Verdict::Failure(Class::Malformed)));
}

/// The stream that has begun.
fn stream_of<B>(answer: Result<Answer<B>, Failure>) -> Box<AnswerStream<B>> {
    match answer {
        Ok(Answer::Stream(stream)) => stream,
        Ok(Answer::Whole(_)) | Err(_) => panic!("it has not begun"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_an_answer_that_is_not_streamed_is_failed_over() {
    let mut call = Scripted::new();
    call.send(start()).await;
    call.send(hello()).await;
    let events = call.take();
    let reading = read_whole(events, Fold::new(shape(false), identity()), &mut call.books);
    let (after, result) = seconds(reading).await;
    assert_eq!(
        (after, result.expect_err("a stall").fault),
        (120, Fault::Counted(Class::Stall))
    );
    assert_eq!(call.booked(), ["dispatched", "first token"]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_a_stream_ends_it_with_an_error_frame() {
    let mut call = Scripted::new();
    call.send(start()).await;
    call.send(hello()).await;
    let events = call.take();
    let writer = StreamWriter::new(shape(true), identity());
    let stream = stream_of(begin_stream(events, writer, &mut call.books).await);
    let Scripted {
        books,
        mut bookings,
        sender,
        drain,
        ..
    } = call;
    let body = stream.into_body(books, drain.watch());
    let (after, collected) = seconds(body.collect()).await;
    let text = collected
        .unwrap_or_else(|never: Infallible| match never {})
        .to_bytes();
    let text = String::from_utf8(text.to_vec()).expect("text");
    assert_eq!(after, 120);
    assert!(
        text.contains("Hello") && text.contains("upstream_stream_interrupted"),
        "{text}"
    );
    assert!(!text.contains("[DONE]"));
    let mut last = None;
    while let Ok(booking) = bookings.try_recv() {
        last = Some(booking.event);
    }
    let stall = Verdict::Failure(Class::Stall);
    assert!(
        matches!(last, Some(CallEvent::Ended { verdict, .. }) if verdict == stall),
        "{last:?}"
    );
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn events_that_keep_coming_do_not_outlast_the_total() {
    let mut call = Scripted::new();
    let events = call.take();
    let reading = async {
        let fold = Fold::new(shape(false), identity());
        let result = read_whole(events, fold, &mut call.books).await;
        result.expect_err("too long").fault
    };
    let mut sender = call.sender;
    let sending = async {
        sender.send_data(start()).await.expect("read");
        loop {
            if sender.send_data(hello()).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    };
    let both = async {
        tokio::select! {
            fault = reading => fault,
            () = sending => unreachable!("it sends for ever"),
        }
    };
    let (after, fault) = seconds(both).await;
    assert_eq!((after, fault), (600, Fault::Counted(Class::Stall)));
}

#[tokio::test]
async fn books_that_are_dropped_open_were_cancelled() {
    let mut call = Scripted::new();
    assert_eq!(call.booked(), ["dispatched"]);
    let Scripted {
        books,
        mut bookings,
        ..
    } = call;
    drop(books);
    let last = bookings.try_recv().expect("one booking").event;
    assert!(
        matches!(
            last,
            CallEvent::Ended {
                verdict: Verdict::Cancelled,
                ..
            }
        ),
        "{last:?}"
    );
    assert!(bookings.try_recv().is_err(), "and no more");
}

#[tokio::test]
async fn a_refusal_is_booked_when_the_original_has_spoken() {
    for (status, verdict) in [
        (200, Verdict::Failure(Class::Incompatible)),
        (400, Verdict::Rejected),
        (429, Verdict::Rejected),
        (500, Verdict::Rejected),
    ] {
        let mut call = Scripted::new();
        call.books.bedrock_failed(Fault::Refused, || None);
        assert_eq!(call.booked(), ["dispatched", "refused"], "no verdict yet");
        call.books.open_original();
        call.books.original_answered(status, false);
        assert_eq!(call.booked(), [format!("{verdict:?}")], "{status}");
        call.books.settle_original(Verdict::Ok);
        drop(call.books);
        assert!(
            call.bookings.try_recv().is_err(),
            "a failed-over call is no sample"
        );
    }
}

#[tokio::test]
async fn with_no_room_for_the_bookings_a_call_stays() {
    let drain = crate::drain::Drain::default();
    let (shared, _bookings) = shared(drain.watch());
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut books = Books::open(&shared, "req_test".into(), Attempt(1));
        assert!(books.open_bedrock("m", Some(0), 100).is_some());
        open.push(books);
    }
    // Sixteen places, three to a call.
    let mut books = Books::open(&shared, "req_test".into(), Attempt(1));
    assert!(books.open_bedrock("m", Some(0), 100).is_none());
}

#[tokio::test]
async fn a_call_that_is_not_traced_allocates_nothing_for_it() {
    let drain = crate::drain::Drain::default();
    let (shared, _bookings) = shared(drain.watch());
    let off = shared.snapshot.load_full();
    let mut on = Snapshot::clone(&off);
    let traces = format!("{CONFIG}traces: on\n");
    on.config = Arc::new(load(&traces, &|_| None).expect("a valid configuration"));
    for (snapshot, flags, is_traced) in
        [(&*off, "01", false), (&on, "00", false), (&on, "01", true)]
    {
        let id = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        let head = Request::post("/v1/chat/completions")
            .header("traceparent", format!("00-{id}-{flags}"))
            .body(());
        let (head, ()) = head.expect("a request").into_parts();
        let mut books = Books::open(&shared, "req_test".into(), Attempt(1));
        let counted = allocation_counter::measure(|| {
            books.trace(snapshot, &head, "/v1/chat/completions", draw);
            books.split_by(snapshot);
            books.answer_id("chatcmpl-1");
        });
        assert_eq!(counted.count_total > 0, is_traced, "{counted:?}");
    }
}

/// What the allocator hands out of a cache: a handler is allocated for each request.
const SMALL_BYTES: usize = 1_024;

#[test]
fn the_handler_of_a_forwarded_call_is_small() {
    fn of<A, B, F>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }
    assert!(of(serve) <= SMALL_BYTES, "{} bytes", of(serve));
}
