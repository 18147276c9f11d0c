//! `crossfade emulate`: the parts of the demo one by one, and how to break them.
//!
//! `openai`, `bedrock` and `app` run until they are stopped; `tell` and `ask` are one request to
//! one that runs.

use super::client::{self, Answer, Sidecar};
use super::{EXIT_FAILED, End, block_on, complain, finish, variable};
use crate::config::secret::Secret;
use crate::demo::emulate::{self, Fault, Provider, Steady};
use clap::{Args, Subcommand, ValueEnum};
use http::Uri;
use http::uri::Scheme;
use serde::Deserialize;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Run a part of the demo by itself: an emulated provider or an app, without a cloud account.
///
/// With `crossfade run` between them that is a whole stack; docker-compose.yml starts it.
#[derive(Debug, Args)]
pub(super) struct Emulate {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// OpenAI: chat completions, models, embeddings; takes any key.
    Openai {
        /// Where it listens.
        #[arg(long, value_name = "ADDRESS", default_value = OPENAI, value_parser = address)]
        listen: SocketAddr,
    },
    /// Amazon Bedrock: Converse and ConverseStream, with signatures checked.
    Bedrock {
        /// Where it listens.
        #[arg(long, value_name = "ADDRESS", default_value = BEDROCK, value_parser = address)]
        listen: SocketAddr,
    },
    // Its words are beside its arguments.
    App(App),
    // Its words are beside its arguments.
    Tell(Tell),
    // Its words are beside its arguments.
    Ask(Ask),
}

/// An app that chats at a steady pace, streamed and not, and counts what it sees.
///
/// The key that it brings is OPENAI_API_KEY; without it, one that an emulated OpenAI takes.
#[derive(Debug, Args)]
struct App {
    /// What it calls, as an OpenAI SDK takes it [default: OPENAI_BASE_URL, or
    /// http://127.0.0.1:8787/v1].
    #[arg(long, value_name = "URL", value_parser = base_url)]
    base_url: Option<String>,
    /// Calls a second, up to 200.
    #[arg(long, value_name = "CALLS", default_value = "5", value_parser = pace)]
    rate: Duration,
    /// Where it says what it has seen.
    #[arg(long, value_name = "ADDRESS", default_value = APP, value_parser = address)]
    listen: SocketAddr,
}

/// Make an emulated provider fail, or repair it.
#[derive(Debug, Args)]
struct Tell {
    /// Which one.
    #[arg(value_enum)]
    provider: Told,
    /// What goes wrong from now on.
    #[arg(value_enum, required_unless_present = "rules")]
    fault: Option<Fault>,
    /// How many of the calls it happens to, in percent [default: all].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100), conflicts_with = "rules")]
    percent: Option<u8>,
    /// The emulator's own rules instead of a word, such as {"behaviour": "html", "status": 502} for
    /// bedrock.
    #[arg(long, value_name = "JSON", conflicts_with = "fault")]
    rules: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// Say how an emulated provider or the app stands; fails if it does not answer.
#[derive(Debug, Args)]
struct Ask {
    /// Which one.
    #[arg(value_enum)]
    part: Asked,
    /// For programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
struct At {
    /// Where it is [default: where it listens by default].
    #[arg(long, value_name = "URL", value_parser = client::base)]
    at: Option<Uri>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Told {
    /// The emulated OpenAI.
    Openai,
    /// The emulated Bedrock.
    Bedrock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Asked {
    /// The emulated OpenAI.
    Openai,
    /// The emulated Bedrock.
    Bedrock,
    /// The app.
    App,
}

impl Told {
    const fn provider(self) -> Provider {
        match self {
            Self::Openai => Provider::OpenAi,
            Self::Bedrock => Provider::Bedrock,
        }
    }

    const fn part(self) -> Asked {
        match self {
            Self::Openai => Asked::Openai,
            Self::Bedrock => Asked::Bedrock,
        }
    }
}

impl Asked {
    /// The word on the command line, and where it listens by default.
    const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Openai => ("openai", OPENAI),
            Self::Bedrock => ("bedrock", BEDROCK),
            Self::App => ("app", APP),
        }
    }
}

/// Runs a part until it is stopped, or makes the one request.
pub(super) fn run(args: Emulate) -> ExitCode {
    let ended = match args.part {
        Part::Openai { listen } => block_on(emulate::provider(Provider::OpenAi, listen)),
        Part::Bedrock { listen } => block_on(emulate::provider(Provider::Bedrock, listen)),
        Part::App(app) => match steady(app) {
            Ok(steady) => block_on(emulate::app(steady)),
            Err(why) => return complain(EXIT_FAILED, &why),
        },
        Part::Tell(tell) => return finish(block_on(told(&tell))),
        Part::Ask(ask) => return finish(block_on(asked(&ask))),
    };
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) | Err(error) => complain(EXIT_FAILED, &error),
    }
}

