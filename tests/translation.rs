//! Golden cases: what an app sends and what Bedrock is told of it, what Bedrock says and what the
//! app reads of that.
//!
//! Each file of `fixtures/translation` is one case: a sentence, a head (`target`, `family`,
//! `capabilities`, `allow`, `refuse`, `prefix`, the defaults `temperature` and `top_p`, and `covers`,
//! the numbers of the specification's cases), then sections.
//! `request` and `events` are given; all others are what crossfade makes of them. `UPDATE_GOLDEN=1`
//! writes those anew, to be read in the diff. Images and documents are written `@{png}`, `@{jpeg}`,
//! `@{gif}`, `@{webp}`, `@{pdf}`.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken case must fail loudly"
)]

use crate::support::bodies::{Source, recorder};
use crossfade::converse::{Event, Fault, ServiceError};
use crossfade::demo::emulator::Recorder;
use crossfade::openai::ChatRequest;
use crossfade::translate::capability::Column;
use crossfade::translate::{
    Allowance, Defaults, Ending, Fold, Fraction, Identity, Loss, Reason, ReplyShape, StreamWriter,
    Target, eligible, error,
};
use std::fmt::Write as _;
use std::path::PathBuf;

#[test]
fn golden() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let recorder = recorder(Source::Golden);
    let mut wrong = String::new();
    for file in files() {
        let found = std::fs::read_to_string(&file).unwrap();
        let made = Case::read(&found).run(recorder.as_ref());
        if found == made {
            continue;
        }
        if update {
            std::fs::write(&file, made).unwrap();
        } else {
            let _ = write!(
                wrong,
                "\n{}:\n{}",
                file.display(),
                first_difference(&found, &made)
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}\n(UPDATE_GOLDEN=1 accepts what was made)"
    );
}

#[test]
fn every_reason_every_loss_and_every_specified_case_has_a_file() {
    let texts: Vec<String> = files()
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let seen = |section: &str, name: &str| {
        texts.iter().any(|text| {
            let (_, rest) = text
                .split_once(&format!("\n== {section}\n"))
                .unwrap_or_default();
            rest.lines()
                .take_while(|line| !line.is_empty())
                .any(|line| line == name)
        })
    };
    let reasons = Reason::ALL
        .iter()
        .filter(|reason| !OF_THE_PROXY.contains(reason));
    let mut missing: Vec<&str> = reasons
        .map(|reason| reason.name())
        .filter(|name| !seen("reason", name))
        .collect();
    missing.extend(
        Loss::ALL
            .iter()
            .map(|loss| loss.name())
            .filter(|name| !seen("losses", name)),
    );
    assert!(missing.is_empty(), "without a case: {missing:?}");

    let covers = |text: &str, number: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("covers: "))
            .is_some_and(|numbers| numbers.split(' ').any(|covered| covered == number))
    };
    let uncovered: Vec<u32> = (1..=120)
        .filter(|number| !ELSEWHERE.contains(number))
        .filter(|number| !texts.iter().any(|text| covers(text, &number.to_string())))
        .collect();
    assert!(
        uncovered.is_empty(),
        "specified, but without a case: {uncovered:?}"
    );
}

/// What only the proxy knows.
const OF_THE_PROXY: [Reason; 11] = [
    Reason::Breaker,
    Reason::Busy,
    Reason::SlowBody,
    Reason::Caller,
    Reason::ContentEncoding,
    Reason::ContentType,
    Reason::ContextWindow,
    Reason::RequestSize,
    Reason::Starting,
    Reason::Throttled,
    Reason::UnmappedModel,
];

/// Cases that need more than a translation: paths (56), SDKs (108), time (112), a client that
/// leaves (114), errors of HTTP (117, 118).
const ELSEWHERE: [u32; 6] = [56, 108, 112, 114, 117, 118];

fn files() -> Vec<PathBuf> {
    let directory: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests",
        "fixtures",
        "translation",
    ]
    .iter()
    .collect();
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the cases are missing");
    files
}

fn first_difference(found: &str, made: &str) -> String {
    let mut found = found.lines();
    for (number, made) in made.lines().enumerate() {
        let found = found.next().unwrap_or_default();
        if found != made {
            return format!("  line {}\n  - {found}\n  + {made}\n", number + 1);
        }
    }
    String::from("  lines are missing at the end\n")
}

