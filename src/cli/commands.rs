//! What is asked of a running sidecar: `status`, `health`, and the commands.

use super::client::{Answer, Sidecar};
use super::end::remark;
use super::place::{self, Ports, Purpose};
use super::who::who;
use super::{Act, Ask, End, variable};
use crate::config::secret::Secret;
use crate::controller::Verb;
use http::uri::Uri;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// Says how the rollout stands.
pub(super) async fn status(ask: &Ask) -> End {
    let sidecar = match find(ask, Purpose::Read) {
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

/// Says whether the sidecar is alive. A process that waits beside another one's state is found in its
/// own configuration, so each place that may be meant is asked.
pub(super) async fn health(ask: &Ask) -> End {
    let (first, others) = match bases(ask, Purpose::Read) {
        Ok(bases) => bases,
        Err(text) => return End::Refused { text, json: false },
    };
    let mut ills = Vec::new();
    for base in std::iter::once(first).chain(others) {
        let sidecar = Sidecar { base, token: None };
        match sidecar.get("/healthz", "text/plain").await {
            Ok(Answer { ours, status, .. }) if ours && status.is_success() => {
                let admin = sidecar.base.to_string();
                return End::Done(if ask.json {
                    format!("{:#}\n", json!({ "healthy": true, "admin": admin }))
                } else {
                    format!("healthy: {admin}\n")
                });
            }
            Ok(Answer { ours: false, .. }) => {
                ills.push(format!("{} is no admin port of crossfade's", sidecar.base));
            }
            Ok(Answer { status, .. }) => ills.push(format!("{} answers {status}", sidecar.base)),
            Err(why) => ills.push(format!("no sidecar answers at {}: {why}", sidecar.base)),
        }
    }
    End::Unavailable(ills.join("; "))
}

/// Gives a command.
pub(super) async fn act(verb: Verb, act: &Act) -> End {
    let sidecar = match find(&act.ask, Purpose::Change) {
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
            Ok(Applied { message }) if !json => format!("{message}\nSidecar: {}\n", sidecar.base),
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
fn find(ask: &Ask, purpose: Purpose) -> Result<Sidecar, String> {
    let (base, _) = bases(ask, purpose)?;
    let token = token()?;
    Ok(Sidecar { base, token })
}

/// The admin port that the arguments name, and others that they may mean.
fn bases(ask: &Ask, purpose: Purpose) -> Result<(Uri, Vec<Uri>), String> {
    if let Some(base) = &ask.admin {
        return Ok((base.clone(), Vec::new()));
    }
    let (first, others) = match ask.place.ports(purpose)? {
        Ports::Known(first, others) => (first, others),
        Ports::Assumed(admin, missing) => {
            remark(&format!("{missing}; asked the default, {admin}"));
            (admin, Vec::new())
        }
    };
    let url = |admin| place::url(admin).map_err(|error| error.to_string());
    let others: Result<_, _> = others.into_iter().map(url).collect();
    Ok((url(first)?, others?))
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
