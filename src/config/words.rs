//! A configuration in words, the same for `crossfade check` and for the status page.
//!
//! Nothing here is secret: of keys it only says whether there are any.

use super::{Config, Dialect, Limits, Mapping, Timeouts, shown_size};
use crate::rollout::Advance;
use crate::rollout::plan::{Fast, Relative, Rules};
use humantime::format_duration;
use std::time::Duration;

/// How much of the calls goes where: the first thing that an operator wants to know.
pub(crate) fn share(config: &Config) -> String {
    let rollout = &config.rollout;
    let why = match (
        rollout.switches.force_original,
        rollout.switches.use_aws_percent,
    ) {
        (true, _) => ", because FORCE_OPENAI_PROVIDER is set".to_owned(),
        (false, Some(second)) if second < rollout.percent => {
            format!(
                ", because USE_AWS_PERCENT is below rollout.percent ({} %)",
                rollout.percent
            )
        }
        (false, Some(_) | None) => String::new(),
    };
    let share = rollout.ceiling();
    match rollout.advance {
        Advance::Manual => {
            format!("{share} % of the eligible calls go to Bedrock unless a rollback holds{why}")
        }
        Advance::Auto(_) => format!(
            "the eligible calls go to Bedrock stage by stage, up to {share} %, unless a rollback \
             holds{why}"
        ),
    }
}

/// Where the calls go, and by what it is chosen: each with its key in a listing.
pub(crate) fn routes(config: &Config) -> Vec<(&'static str, String)> {
    let mut rows = vec![("original", original(config)), ("bedrock", bedrock(config))];
    let models = &config.bedrock.models;
    rows.extend(models.iter().map(|(name, to)| ("model", mapping(name, to))));
    rows.push(("sticky", sticky(config)));
    rows
}

fn original(config: &Config) -> String {
    let original = &config.original;
    let dialect = match original.dialect {
        Dialect::OpenAi => "OpenAI",
        Dialect::Azure => "Azure OpenAI",
    };
    let key = if original.api_key.is_some() {
        "a key of crossfade's own"
    } else {
        "the app's key"
    };
    format!("{}, {dialect}, with {key}", original_url(config))
}

/// Where the original is.
pub(crate) fn original_url(config: &Config) -> String {
    let original = &config.original;
    let scheme = if original.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", original.authority, original.path_prefix)
}

fn bedrock(config: &Config) -> String {
    match &config.bedrock.endpoint {
        Some(endpoint) => format!("{} at {endpoint}", config.bedrock.region),
        None => config.bedrock.region.clone(),
    }
}

fn mapping(name: &str, to: &Mapping) -> String {
    let target = &to.target;
    let (id, family) = (&target.model_id, target.family.name());
    let mut text = format!(
        "{name} → {id} ({family}, at most {} tokens by default",
        target.max_tokens
    );
    if let Some(limit) = to.first_token {
        text += &format!(", first token within {}", format_duration(limit));
    }
    text + ")"
}

fn sticky(config: &Config) -> String {
    let rollout = &config.rollout;
    let (key, salt) = (&rollout.sticky, &rollout.salt);
    format!("{key}, salt {salt:?}, attempt {}", rollout.attempt)
}

/// Who may cause a Bedrock call, how long one may take, and how much is held: each with its key in a
/// listing.
pub(crate) fn bounds(config: &Config) -> Vec<(&'static str, String)> {
    let mut rows = vec![("callers", callers(config))];
    if !config.hosts.is_empty() {
        let hosts = config.hosts.join(", ");
        rows.push((
            "hosts",
            format!("{hosts}, besides localhost and IP addresses"),
        ));
    }
    let Timeouts {
        connect,
        first_token,
        idle,
        total,
    } = config.timeouts;
    let [connect, first_token, idle, total] =
        [connect, first_token, idle, total].map(format_duration);
    rows.push((
        "timeouts",
        format!(
            "of Bedrock: {connect} to connect, {first_token} to the first token, {idle} between \
             events, {total} in all"
        ),
    ));
    let Limits {
        body,
        buffered,
        in_flight,
        connections,
    } = config.limits;
    let [body, buffered] = [body, buffered].map(shown_size);
    rows.push((
        "limits",
        format!(
            "{body} a body, {buffered} of bodies at a time, {in_flight} Bedrock calls in flight, \
             {connections} connections"
        ),
    ));
    let drain = format_duration(config.drain);
    rows.push(("drain", format!("a stop waits up to {drain} for what runs")));
    rows.extend(config.notify.iter().map(|to| {
        let events = to.events.len();
        ("notify", format!("{to} is told of {events} kinds of event"))
    }));
    rows
}

fn callers(config: &Config) -> String {
    match &config.callers {
        None => "whoever reaches the listener may cause a Bedrock call".to_owned(),
        Some(keys) => format!(
            "the owners of {} may cause a Bedrock call; the calls of others stay",
            match keys.len() {
                1 => "1 key".to_owned(),
                several => format!("{several} keys"),
            }
        ),
    }
}

/// Each rule in words; none: switched off.
pub(crate) fn rules(rules: &Rules) -> [(&'static str, Option<String>); 8] {
    let fast = |rule: Fast| {
        format!(
            "more than {} % of the calls fail over {}",
            rule.above,
            time(rule.over_ms)
        )
    };
    let errors = rules.errors.map(|rule| {
        format!(
            "more than {} % of the calls fail for {}",
            rule.above,
            time(rule.for_ms)
        )
    });
    let latency = rules.latency.map(|rule| {
        let (name, measure) = (rule.percentile.name(), rule.measure.name());
        format!(
            "{name} of {measure} is above {} for {}",
            time(rule.above_ms),
            time(rule.for_ms)
        )
    });
    let relative = |rule: Relative, kinds: &str| {
        let Relative { odds, action } = rule;
        let action = action.name();
        format!("more {kinds} than the original, at odds above {odds}:1 ({action})")
    };
    let abandoned = rules.abandoned.map(|rule| {
        let times = rule.times;
        format!("callers leave more than {times} times as many calls as the original's (caution)")
    });
    let breaker = rules.breaker.map(|rule| {
        let rule = fast(rule);
        format!("{rule}: this process pauses, nothing is rolled back")
    });
    [
        ("errors", errors),
        ("latency", latency),
        ("severe", rules.severe.map(fast)),
        ("outage", rules.outage.map(fast)),
        (
            "relative",
            rules
                .relative
                .map(|rule| relative(rule, "failures, slow calls or truncated answers")),
        ),
        (
            "rejected",
            rules.rejected.map(|rule| relative(rule, "refusals")),
        ),
        ("abandoned", abandoned),
        ("breaker", breaker),
    ]
}

fn time(ms: u64) -> String {
    format_duration(Duration::from_millis(ms)).to_string()
}