/// One file.
struct Case<'a> {
    /// Everything before the first section, as it is.
    head: &'a str,
    request: &'a str,
    events: Option<&'a str>,
}

impl<'a> Case<'a> {
    fn read(text: &'a str) -> Self {
        let (head, _) = text.split_once("\n== ").expect("a section");
        let section = |name: &str| {
            let (_, rest) = text.split_once(&format!("\n== {name}\n"))?;
            Some(
                rest.split_once("\n== ")
                    .map_or(rest, |(section, _)| section)
                    .trim(),
            )
        };
        Self {
            head,
            request: section("request").expect("a request"),
            events: section("events"),
        }
    }

    fn of_head(&self, key: &str) -> Option<&'a str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }

    fn target(&self) -> Target {
        let id = self.of_head("target").expect("a target");
        let mut target = Target::new(id, self.of_head("family")).unwrap();
        let mut capabilities = target.capabilities;
        let own = self.of_head("capabilities").unwrap_or_default();
        for (name, value) in own.split_whitespace().filter_map(|of| of.split_once('=')) {
            let column = Column::all().iter().find(|column| column.name() == name);
            let set = column.expect("a column").set(&mut capabilities, value);
            set.expect("a value");
        }
        target = target.with_capabilities(capabilities);
        let allowed = self.of_head("allow").unwrap_or_default();
        target.allow = allowed
            .split_whitespace()
            .map(|name| Allowance::from_name(name).expect("an allowance"))
            .collect();
        target.system_prefix = self.of_head("prefix").map(str::to_owned);
        let refused = self.of_head("refuse").unwrap_or_default();
        target.refuse = refused
            .split_whitespace()
            .map(|name| Loss::from_name(name).expect("a loss"))
            .collect();
        target.defaults = Defaults {
            temperature: self.of_head("temperature").and_then(Fraction::new),
            top_p: self.of_head("top_p").and_then(Fraction::new),
        };
        target
    }

    fn run(&self, recorder: Option<&Recorder>) -> String {
        let mut text = format!("{}\n\n== request\n{}\n", self.head.trim_end(), self.request);
        let body = fill(self.request);
        let target = self.target();
        let request = match ChatRequest::parse(body.as_bytes()) {
            Ok(request) => request,
            Err(malformed) => {
                let _ = write!(text, "\n== malformed\n{malformed}\n");
                return text;
            }
        };
        let eligible = match eligible(&request, &target) {
            Ok(eligible) => eligible,
            Err(reason) => {
                let _ = write!(text, "\n== reason\n{}\n", reason.name());
                return text;
            }
        };
        let body = eligible.converse_body();
        assert_eq!(
            body,
            eligible.converse_body(),
            "equal requests give equal bytes"
        );
        if let Some(recorder) = recorder {
            let model = self.of_head("target").expect("a target");
            recorder.add("converse-stream", model, &body).expect("room");
        }
        let body = unfill(&pretty(str::from_utf8(&body).unwrap()));
        let _ = write!(text, "\n== converse\n{body}\n");
        if !eligible.losses().is_empty() {
            let losses: Vec<_> = eligible.losses().iter().map(|loss| loss.name()).collect();
            let _ = write!(text, "\n== losses\n{}\n", losses.join("\n"));
        }
        if let Some(events) = self.events {
            let _ = write!(text, "\n== events\n{events}\n");
            text += &reply(events, &eligible.shape());
        }
        text
    }
}