fn steady(app: App) -> Result<Steady, String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let base_url = match (app.base_url, set("OPENAI_BASE_URL")) {
        (Some(given), _) => given,
        (None, Some(set)) => base_url(&set).map_err(|why| format!("OPENAI_BASE_URL: {why}"))?,
        (None, None) => BASE_URL.to_owned(),
    };
    let key = set("OPENAI_API_KEY").map(Secret::new);
    if key.as_ref().is_some_and(|key| !key.fits_a_header()) {
        return Err("OPENAI_API_KEY holds characters that a header cannot carry".to_owned());
    }
    Ok(Steady {
        base_url,
        key,
        pace: app.rate,
        listen: app.listen,
    })
}

async fn told(tell: &Tell) -> End {
    let rules = match (&tell.fault, &tell.rules) {
        (Some(fault), _) => {
            let probability = tell.percent.map(|percent| f64::from(percent) / 100.0);
            let rules = fault.rules(tell.provider.provider(), probability);
            rules.to_string()
        }
        (None, Some(rules)) => rules.clone(),
        // The definition of the arguments wants one of the two.
        (None, None) => String::new(),
    };
    let part = tell.provider.part();
    let port = match port(part, &tell.at) {
        Ok(port) => port,
        Err(refused) => return refused,
    };
    match port.put("/__emulator/behaviour", rules.into()).await {
        Ok(Answer { status, .. }) if status.is_success() => look(part, &port, tell.json).await,
        other => unsuited(part, &port, other),
    }
}

async fn asked(ask: &Ask) -> End {
    match port(ask.part, &ask.at) {
        Ok(port) => look(ask.part, &port, ask.json).await,
        Err(refused) => refused,
    }
}

/// Asks how it is.
async fn look(part: Asked, port: &Sidecar, json: bool) -> End {
    let answer = port.get("/__emulator/state", "application/json").await;
    let body = match answer {
        Ok(Answer { status, body, .. }) if status.is_success() => body,
        other => return unsuited(part, port, other),
    };
    if json {
        return End::Done(format!("{body}\n"));
    }
    let state = serde_json::from_str(&body).unwrap_or_default();
    let told = match part {
        Asked::Openai | Asked::Bedrock => emulate::standing(&state),
        Asked::App => emulate::seen(&state),
    };
    End::Done(format!("{told}\n"))
}

/// What is answered by no emulator, or by one that does not understand.
fn unsuited(part: Asked, port: &Sidecar, answer: Result<Answer, String>) -> End {
    let (name, _) = part.place();
    match answer {
        Ok(Answer { status, body, .. }) => {
            let error: Option<Refusal> = serde_json::from_str(&body).ok();
            let text = match error {
                Some(Refusal { error }) => format!("{} refuses: {error}", port.base),
                None => format!(
                    "{} answers {status}; is it `crossfade emulate {name}`?",
                    port.base
                ),
            };
            End::Refused { text, json: false }
        }
        Err(why) => End::Unavailable(format!(
            "nothing emulated answers at {}: {why}.\nStart it with `crossfade emulate {name}`, or \
             say where it is with `--at URL`.",
            port.base
        )),
    }
}

