//! One line of the journal, and what becomes one.

use crate::config::notify::Kind;
use crate::outcome::{Attempt, Class};
use crate::rollout::{Numbers, Record, Rollback, RuleName, Transition};
use crate::snapshot::Hold;
use crate::split::Percent;
use crate::telemetry::events::Control;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// One line. Fields that say nothing are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What happened, for a person.
    pub sentence: String,
    /// When, in UTC.
    pub at: String,
    /// What, as [`Kind::name`] has it.
    pub event: String,
    /// The attempt that it happened to.
    pub attempt: u64,
    /// The share before, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Percent>,
    /// The share from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Percent>,
    /// The rule that acted or is concerned; for a rollback also `operator` and `state_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who acted; none: crossfade itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the rule saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
    /// The failures that it saw, by class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<Class, u64>,
    /// The last call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// SHA-256 of the configuration in force, in hex; empty: none was known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// When, in ms since 1970.
    pub at_unix_ms: u64,
    /// Its place in the journal, from 1.
    pub seq: u64,
    /// What it is told from others by, over any crash and restart.
    pub id: String,
    /// What tells this journal from others.
    pub journal: String,
    /// What holds after this line, so that the last line of any file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands: Option<Stands>,
}

/// What the journal says of the latch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// The attempt that runs or is rolled back.
    pub attempt: u64,
    /// When it was rolled back, in ms since 1970; none: it is armed.
    pub rolled_back: Option<u64>,
}

impl Line {
    /// What this is; none: something that this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| kind.name() == self.event)
    }
}

/// What holds when something happens.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The attempt.
    pub attempt: Attempt,
    /// The share in force.
    pub percent: Percent,
    /// SHA-256 of the configuration in force.
    pub config_hash: &'a str,
}

impl Context<'_> {
    /// Nothing is known.
    pub(super) const NONE: Self = Self {
        attempt: Attempt(0),
        percent: Percent::ZERO,
        config_hash: "",
    };
}

/// A line without a place yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    kind: Kind,
    line: Line,
}

impl Draft {
    /// What of the controller's reports belongs into the journal.
    pub fn of(control: &Control<'_>, context: Context<'_>, now_ms: u64) -> Option<Self> {
        let new = |kind, sentence: &str| Self::new(kind, sentence, context, now_ms);
        let draft = match control {
            Control::Transition(transition) => {
                return Self::transition(transition, context, now_ms);
            }
            // It has a line from when it happened.
            Control::StillRolledBack { .. } => return None,
            Control::Hold {
                hold: Hold::Draining,
                on: true,
            } => new(
                Kind::Stopping,
                "crossfade was asked to stop; the next start goes on from here",
            ),
            // It ends with the process.
            Control::Hold {
                hold: Hold::Draining,
                on: false,
            } => return None,
            Control::Hold { hold, on: true } => new(Kind::Held, hold.sentence()).to(Percent::ZERO),
            Control::Hold { hold, on: false } => new(
                Kind::Released,
                &format!("{} no longer holds the share at 0 %", hold.name()),
            )
            .to(context.percent),
            Control::ConfigAccepted { generation: 1, .. } => new(Kind::Started, STARTED),
            Control::ConfigAccepted { generation, .. } => new(
                Kind::ConfigChanged,
                &format!("Configuration {generation} is in force"),
            )
            .to(context.percent),
            Control::ConfigRefused { problems } => new(
                Kind::ConfigRefused,
                &format!(
                    "The configuration file is refused, the last accepted one stays: {}",
                    problems.join("; ")
                ),
            ),
            Control::StateFailing { problem, unsaved } => {
                let unsaved = unsaved.map_or_else(String::new, |it| format!("; not on disk: {it}"));
                new(Kind::StateFailing, &format!("{problem}{unsaved}"))
            }
            Control::StateHealed => new(Kind::StateHealed, "The state file is up to date again"),
            Control::CommandRefused {
                command,
                actor,
                why,
            } => new(
                Kind::CommandRefused,
                &format!("`{command}` by {actor} was not followed: {why}"),
            )
            .by(actor, None),
        };
        Some(draft)
    }

