//! `crossfade check --diff`: what a change of the configuration would do.
//!
//! Pure but for [`ground`]: two configurations and a record in, sentences out. What becomes of the share is not guessed
//! at: the rollout core itself is given the new plan ([`outcome`]). What is compared with what is
//! found by [`ground`], how it is told is in [`text`].

use super::check::{self, Format};
use super::{Check, End};
use crate::config::traces::Traces;
use crate::config::watch::Loaded;
use crate::config::{Config, Mapping, words};
use crate::rollout::Advance;
use crate::split::Percent;
use ground::Missing;
use humantime::format_duration;
use outcome::Outcome;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

mod climb;
mod ground;
mod outcome;
mod rules;
mod text;

#[cfg(test)]
mod tests;

/// Compares `args.file`, which was read as `loaded` and is valid, with what is in force.
pub(super) async fn run(args: &Check, loaded: &Loaded, format: Format) -> End {
    let Ok(new) = &loaded.result else {
        return End::ConfigRefused(check::render(&args.file, &loaded.result, format));
    };
    let ground = match ground::find(args, loaded).await {
        Ok(ground) => ground,
        Err(Missing::FirstStart(copy)) => {
            return End::Done(text::first(&args.file, &copy, format));
        }
        Err(Missing::Unavailable(why)) => return End::Unavailable(why),
        Err(Missing::Failed(text)) => return End::Refused { text, json: false },
    };
    let outcome = outcome::outcome(&ground.config, new, &ground.record);
    let text = text::render(&args.file, new, &ground, &outcome, format);
    match outcome.refused {
        Some(_) => End::ConfigRefused(text),
        None => End::Done(text),
    }
}

/// One key that says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change {
    /// Its path.
    key: String,
    /// What it said.
    from: String,
    /// What it says.
    to: String,
    /// What comes of it.
    means: String,
}

/// The changes as they are found.
#[derive(Debug, Default)]
struct Changes(Vec<Change>);

impl Changes {
    /// Notes the change of `key`, if it is one.
    fn note<T: PartialEq>(
        &mut self,
        key: impl Into<String>,
        (old, new): (&T, &T),
        show: impl Fn(&T) -> String,
        means: impl Into<String>,
    ) {
        if old != new {
            self.0.push(Change {
                key: key.into(),
                from: show(old),
                to: show(new),
                means: means.into(),
            });
        }
    }
}

/// What `new` says otherwise than `old`, in the order of the file; `outcome` is what becomes of the
/// rollout.
fn changes(old: &Config, new: &Config, outcome: &Outcome) -> Vec<Change> {
    let mut changes = Changes::default();
    places(&mut changes, old, new);
    models(&mut changes, old, new, outcome);
    share(&mut changes, old, new, outcome);
    climb::compare(&mut changes, old, new);
    rules::compare(&mut changes, &old.rules, &new.rules);
    bounds(&mut changes, old, new);
    changes.0
}

/// Where calls come from and go to.
fn places(changes: &mut Changes, old: &Config, new: &Config) {
    let restart = "takes a restart";
    changes.note(
        "listen",
        (&old.listen, &new.listen),
        ToString::to_string,
        restart,
    );
    changes.note(
        "admin",
        (&old.admin, &new.admin),
        ToString::to_string,
        restart,
    );
    let url = |config: &Config| words::original_url(config);
    let means = "calls that stay go there";
    changes.note("original.url", (&url(old), &url(new)), Clone::clone, means);
    let key = |config: &Config| config.original.api_key.clone();
    let means = "calls that stay carry that key";
    let show = |key: &Option<_>| match key {
        Some(_) => "a key of crossfade's own".to_owned(),
        None => "the app's key".to_owned(),
    };
    changes.note("original.api_key", (&key(old), &key(new)), show, means);
    let means = "new Bedrock calls go there";
    let regions = (&old.bedrock.region, &new.bedrock.region);
    changes.note("bedrock.region", regions, Clone::clone, means);
    let endpoints = (&old.bedrock.endpoint, &new.bedrock.endpoint);
    let show = |uri: &Option<http::Uri>| {
        uri.as_ref()
            .map_or_else(|| "AWS's own".to_owned(), ToString::to_string)
    };
    changes.note("bedrock.endpoint", endpoints, show, means);
}

