//! `crossfade emulate`: the parts of the demo, each as a process of its own.
//!
//! `docker-compose.yml` runs them around a real crossfade; so can whoever tries crossfade out or
//! tests a deployment. A provider answers as in the demo and misbehaves when it is told to
//! ([`Fault`] has the usual ways); the app calls at a steady pace and judges each answer. Each says
//! on stdout what it does, answers `GET /__emulator/state`, and ends at SIGTERM without an error.

use super::app::{KEY, Target};
use super::emulator::{
    BedrockEmulator, Credentials, Desk, Emulator, OpenAiEmulator, Provider as Emulated,
};
use super::load::{Load, Tally};
use super::stage::TALK;
use super::stopped;
use crate::config::secret::Secret;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

mod fault;

pub use fault::Fault;

/// How often something new is said.
const NEWS: Duration = Duration::from_secs(10);

/// How long the app waits for its last answers when it is stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(8);

/// How often the app looks whether they are there.
const LOOK: Duration = Duration::from_millis(100);

/// An emulated provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI.
    OpenAi,
    /// Amazon Bedrock.
    Bedrock,
}

/// How the app calls.
#[derive(Clone, Debug)]
pub struct Steady {
    /// The base URL, as an OpenAI SDK takes it: `http://HOST:PORT/v1`.
    pub base_url: String,
    /// The key that it brings; none: one that the emulated OpenAI takes.
    pub key: Option<Secret>,
    /// The time between two calls.
    pub pace: Duration,
    /// Where it says what it has seen.
    pub listen: SocketAddr,
}

/// Emulates a provider until Ctrl-C or SIGTERM.
///
/// # Errors
/// The address cannot be bound, as a sentence for the person who gave it.
pub async fn provider(provider: Provider, listen: SocketAddr) -> io::Result<()> {
    let stopped = stopped()?;
    let refused = |error| cannot_listen(listen, &error);
    match provider {
        Provider::OpenAi => {
            let emulator = OpenAiEmulator::start(listen).await.map_err(refused)?;
            let url = url(emulator.addr());
            say(&format!(
                "OpenAI, emulated, on {url}\n  original.url: {url} in rollout.yaml; it takes any \
                 key\n  break it: crossfade emulate tell openai fail --at {url}"
            ));
            serve(emulator, stopped).await;
        }
        Provider::Bedrock => {
            let keys = Credentials::default();
            let emulator = BedrockEmulator::start(listen, keys.clone()).await;
            let emulator = emulator.map_err(refused)?;
            let url = url(emulator.addr());
            say(&format!(
                "Amazon Bedrock, emulated, on {url}\n  bedrock.endpoint: {url} and \
                 bedrock.region: {} in rollout.yaml\n  AWS_ACCESS_KEY_ID={} \
                 AWS_SECRET_ACCESS_KEY={}\n  break it: crossfade emulate tell bedrock fail --at {url}",
                keys.region, keys.access_key_id, keys.secret_access_key,
            ));
            serve(emulator, stopped).await;
        }
    }
    Ok(())
}

/// Calls at a steady pace until Ctrl-C or SIGTERM, and then waits a little for the last answers.
///
/// # Errors
/// The address cannot be bound, as a sentence for the person who gave it.
pub async fn app(steady: Steady) -> io::Result<()> {
    let stopped = stopped()?;
    let Steady {
        base_url,
        key,
        pace,
        listen,
    } = steady;
    let target = Target {
        base_url: base_url.clone(),
        key: key.unwrap_or_else(|| Secret::new(KEY)),
    };
    let load = Arc::new(Load::start(target, pace));
    let reported = Arc::clone(&load);
    let desk = Desk::start(listen, move || report(&reported.tally())).await;
    let desk = desk.map_err(|error| cannot_listen(listen, &error))?;
    say(&format!(
        "An app that calls {base_url} {:.1} times a second; what it saw: {}/__emulator/state",
        1.0 / pace.as_secs_f64(),
        url(desk.addr()),
    ));
    let mut news = tokio::time::interval(NEWS);
    news.tick().await;
    load.mark(u64::MAX);
    let telling = async {
        loop {
            news.tick().await;
            say(&line(&load.tally(), load.take_error()));
            load.mark(u64::MAX);
        }
    };
    tokio::select! {
        () = telling => {}
        () = stopped => {}
    }
    load.pause();
    let ended = async {
        let mut look = tokio::time::interval(LOOK);
        while load.tally().in_flight > 0 {
            look.tick().await;
        }
    };
    // Who does not answer by then is not waited for: a stop is a stop.
    let _ = tokio::time::timeout(LAST_ANSWERS, ended).await;
    say(&seen(&report(&load.tally())));
    Ok(())
}