    fn transition(transition: &Transition, context: Context<'_>, now_ms: u64) -> Option<Self> {
        let sentence = transition.sentence();
        let new = |kind| Self::new(kind, &sentence, context, now_ms);
        let draft = match transition {
            Transition::Tripped(rollback) | Transition::RolledBack(rollback) => {
                Self::rolled_back(rollback, context)
            }
            Transition::Rearmed {
                attempt,
                percent,
                actor,
                reason,
                at_unix_ms,
            } => {
                let at_ms = at_unix_ms.unwrap_or(now_ms);
                let context = Context {
                    attempt: *attempt,
                    ..context
                };
                Self::new(Kind::Rearmed, &sentence, context, at_ms)
                    .to(*percent)
                    .by(actor, Some(reason))
            }
            Transition::AttemptStarted { attempt, percent } => {
                let context = Context {
                    attempt: *attempt,
                    ..context
                };
                Self::new(Kind::AttemptStarted, &sentence, context, now_ms).to(*percent)
            }
            Transition::PercentChanged { from, to } => {
                new(Kind::PercentChanged).from(*from).to(*to)
            }
            Transition::ClimbStarted { percent, .. } => new(Kind::Armed).to(*percent),
            Transition::Advanced(advanced) => {
                let draft = new(Kind::StageAdvanced).from(advanced.from).to(advanced.to);
                match &advanced.by {
                    Some(pusher) => draft.by(&pusher.actor, Some(&pusher.reason)),
                    None => draft,
                }
            }
            Transition::GateWaiting { from, to, .. } => new(Kind::GateWaiting).from(*from).to(*to),
            Transition::GateUnknown { from, to, .. } => new(Kind::GateUnknown).from(*from).to(*to),
            Transition::Stalled { percent, .. } => new(Kind::Stalled).to(*percent),
            Transition::Finished { .. } => new(Kind::Finished).to(context.percent),
            Transition::Paused { percent, by } => new(Kind::Paused)
                .to(*percent)
                .by(&by.actor, Some(&by.reason)),
            Transition::Resumed {
                percent,
                actor,
                reason,
                ..
            } => new(Kind::Resumed).to(*percent).by(actor, Some(reason)),
            Transition::ClockStarted { rule, .. } => new(Kind::ClockStarted).rule(rule.name()),
            Transition::ClockReset { rule, .. } => new(Kind::ClockReset).rule(rule.name()),
            Transition::Cautioned(caution) => new(Kind::Cautioned).rule(caution.rule.name()),
            Transition::SteppedBack { from, to, caution } => new(Kind::SteppedBack)
                .from(*from)
                .to(*to)
                .rule(caution.rule.name()),
            Transition::RuleUnreachable { .. } => {
                new(Kind::RuleUnreachable).rule(RuleName::Latency.name())
            }
            Transition::RuleReachable => new(Kind::RuleReachable).rule(RuleName::Latency.name()),
            Transition::BreakerOpened { .. } => new(Kind::BreakerOpened),
            Transition::BreakerClosed => new(Kind::BreakerClosed),
            Transition::CeilingHeld { .. } | Transition::Refused(_) => new(Kind::CommandRefused),
            // Nothing changed, or it is known already.
            Transition::AlreadyRolledBack(_)
            | Transition::AlreadyPaused(_)
            | Transition::RecordRead { .. } => return None,
        };
        Some(draft)
    }

    /// A rollback. Its id is made of what the state file remembers, so that it is the same when it
    /// is recovered from there.
    pub(super) fn rolled_back(rollback: &Rollback, context: Context<'_>) -> Self {
        let at_ms = rollback.at_unix_ms;
        let mut draft = Self::new(Kind::RolledBack, &rollback.sentence, context, at_ms);
        let line = &mut draft.line;
        line.id = format!("rolled_back-{}-{at_ms}", context.attempt.0);
        line.from = Some(rollback.from_percent);
        line.to = Some(Percent::ZERO);
        line.rule = Some(rollback.rule.name().to_owned());
        line.actor.clone_from(&rollback.actor);
        line.reason.clone_from(&rollback.reason);
        line.numbers = rollback.numbers;
        line.classes.clone_from(&rollback.classes);
        line.request_id
            .clone_from(&rollback.last_failure_request_id);
        draft
    }

    /// What the state file says and the journal does not.
    pub(super) fn recovered(record: &Record, config_hash: &str, first: bool, now_ms: u64) -> Self {
        let context = Context {
            attempt: record.attempt,
            percent: Percent::ZERO,
            config_hash,
        };
        match record.rollback() {
            Some(rollback) => Self::rolled_back(rollback, context),
            None => {
                let attempt = record.attempt.0;
                let sentence = if first {
                    format!("The journal begins with attempt {attempt}, armed")
                } else {
                    format!("Attempt {attempt} is armed, as the state file says")
                };
                Self::new(Kind::AttemptStarted, &sentence, context, now_ms)
            }
        }
    }

