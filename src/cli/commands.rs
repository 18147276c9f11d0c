//! What is asked of a running sidecar: `status`, and the commands.

use super::client::{Answer, Sidecar};
use super::who::who;
use super::{Act, Ask, End, variable};
use crate::config::defaults;
use crate::config::secret::Secret;
use crate::config::watch;
use crate::controller::Verb;
use http::uri::Uri;
use serde::Deserialize;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Says how the rollout stands.
pub(super) async fn status(ask: &Ask) -> End {
    let sidecar = match find(ask) {
        Ok(sidecar) => sidecar,
        Err(why) => {
            return End::Refused {
                text: why,
                json: false,
            };
        }
    };
    let accept = if ask.json {
        "application/json"
    } else {
        "text/plain"
    };
    let answer = sidecar.get("/api/status", accept).await;
    conclude(ask, &sidecar, answer, |body| body)
}

/// Gives a command.
pub(super) async fn act(verb: Verb, act: &Act) -> End {
    let sidecar = match find(&act.ask) {
        Ok(sidecar) => sidecar,
        Err(why) => {
            return End::Refused {
                text: why,
                json: false,
            };
        }
    };
    let (path, force) = match verb {
        Verb::Rollback => ("/api/rollback", false),
        Verb::Rearm => ("/api/rearm", false),
        Verb::Pause => ("/api/pause", false),
        Verb::Resume => ("/api/resume", false),
        Verb::Advance { force } => ("/api/advance", force),
    };
    let mut body = json!({ "reason": act.reason, "actor": who(&variable) });
    if force {
        body["force"] = json!(true);
    }
    let answer = sidecar.post(path, body.to_string().into()).await;
    let json = act.ask.json;
    conclude(
        &act.ask,
        &sidecar,
        answer,
        |body| match serde_json::from_str(&body) {
            Ok(Applied { message }) if !json => format!("{message}\n"),
            Ok(_) | Err(_) => body,
        },
    )
}

/// What is read of the answer to a command.
#[derive(Debug, Deserialize)]
struct Applied {
    message: String,
}

/// What is read of a refusal.
#[derive(Debug, Deserialize)]
struct Refused {
    error: Cause,
}

#[derive(Debug, Deserialize)]
struct Cause {
    message: String,
}

fn conclude(
    ask: &Ask,
    sidecar: &Sidecar,
    answer: Result<Answer, String>,
    told: impl FnOnce(String) -> String,
) -> End {
    match answer {
        Ok(Answer { ours: false, .. }) => End::Refused {
            text: format!(
                "{} answers, but it is no admin port of crossfade's; say where that is with \
                 `--config FILE` or `--admin URL`.",
                sidecar.base
            ),
            json: false,
        },
        Ok(Answer { status, body, .. }) if status.is_success() => End::Done(told(body)),
        Ok(Answer { body, .. }) if ask.json => End::Refused {
            text: body,
            json: true,
        },
        Ok(Answer { status, body, .. }) => {
            let text = match serde_json::from_str(&body) {
                Ok(Refused { error }) => error.message,
                Err(_) => format!("{} answers {status}; is it crossfade?", sidecar.base),
            };
            End::Refused { text, json: false }
        }
        Err(why) => End::Unavailable(format!(
            "no sidecar answers at {}: {why}.\nStart it with `crossfade run`, or say where it is \
             with `--config FILE` or `--admin URL`.",
            sidecar.base
        )),
    }
}

/// The sidecar that the arguments name.
fn find(ask: &Ask) -> Result<Sidecar, String> {
    if ask.admin.is_none() {
        super::named_file(&ask.config)?;
    }
    let base = match &ask.admin {
        Some(base) => base.clone(),
        None => url(admin_of(&ask.config)).map_err(|error| error.to_string())?,
    };
    Ok(Sidecar {
        base,
        token: token()?,
    })
}

/// The admin port of a configuration. One that is refused mostly still says where the sidecar is
/// that runs the last accepted one; failing that, the default is tried.
fn admin_of(file: &Path) -> SocketAddr {
    let Ok(loaded) = watch::read(file, &variable) else {
        return defaults::ADMIN;
    };
    let text = loaded.text;
    loaded.result.map_or_else(
        |_| admin_line(&text).unwrap_or(defaults::ADMIN),
        |it| it.admin,
    )
}

fn admin_line(text: &str) -> Option<SocketAddr> {
    let value = text.lines().find_map(|line| line.strip_prefix("admin:"))?;
    let value = value.split(" #").next().unwrap_or_default().trim();
    value.trim_matches(['"', '\'']).parse().ok()
}

/// Where to reach an address that may be "all addresses".
pub(super) fn url(admin: SocketAddr) -> Result<Uri, http::Error> {
    let ip = match admin.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        named => named,
    };
    let authority = SocketAddr::new(ip, admin.port()).to_string();
    Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
}

/// The admin token, from where the sidecar has it too.
fn token() -> Result<Option<Secret>, String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match (
        set("CROSSFADE_ADMIN_TOKEN"),
        set("CROSSFADE_ADMIN_TOKEN_FILE"),
    ) {
        (Some(token), _) => Ok(Some(Secret::new(token))),
        (None, Some(path)) => Secret::read_file(Path::new(&path))
            .map(Some)
            .map_err(|why| format!("CROSSFADE_ADMIN_TOKEN_FILE cannot be used: {why}")),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (admin, expected) in [
            ("127.0.0.1:8788", "http://127.0.0.1:8788/"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000/"),
            ("[::]:9000", "http://[::1]:9000/"),
            ("10.1.2.3:9000", "http://10.1.2.3:9000/"),
        ] {
            let admin = admin.parse().expect("an address");
            assert_eq!(url(admin).expect("an URL").to_string(), expected);
        }
    }

    #[test]
    fn a_refused_configuration_still_names_the_port() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("rollout.yaml");
        let ask = |text: &str| {
            std::fs::write(&file, text).expect("written");
            admin_of(&file).to_string()
        };
        assert_eq!(
            ask("nonsense: [\nadmin: 127.0.0.1:9999 # here\n"),
            "127.0.0.1:9999"
        );
        assert_eq!(
            ask("admin: \"127.0.0.1:9998\"\nrollout: {percent: 500}\n"),
            "127.0.0.1:9998"
        );
        assert_eq!(ask("nonsense: ["), "127.0.0.1:8788");
        assert_eq!(admin_of(&dir.path().join("none")), defaults::ADMIN);
    }
}
