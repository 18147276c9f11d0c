//! The providers, as cheap as can be: prepared bytes, no JSON, no signature checked. One listener
//! speaks OpenAI, the other Bedrock.
//!
//! A word in the prompt says which answer is wanted, because it is the one thing that survives
//! translation: see [`Manner`].

use crate::Result;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use memchr::memmem;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Deltas in a streamed answer.
pub(crate) const DELTAS: usize = 50;
/// Between two deltas of a paced answer.
const PACE: Duration = Duration::from_millis(20);

/// How an answer is sent. The prompt contains `bench:` and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One short answer; not streamed where the protocol has a choice.
    Short,
    /// All deltas at once.
    Burst,
    /// A delta every 20 ms.
    Paced,
    /// The first delta, then nothing until the caller leaves.
    Hold,
}

impl Manner {
    const ALL: [Self; 4] = [Self::Short, Self::Burst, Self::Paced, Self::Hold];

    /// The word in the prompt.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Short => "bench:short",
            Self::Burst => "bench:burst",
            Self::Paced => "bench:paced",
            Self::Hold => "bench:hold",
        }
    }
}

/// The prepared bytes of one provider.
struct Answers {
    short: Vec<u8>,
    stream_head: Vec<u8>,
    /// One HTTP chunk for each delta; what opens the stream is in the first, what closes it in
    /// the last.
    chunks: Vec<Vec<u8>>,
}

/// Serves both providers until the process is ended; prints the two addresses first.
pub(crate) async fn serve() -> Result<()> {
    let openai = TcpListener::bind(("127.0.0.1", 0)).await?;
    let bedrock = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addresses: [SocketAddr; 2] = [openai.local_addr()?, bedrock.local_addr()?];
    let mut out = std::io::stdout();
    writeln!(out, "{} {}", addresses[0], addresses[1])?;
    out.flush()?;
    let (openai_answers, bedrock_answers) =
        (Arc::new(openai_answers()), Arc::new(bedrock_answers()?));
    loop {
        let (socket, answers) = tokio::select! {
            accepted = openai.accept() => (accepted?.0, &openai_answers),
            accepted = bedrock.accept() => (accepted?.0, &bedrock_answers),
        };
        socket.set_nodelay(true)?;
        let answers = Arc::clone(answers);
        // A caller that leaves ends its connection's task with an error; nobody asks for it.
        tokio::spawn(async move { converse(socket, &answers).await });
    }
}

async fn converse(mut socket: TcpStream, answers: &Answers) -> Result<()> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some((manner, used)) = read_request(&mut socket, &mut buffer).await? else {
            return Ok(());
        };
        buffer.drain(..used);
        match manner {
            Manner::Short => socket.write_all(&answers.short).await?,
            Manner::Burst => {
                let mut whole = answers.stream_head.clone();
                answers
                    .chunks
                    .iter()
                    .for_each(|chunk| whole.extend_from_slice(chunk));
                whole.extend_from_slice(LAST_CHUNK);
                socket.write_all(&whole).await?;
            }
            Manner::Paced => {
                socket.write_all(&answers.stream_head).await?;
                let mut ticks = tokio::time::interval(PACE);
                for chunk in &answers.chunks {
                    ticks.tick().await;
                    socket.write_all(chunk).await?;
                }
                socket.write_all(LAST_CHUNK).await?;
            }
            Manner::Hold => {
                socket.write_all(&answers.stream_head).await?;
                socket
                    .write_all(answers.chunks.first().ok_or("no chunk")?)
                    .await?;
                while socket.read_buf(&mut buffer).await? > 0 {}
                return Ok(());
            }
        }
    }
}

/// The next request's manner and length; none at a clean end. Bodies have a `content-length`.
async fn read_request(
    socket: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Result<Option<(Manner, usize)>> {
    let head = loop {
        if let Some(at) = memmem::find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err("half a request".into())
            };
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    let length: usize = text
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .ok_or("a request without content-length")?
        .1
        .trim()
        .parse()?;
    while buffer.len() < head + length {
        if socket.read_buf(buffer).await? == 0 {
            return Err("half a body".into());
        }
    }
    let body = &buffer[head..head + length];
    let word = memmem::find(body, b"bench:").ok_or("a prompt without a bench: word")?;
    let manner = Manner::ALL
        .into_iter()
        .find(|manner| body[word..].starts_with(manner.word().as_bytes()))
        .ok_or("an unknown bench: word")?;
    Ok(Some((manner, head + length)))
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const WORDS: &str = "sixteen letters.";

fn http_chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

fn openai_answers() -> Answers {
    let body = format!(
        r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{{"index":0,"message":{{"role":"assistant","content":"{WORDS}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}},"system_fingerprint":null}}"#
    );
    let short = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: bench\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let event = |delta: &str, finish: &str| {
        format!(
            r#"data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}{}"#,
            "\n\n"
        )
    };
    let chunks = (0..DELTAS).map(|number| {
        let mut data = String::new();
        if number == 0 {
            data += &event(
                r#"{"role":"assistant","content":"","refusal":null}"#,
                "null",
            );
        }
        data += &event(&format!(r#"{{"content":"{WORDS}"}}"#), "null");
        if number == DELTAS - 1 {
            data += &event("{}", r#""stop""#);
            data += "data: [DONE]\n\n";
        }
        http_chunk(data.as_bytes())
    });
    Answers {
        short: short.into_bytes(),
        stream_head: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: bench\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        chunks: chunks.collect(),
    }
}

fn bedrock_answers() -> Result<Answers> {
    let start = frame("messageStart", r#"{"role":"assistant","p":"abcd"}"#)?;
    let delta = frame(
        "contentBlockDelta",
        &format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{WORDS}"}},"p":"abcdefghij"}}"#),
    )?;
    let end = [
        frame("contentBlockStop", r#"{"contentBlockIndex":0,"p":"abcdefgh"}"#)?,
        frame("messageStop", r#"{"stopReason":"end_turn","p":"abcdefghijkl"}"#)?,
        frame(
            "metadata",
            r#"{"usage":{"inputTokens":9,"outputTokens":50,"totalTokens":59},"metrics":{"latencyMs":20},"p":"ab"}"#,
        )?,
    ]
    .concat();
    let chunks: Vec<Vec<u8>> = (0..DELTAS)
        .map(|number| {
            let mut data = if number == 0 {
                start.clone()
            } else {
                Vec::new()
            };
            data.extend_from_slice(&delta);
            if number == DELTAS - 1 {
                data.extend_from_slice(&end);
            }
            http_chunk(&data)
        })
        .collect();
    let stream_head = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\nx-amzn-requestid: bench\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let short = [
        &stream_head[..],
        &http_chunk(&[start, delta, end].concat()),
        LAST_CHUNK,
    ]
    .concat();
    Ok(Answers {
        short,
        stream_head,
        chunks,
    })
}

fn frame(event: &'static str, payload: &str) -> Result<Vec<u8>> {
    let header = |name: &'static str, value: &'static str| {
        Header::new(name, HeaderValue::String(value.into()))
    };
    let message = Message::new(Bytes::copy_from_slice(payload.as_bytes()))
        .add_header(header(":event-type", event))
        .add_header(header(":content-type", "application/json"))
        .add_header(header(":message-type", "event"));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes)?;
    Ok(bytes)
}