    /// The state file was read by `by`'s process and holds `record`: a start says what it resumes.
    pub(super) fn resumes(&mut self, record: &Record, by: &str) {
        if self.kind != Kind::Started {
            return;
        }
        let attempt = record.attempt.0;
        let state = match record.rollback() {
            Some(_) => "is rolled back",
            None => "is armed",
        };
        self.line.attempt = attempt;
        self.line.sentence = format!("{STARTED}; attempt {attempt} {state}");
        self.line.actor = Some(by.to_owned());
    }

    /// The start or the stop that this is, and when.
    pub(super) fn life(&self) -> Option<(Kind, u64)> {
        self.kind
            .is_life()
            .then_some((self.kind, self.line.at_unix_ms))
    }

    /// It is the last of its kind for a while.
    pub(super) fn ends_the_row(&mut self) {
        self.line.sentence += "; more within the hour are not noted";
    }

    /// The end of the journal was unfinished.
    pub(super) fn mended(context: Context<'_>, now_ms: u64) -> Self {
        let sentence =
            "The journal's last line was unfinished, as a crash leaves it; it is skipped";
        Self::new(Kind::Journal, sentence, context, now_ms)
    }

    /// The line at `seq` of `journal`, behind one after which `stands` held.
    pub(super) fn numbered(self, journal: &str, seq: u64, stands: Option<Stands>) -> Line {
        let Self { kind, mut line } = self;
        let attempt = line.attempt;
        line.seq = seq;
        journal.clone_into(&mut line.journal);
        if line.id.is_empty() {
            line.id = format!("{}-{attempt}-{}-{seq}", kind.name(), line.at_unix_ms);
        }
        let stands_now = |rolled_back| Stands {
            attempt,
            rolled_back,
        };
        line.stands = match kind {
            Kind::RolledBack => Some(stands_now(Some(line.at_unix_ms))),
            Kind::Rearmed | Kind::AttemptStarted => Some(stands_now(None)),
            Kind::Armed
            | Kind::StageAdvanced
            | Kind::GateWaiting
            | Kind::GateUnknown
            | Kind::Stalled
            | Kind::Finished
            | Kind::Paused
            | Kind::Resumed
            | Kind::Cautioned
            | Kind::Held
            | Kind::Released
            | Kind::SteppedBack
            | Kind::RuleUnreachable
            | Kind::RuleReachable
            | Kind::BreakerOpened
            | Kind::BreakerClosed
            | Kind::PercentChanged
            | Kind::StateFailing
            | Kind::StateHealed
            | Kind::ConfigRefused
            | Kind::Started
            | Kind::Stopping
            | Kind::ConfigChanged
            | Kind::CommandRefused
            | Kind::ClockStarted
            | Kind::ClockReset
            | Kind::Journal => stands,
        };
        line
    }

    fn new(kind: Kind, sentence: &str, context: Context<'_>, at_unix_ms: u64) -> Self {
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(at_unix_ms));
        let line = Line {
            sentence: sentence.chars().take(SENTENCE_CHARS).collect(),
            at: humantime::format_rfc3339_millis(at.unwrap_or(UNIX_EPOCH)).to_string(),
            event: kind.name().to_owned(),
            attempt: context.attempt.0,
            from: None,
            to: None,
            rule: None,
            actor: None,
            reason: None,
            numbers: None,
            classes: BTreeMap::new(),
            request_id: None,
            config: context.config_hash.to_owned(),
            at_unix_ms,
            seq: 0,
            id: String::new(),
            journal: String::new(),
            stands: None,
        };
        Self { kind, line }
    }

    fn from(mut self, from: Percent) -> Self {
        self.line.from = Some(from);
        self
    }

    fn to(mut self, to: Percent) -> Self {
        self.line.to = Some(to);
        self
    }

    fn rule(mut self, rule: &str) -> Self {
        self.line.rule = Some(rule.to_owned());
        self
    }

    fn by(mut self, actor: &str, reason: Option<&str>) -> Self {
        self.line.actor = Some(actor.to_owned());
        self.line.reason = reason.map(str::to_owned);
        self
    }
}

const STARTED: &str = concat!("crossfade ", env!("CARGO_PKG_VERSION"), " started");

/// A refused configuration can have a hundred mistakes; a line stays readable.
const SENTENCE_CHARS: usize = 2_000;