/// Models that came, went or changed.
fn models(changes: &mut Changes, old: &Config, new: &Config, outcome: &Outcome) {
    let (before, after) = (&old.bedrock.models, &new.bedrock.models);
    let key = |name: &str| format!("bedrock.models.{name}");
    for (name, mapping) in after {
        let id = mapping.target.model_id.clone();
        match before.get(name) {
            None => changes.0.push(Change {
                key: key(name),
                from: "not mapped".to_owned(),
                to: id,
                means: format!("its calls can move: {} % of them at once", outcome.moved.to),
            }),
            Some(known) => mapped(changes, &key(name), known, mapping),
        }
    }
    for (name, mapping) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        changes.0.push(Change {
            key: key(name),
            from: mapping.target.model_id.clone(),
            to: "not mapped".to_owned(),
            means: "its calls stay with the original".to_owned(),
        });
    }
}

/// What changed of one model.
fn mapped(changes: &mut Changes, key: &str, old: &Arc<Mapping>, new: &Arc<Mapping>) {
    let (a, b) = (&old.target, &new.target);
    let means = "another model answers the calls that moved";
    changes.note(key, (&a.model_id, &b.model_id), Clone::clone, means);
    let means = "another cap where the app sends none";
    let tokens = (&a.max_tokens, &b.max_tokens);
    changes.note(
        format!("{key}.max_tokens"),
        tokens,
        ToString::to_string,
        means,
    );
    let limits = (&old.first_token, &new.first_token);
    let show =
        |limit: &Option<Duration>| limit.map_or_else(|| "timeouts.first_token".to_owned(), time);
    changes.note(
        format!("{key}.first_token"),
        limits,
        show,
        "another time until failover",
    );
    let calls = "which calls can move";
    let sent = "what Bedrock is sent";
    // Another model brings its own family, and a family its own capabilities: one line says it all.
    let family = a.model_id == b.model_id && a.family != b.family;
    let own = a.model_id == b.model_id && a.family == b.family;
    let capabilities = own && a.capabilities != b.capabilities;
    let others = [
        ("family", family, calls),
        ("capabilities", capabilities, calls),
        ("allow", a.allow != b.allow, calls),
        ("refuse", a.refuse != b.refuse, calls),
        ("defaults", a.defaults != b.defaults, sent),
        ("system_prefix", a.system_prefix != b.system_prefix, sent),
    ];
    for (name, changed, what) in others {
        if changed {
            changes.0.push(Change {
                key: format!("{key}.{name}"),
                from: "as it was".to_owned(),
                to: "changed".to_owned(),
                means: format!("changes {what}; try `crossfade explain`"),
            });
        }
    }
}