/// What the app reads: streamed, and in one piece.
fn reply(events: &str, shape: &ReplyShape) -> String {
    let identity = Identity {
        id: String::from("chatcmpl-golden"),
        created_unix_s: 1_700_000_000,
    };
    let mut writer = StreamWriter::new(shape.clone(), identity.clone());
    let mut fold = Fold::new(shape.clone(), identity);
    let mut chunks = Vec::new();
    let streamed = feed(events, |event| writer.push(event, &mut chunks))
        .and_then(|()| writer.finish(&mut chunks));
    let folded = feed(events, |event| fold.push(event)).and_then(|()| fold.finish());

    let mut text = String::new();
    let chunks = String::from_utf8(chunks).unwrap();
    if !chunks.is_empty() {
        let chunks = chunks
            .strip_suffix("\n\n")
            .expect("whole events")
            .replace("\n\n", "\n");
        let _ = write!(text, "\n== chunks\n{chunks}\n");
    }
    match writer.ending() {
        Ending::Usual => {}
        Ending::OwnCap => text += "\n== ending\nown_cap\n",
        Ending::UnknownReason(word) => {
            let _ = write!(text, "\n== ending\nunknown_reason {word}\n");
        }
    }
    match folded {
        Ok(answer) => {
            assert_eq!(
                streamed,
                Ok(()),
                "the stream broke and the folded answer did not"
            );
            let answer = pretty(str::from_utf8(&answer).unwrap());
            let _ = write!(text, "\n== answer\n{answer}\n");
        }
        Err(fault) => {
            assert_eq!(
                streamed.as_ref(),
                Err(&fault),
                "the stream broke in another way"
            );
            let (status, body) = error::fault_reply(&fault);
            let body = String::from_utf8(body.to_json()).unwrap();
            let _ = write!(text, "\n== fault\n{fault}\n{status} {body}\n");
        }
    }
    text
}

/// Reads lines `TYPE PAYLOAD`, and `!TYPE PAYLOAD` for exceptions.
fn feed(events: &str, mut push: impl FnMut(Event<'_>) -> Result<(), Fault>) -> Result<(), Fault> {
    for line in events.lines() {
        let (kind, payload) = line.split_once(' ').expect("TYPE PAYLOAD");
        if let Some(kind) = kind.strip_prefix('!') {
            let error = ServiceError::from_exception(kind, payload.as_bytes());
            return Err(Fault::Exception(error));
        }
        if let Some(event) = Event::parse(kind, payload.as_bytes())? {
            push(event)?;
        }
    }
    Ok(())
}

/// The smallest images and documents that are what they seem.
const MEDIA: [(&str, &str); 5] = [
    (
        "@{png}",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    ),
    (
        "@{jpeg}",
        "/9j/4AAQSkZJRgABAQEASABIAAD/wAARCAABAAEDASIAAhEBAxEB/9k=",
    ),
    (
        "@{gif}",
        "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    ),
    (
        "@{webp}",
        "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=",
    ),
    ("@{pdf}", "JVBERi0xLjQKJSVFT0YK"),
];

fn fill(text: &str) -> String {
    MEDIA.iter().fold(text.to_owned(), |text, (name, base64)| {
        text.replace(name, base64)
    })
}

fn unfill(text: &str) -> String {
    MEDIA.iter().fold(text.to_owned(), |text, (name, base64)| {
        text.replace(base64, name)
    })
}

/// JSON with line breaks: values that fit stay in one line, everything else is as it was.
fn pretty(json: &str) -> String {
    let mut text = String::new();
    write_value(json, 0, &mut text);
    text
}

const WIDTH: usize = 100;

fn write_value(json: &str, indent: usize, text: &mut String) {
    let inner = json.get(1..json.len() - 1).unwrap_or_default();
    let is_nested = json.starts_with(['{', '[']) && !inner.is_empty();
    if !is_nested || json.chars().count() + indent <= WIDTH {
        text.push_str(json);
        return;
    }
    text.push_str(&json[..1]);
    for (index, member) in members(inner).into_iter().map(str::trim).enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(indent + 2));
        let value = if json.starts_with('{') {
            value_of(member)
        } else {
            member
        };
        text.push_str(&member[..member.len() - value.len()]);
        write_value(value, indent + 2, text);
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push_str(&json[json.len() - 1..]);
}

/// The members of an object or array without its brackets.
fn members(inner: &str) -> Vec<&str> {
    let (mut members, mut start) = (Vec::new(), 0);
    for (at, byte) in outside_strings(inner) {
        if byte == b',' {
            members.push(&inner[start..at]);
            start = at + 1;
        }
    }
    members.push(&inner[start..]);
    members
}

fn value_of(member: &str) -> &str {
    let colon = outside_strings(member)
        .into_iter()
        .find(|(_, byte)| *byte == b':');
    colon.map_or(member, |(at, _)| member[at + 1..].trim_start())
}

/// The bytes that are in no string and no bracket, with their places.
fn outside_strings(json: &str) -> Vec<(usize, u8)> {
    let (mut bytes, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ if depth == 0 => bytes.push((at, byte)),
            _ => {}
        }
    }
    bytes
}