/// Says what is new until it is stopped.
async fn serve<P: Emulated>(emulator: Emulator<P>, stopped: impl Future<Output = ()>) {
    emulator.set(TALK);
    let telling = async {
        let mut pace = tokio::time::interval(NEWS);
        let mut told = emulator.state();
        loop {
            pace.tick().await;
            let state = emulator.state();
            if state != told {
                say(&standing(&state));
                told = state;
            }
        }
    };
    tokio::select! {
        () = telling => {}
        () = stopped => {}
    }
    say(&standing(&emulator.state()));
    emulator.stop().await;
}

/// What an emulator's state means.
pub fn standing(state: &Value) -> String {
    let requests = state.get("requests").and_then(Value::as_u64).unwrap_or(0);
    let rules = state.get("behaviour").and_then(Value::as_array);
    let rules: Vec<_> = rules.into_iter().flatten().map(rule).collect();
    if rules.is_empty() {
        format!("requests: {requests}; answers as usual")
    } else {
        format!("requests: {requests}; plays {}", rules.join(", then "))
    }
}

/// A rule's behaviour, and what is said of it.
fn rule(rule: &Value) -> String {
    let name = rule.get("behaviour").and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let more = rule.as_object().into_iter().flatten();
    let more: Vec<_> = more
        .filter(|(key, value)| *key != "behaviour" && !value.is_null())
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    if more.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", more.join(", "))
    }
}

/// What the app saw, for programs.
fn report(tally: &Tally) -> Value {
    json!({
        "answered": tally.answered, "bedrock": tally.bedrock, "failovers": tally.failovers,
        "errors": tally.errors, "in_flight": tally.in_flight,
    })
}

/// What the calls since the last line came to, and what there is in all.
fn line(tally: &Tally, error: Option<String>) -> String {
    let marked = tally.marked;
    let error = error.map_or_else(String::new, |error| format!("; an error: {error}"));
    format!(
        "{:.1} % of {} calls sent to Bedrock; in all {}{error}",
        marked.percent(),
        marked.answered,
        seen(&report(tally)),
    )
}

/// What an app's state means.
pub fn seen(state: &Value) -> String {
    let count = |key| state.get(key).and_then(Value::as_u64).unwrap_or(0);
    format!(
        "answered: {}, by Bedrock: {}, failovers: {}, errors: {}",
        count("answered"),
        count("bedrock"),
        count("failovers"),
        count("errors")
    )
}

/// The address as it is called from this machine.
fn url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        named => named,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

fn cannot_listen(listen: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
}

/// One line or more for whoever reads the output. That nobody does is no failure.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::{Tally, line, report, seen, standing, url};
    use serde_json::json;

    #[test]
    fn an_emulator_says_what_it_plays() {
        let usual = json!({"requests": 3, "behaviour": []});
        assert_eq!(standing(&usual), "requests: 3; answers as usual");
        let rules = json!([
            {"behaviour": "error", "kind": "throttling", "message": null, "times": 2},
            {"behaviour": "hang"},
        ]);
        assert_eq!(
            standing(&json!({"requests": 4, "behaviour": rules})),
            r#"requests: 4; plays error (kind "throttling", times 2), then hang"#
        );
    }

    #[test]
    fn all_addresses_are_called_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:9000", "http://127.0.0.1:9000"),
            ("[::]:9000", "http://[::1]:9000"),
            ("10.1.2.3:9000", "http://10.1.2.3:9000"),
        ] {
            assert_eq!(url(listen.parse().unwrap()), expected);
        }
    }

    #[test]
    fn the_app_says_what_it_saw() {
        let quiet = "answered: 0, by Bedrock: 0, failovers: 0, errors: 0";
        assert_eq!(seen(&report(&Tally::default())), quiet);
        let told = line(&Tally::default(), Some("status 502".to_owned()));
        assert_eq!(
            told,
            format!("0.0 % of 0 calls sent to Bedrock; in all {quiet}; an error: status 502")
        );
    }
}