/// What is read of an emulator's refusal.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
}

/// An emulator is asked as a sidecar's admin port is, without a token.
fn port(part: Asked, at: &At) -> Result<Sidecar, End> {
    let (_, usual) = part.place();
    let base = at.at.clone().map_or_else(|| client::base(usual), Ok);
    let refused = |text| End::Refused { text, json: false };
    let base = base.map_err(refused)?;
    Ok(Sidecar { base, token: None })
}

/// Reads an address to listen on.
fn address(text: &str) -> Result<SocketAddr, String> {
    let accepted = "accepted: ADDRESS:PORT, such as 127.0.0.1:9000 or 0.0.0.0:9000";
    text.parse().map_err(|_| accepted.to_owned())
}

/// Reads a base URL of plain HTTP.
fn base_url(text: &str) -> Result<String, String> {
    let uri: Option<Uri> = text.parse().ok();
    let plain = uri.is_some_and(|uri| {
        uri.scheme() == Some(&Scheme::HTTP) && uri.authority().is_some() && uri.query().is_none()
    });
    if plain {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("accepted: http://HOST:PORT/v1".to_owned())
    }
}

/// Reads a rate: the time between two calls.
fn pace(text: &str) -> Result<Duration, String> {
    let rate: Option<f64> = text.parse().ok();
    rate.filter(|rate| (RATE_MIN..=RATE_MAX).contains(rate))
        .map(|rate| Duration::from_secs_f64(1.0 / rate))
        .ok_or_else(|| format!("accepted: {RATE_MIN} to {RATE_MAX} calls a second"))
}

/// crossfade's own default.
const BASE_URL: &str = "http://127.0.0.1:8787/v1";

/// One call in a hundred seconds.
const RATE_MIN: f64 = 0.01;

/// What one process of the demo answers with ease.
const RATE_MAX: f64 = 200.0;

/// Where each part listens unless something else is said.
const BEDROCK: &str = "127.0.0.1:9000";
const OPENAI: &str = "127.0.0.1:9001";
const APP: &str = "127.0.0.1:9002";

#[cfg(test)]
mod tests {
    use super::{address, base_url, pace};
    use std::time::Duration;

    #[test]
    fn a_rate_becomes_a_pace() {
        assert_eq!(pace("5"), Ok(Duration::from_millis(200)));
        assert_eq!(pace("0.5"), Ok(Duration::from_secs(2)));
        for wrong in ["0", "-1", "NaN", "inf", "1000", "many", ""] {
            let why = pace(wrong).expect_err(wrong);
            assert!(why.contains("calls a second"), "{wrong}: {why}");
        }
    }

    #[test]
    fn a_base_url_is_plain_http() {
        for (text, expected) in [
            ("http://crossfade:8787/v1", "http://crossfade:8787/v1"),
            ("http://127.0.0.1:8787/v1/", "http://127.0.0.1:8787/v1"),
        ] {
            assert_eq!(base_url(text).as_deref(), Ok(expected));
        }
        for wrong in [
            "",
            "crossfade:8787",
            "https://a/v1",
            "http://a/v1?x=1",
            "/v1",
        ] {
            let why = base_url(wrong).expect_err(wrong);
            assert!(why.contains("http://HOST:PORT/v1"), "{wrong}: {why}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        assert!(address("0.0.0.0:9000").is_ok() && address("[::1]:9000").is_ok());
        for wrong in ["9000", ":9000", "localhost:9000", "127.0.0.1"] {
            let why = address(wrong).expect_err(wrong);
            assert!(why.contains("ADDRESS:PORT"), "{wrong}: {why}");
        }
    }
}