/// How much moves, and who.
fn share(changes: &mut Changes, old: &Config, new: &Config, outcome: &Outcome) {
    let (a, b) = (&old.rollout, &new.rollout);
    changes.note(
        "rollout.percent",
        (&a.percent, &b.percent),
        percent,
        outcome.of_percent(new),
    );
    let means = match &b.advance {
        Advance::Manual => {
            "rollout.percent is in force at once, and stays until it is edited".to_owned()
        }
        Advance::Auto(climb) => format!(
            "the stages climb by themselves, up to rollout.percent: {}",
            climb::in_words(climb)
        ),
    };
    let who = |advance: &Advance| match advance {
        Advance::Manual => "manual".to_owned(),
        Advance::Auto(_) => "auto".to_owned(),
    };
    changes.note(
        "rollout.advance",
        (&who(&a.advance), &who(&b.advance)),
        Clone::clone,
        means,
    );
    let moved = outcome.moved.sentence(&b.sticky);
    changes.note(
        "rollout.sticky",
        (&a.sticky, &b.sticky),
        ToString::to_string,
        moved.clone(),
    );
    let means = if a.sticky == b.sticky {
        moved
    } else {
        "as said of rollout.sticky".to_owned()
    };
    changes.note(
        "rollout.salt",
        (&a.salt, &b.salt),
        |salt| format!("{salt:?}"),
        means,
    );
    changes.note(
        "rollout.attempt",
        (&a.attempt, &b.attempt),
        ToString::to_string,
        outcome.of_attempt(b),
    );
    let means = if b.allow_override {
        "x-crossfade-arm in a request chooses its arm"
    } else {
        "x-crossfade-arm in a request is not heard any more"
    };
    let allowed = (&a.allow_override, &b.allow_override);
    changes.note(
        "rollout.allow_override",
        allowed,
        ToString::to_string,
        means,
    );
}

/// How long and how much at most.
fn bounds(changes: &mut Changes, old: &Config, new: &Config) {
    let (a, b) = (&old.timeouts, &new.timeouts);
    let show = |value: &Duration| time(*value);
    let calls = "holds for new calls";
    for (key, pair) in [
        ("timeouts.connect", (&a.connect, &b.connect)),
        ("timeouts.first_token", (&a.first_token, &b.first_token)),
        ("timeouts.idle", (&a.idle, &b.idle)),
        ("timeouts.total", (&a.total, &b.total)),
    ] {
        changes.note(key, pair, show, calls);
    }
    let (a, b) = (&old.limits, &new.limits);
    let size = |bytes: &usize| crate::config::shown_size(*bytes);
    changes.note("limits.body", (&a.body, &b.body), size, calls);
    changes.note("limits.buffered", (&a.buffered, &b.buffered), size, calls);
    changes.note(
        "limits.in_flight",
        (&a.in_flight, &b.in_flight),
        ToString::to_string,
        calls,
    );
    let connections = (&a.connections, &b.connections);
    changes.note(
        "limits.connections",
        connections,
        ToString::to_string,
        "holds for new connections; those that are open stay",
    );
    changes.note(
        "drain",
        (&old.drain, &new.drain),
        show,
        "holds for the next stop",
    );
    let names = |hosts: &Vec<String>| bracketed(hosts.iter().cloned());
    changes.note(
        "hosts",
        (&old.hosts, &new.hosts),
        names,
        "which names callers may use",
    );
    let keys = |callers: &Option<Vec<[u8; 32]>>| match callers {
        Some(keys) => format!("{} keys", keys.len()),
        None => "whoever reaches the listener".to_owned(),
    };
    changes.note(
        "callers",
        (&old.callers, &new.callers),
        keys,
        "who may cause a Bedrock call",
    );
    let told =
        |list: &Vec<crate::config::notify::Notify>| bracketed(list.iter().map(ToString::to_string));
    changes.note(
        "notify",
        (&old.notify, &new.notify),
        told,
        "who is told what happens",
    );
    let collector = |traces: &Option<Traces>| match traces {
        Some(to) => format!("{to}, {} of the calls that no caller decides", to.sample),
        None => "off".to_owned(),
    };
    changes.note(
        "traces",
        (&old.traces, &new.traces),
        collector,
        "where spans go, and of which calls",
    );
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let means = "takes a restart; a rollback that the old file remembers is not in the new one";
    changes.note("state", (&old.state, &new.state), path, means);
}

/// A list as the file writes it.
fn bracketed(entries: impl Iterator<Item = impl Into<String>>) -> String {
    let entries: Vec<String> = entries.map(Into::into).collect();
    format!("[{}]", entries.join(", "))
}

fn percent(share: &Percent) -> String {
    format!("{share} %")
}

fn time(duration: Duration) -> String {
    format_duration(duration).to_string()
}
