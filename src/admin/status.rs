//! What `/api/status` and `crossfade status --json` say.
//!
//! The fields are a contract: they are added to, never renamed. What the rollout core and the
//! controller know is shown as they say it; this file only puts it together with the counters and
//! says in one sentence what it comes to.

use crate::config::Config;
use crate::outcome::Arm;
use crate::rollout::{
    Arms, BreakerReport, BreakerState, Caution, Detectable, Paused, Report, Rollback, RolloutState,
    RuleReport, StageReport,
};
use crate::snapshot::{Files, Happened, Hold, Holds, Messenger, Share, Snapshot};
use crate::split::Percent;
use crate::telemetry::metrics::{Eligibility, Metrics, Migratable};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The status of a running sidecar.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// What all of it comes to, for a person who reads only one line.
    pub verdict: String,
    /// Where the rollout is.
    pub state: RolloutState,
    /// Percent of the eligible calls that go to Bedrock now.
    pub percent: Percent,
    /// The most that the operator allows, in percent.
    pub ceiling: Percent,
    /// The attempt that runs or was rolled back.
    pub attempt: u64,
    /// The rollback that holds.
    pub rollback: Option<Rollback>,
    /// The stage, with `advance: auto` while it is above 0 %.
    pub stage: Option<StageReport>,
    /// The pause that holds.
    pub paused: Option<Paused>,
    /// Why nothing goes to Bedrock whatever the rollout allows.
    #[serde(serialize_with = "hold_names")]
    pub holds: Holds,
    /// The rollback rules.
    pub rules: Vec<RuleReport>,
    /// What rules found that nobody has taken note of yet.
    pub cautions: Vec<Caution>,
    /// The local breaker.
    pub breaker: BreakerReport,
    /// What failure rate the present traffic can reveal.
    pub detectable: Option<Detectable>,
    /// What the calls came to.
    pub arms: Arms,
    /// Outcomes of calls of another attempt: never judged.
    pub other_attempt: u64,
    /// Whether calls could go to Bedrock.
    pub eligibility: EligibilityCounts,
    /// How much could move.
    pub migratable: MigratableReport,
    /// Answers of Bedrock's since the start that were cut off at a mapping's `max_tokens`, in calls
    /// that asked for no cap.
    pub capped_answers: u64,
    /// The share that was measured.
    pub share: ShareReport,
    /// The configuration.
    pub config: ConfigReport,
    /// The environment's switches.
    pub switches: SwitchReport,
    /// Whether the latch is safe.
    pub state_file: StateFile,
    /// Why it is not.
    pub state_problem: Option<String>,
    /// A rollback that is in force, but that a restart would forget.
    pub unsaved: Option<String>,
    /// Why the journal cannot be written; none: it can.
    pub journal_problem: Option<String>,
    /// Why Bedrock cannot be asked as anybody; none: it can, as far as is known.
    pub credentials_problem: Option<String>,
    /// Why fewer callers are accepted than `limits.connections` says; none: as many are.
    pub descriptors_problem: Option<String>,
    /// Who is told what happens, and whether that works.
    pub notify: Vec<Messenger>,
    /// Where the calls' spans go, and whether that works; none: traces are off.
    pub traces: Option<TracesReport>,
    /// What happened last, oldest first.
    pub happened: Vec<Happened>,
    /// The version of crossfade.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Wall-clock time of this status, in ms since 1970.
    pub now_unix_ms: u64,
}

/// The collector of traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracesReport {
    /// Its scheme and host.
    pub to: String,
    /// The share of the traces that begin here which is kept.
    pub sample: String,
    /// Why it does not take spans, at the last try; none: it does, or has not been tried.
    pub problem: Option<String>,
}

/// Chat calls since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EligibilityCounts {
    /// Bedrock could honour them.
    pub eligible: u64,
    /// They stayed.
    pub ineligible: u64,
    /// Nobody looked: at 0 % only a few calls a second are read.
    pub unread: u64,
    /// Why they stayed; only reasons that occurred.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// How many of the chat calls since the start could move to Bedrock, whatever the share is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigratableReport {
    /// Migratable by examined calls, 0 to 1; none before the first examined call.
    pub ratio: Option<f64>,
    /// Calls that Bedrock can honour, those that found no room included.
    pub migratable: u64,
    /// Calls of which that is known.
    pub examined: u64,
    /// Those of the examined that were picked at 0 %; above 0 the ratio is that of a sample.
    pub sampled: u64,
    /// Chat calls that nobody could examine: unread, or without room or time to be read.
    pub unexamined: u64,
    /// The part of the examined calls that stays, by reason, 0 to 1.
    pub stays: BTreeMap<&'static str, f64>,
}

/// The share that was measured since the percentage last changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ShareReport {
    /// The part of the eligible calls that went to Bedrock, 0 to 1; none before the first call.
    pub actual: Option<f64>,
    /// Eligible calls.
    pub eligible: u64,
    /// Those that went to Bedrock.
    pub bedrock: u64,
    /// Since when, in ms since 1970.
    pub since_unix_ms: u64,
}

/// The configuration in force, and the file as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigReport {
    /// How many were accepted since the start.
    pub generation: u64,
    /// The beginning of the SHA-256 of the one in force.
    pub hash: String,
    /// Why the file as it is now is refused; empty: it is the one in force.
    pub problems: Vec<String>,
    /// What is valid but probably not meant.
    pub warnings: Vec<String>,
    /// Keys whose new value needs a restart.
    pub restart_needed: Vec<&'static str>,
}

/// The environment's switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SwitchReport {
    /// `FORCE_OPENAI_PROVIDER`.
    pub force_openai_provider: bool,
    /// `USE_AWS_PERCENT`.
    pub use_aws_percent: Option<Percent>,
}

/// Whether what must be remembered is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateFile {
    /// It is.
    Ok,
    /// It is being read or written now.
    Busy,
    /// It could not be read or written; that is tried again every second.
    Failing,
    /// Another process owns it.
    Locked,
}

impl Status {
    /// The status at one moment.
    pub fn new(
        snapshot: Arc<Snapshot>,
        metrics: &Metrics,
        uptime_s: u64,
        now_unix_ms: u64,
    ) -> Self {
        let files = Files::clone(&snapshot.files);
        let mut report = Report::clone(&snapshot.report);
        // The rollout core follows Bedrock's calls only.
        let original = metrics.in_flight_now(Arm::Original);
        report.arms.original.in_flight = u64::try_from(original).unwrap_or(0);
        let switches = snapshot.config.rollout.switches;
        Self {
            verdict: verdict(&snapshot, now_unix_ms),
            state: report.state,
            percent: snapshot.percent,
            ceiling: report.ceiling,
            attempt: report.attempt.0,
            rollback: report.rollback,
            stage: report.stage,
            paused: report.paused,
            holds: snapshot.holds,
            rules: report.rules,
            cautions: report.cautions,
            breaker: report.breaker,
            detectable: report.detectable,
            arms: report.arms,
            other_attempt: report.other_attempt,
            eligibility: EligibilityCounts::new(metrics),
            migratable: MigratableReport::new(metrics),
            capped_answers: metrics.capped_answers(),
            share: ShareReport::new(files.share, files.percent_since_unix_ms),
            state_file: StateFile::new(snapshot.holds, &files),
            config: ConfigReport {
                generation: files.generation,
                hash: files.hash,
                problems: files.problems,
                warnings: files.warnings,
                restart_needed: files.restart_needed,
            },
            switches: SwitchReport {
                force_openai_provider: switches.force_original,
                use_aws_percent: switches.use_aws_percent,
            },
            state_problem: files.state_problem,
            unsaved: files.unsaved,
            journal_problem: files.side.journal_problem,
            credentials_problem: files.side.credentials_problem,
            descriptors_problem: files.side.descriptors_problem,
            notify: files.side.notify,
            traces: TracesReport::new(&snapshot.config, files.side.traces_problem),
            happened: files.side.happened,
            version: env!("CARGO_PKG_VERSION"),
            uptime_s,
            now_unix_ms,
        }
    }
}

impl TracesReport {
    fn new(config: &Config, problem: Option<String>) -> Option<Self> {
        let traces = config.traces.as_ref()?;
        Some(Self {
            to: traces.to_string(),
            sample: traces.sample.to_string(),
            problem,
        })
    }
}

impl EligibilityCounts {
    fn new(metrics: &Metrics) -> Self {
        let mut counts = Self::default();
        for (eligibility, count) in metrics.eligibility() {
            match eligibility {
                Eligibility::Eligible => counts.eligible = count,
                Eligibility::Unread => counts.unread = count,
                Eligibility::Ineligible(_) if count == 0 => {}
                Eligibility::Ineligible(reason) => {
                    counts.ineligible = counts.ineligible.saturating_add(count);
                    counts.reasons.insert(reason.name(), count);
                }
            }
        }
        counts
    }
}

impl MigratableReport {
    fn new(metrics: &Metrics) -> Self {
        let counts = metrics.migratable();
        let Migratable {
            migratable,
            examined,
            sampled,
        } = counts;
        let calls: u64 = metrics.eligibility().map(|(_, count)| count).sum();
        let part = |(eligibility, count)| match eligibility {
            Eligibility::Ineligible(reason) if count > 0 && eligibility.is_told() => {
                Some((reason.name(), count as f64 / examined.max(1) as f64))
            }
            Eligibility::Ineligible(_) | Eligibility::Eligible | Eligibility::Unread => None,
        };
        Self {
            ratio: counts.ratio(),
            migratable,
            examined,
            sampled,
            unexamined: calls.saturating_sub(examined),
            stays: metrics.eligibility().filter_map(part).collect(),
        }
    }
}

impl ShareReport {
    fn new(share: Share, since_unix_ms: u64) -> Self {
        let Share { eligible, bedrock } = share;
        Self {
            actual: share.ratio(),
            eligible,
            bedrock,
            since_unix_ms,
        }
    }
}

impl StateFile {
    fn new(holds: Holds, files: &Files) -> Self {
        if holds.contains(Hold::StateLocked) {
            Self::Locked
        } else if files.state_problem.is_some() {
            Self::Failing
        } else if holds.contains(Hold::StateWrite) {
            Self::Busy
        } else {
            Self::Ok
        }
    }
}

/// The one line. The latch before the holds: it is what stays when they end.
fn verdict(snapshot: &Snapshot, now_unix_ms: u64) -> String {
    let report = &snapshot.report;
    if let Some(rollback) = &report.rollback {
        let when = super::text::ago(now_unix_ms.saturating_sub(rollback.at_unix_ms));
        return match rollback.sentence.strip_prefix("Rolled back ") {
            Some(rest) => format!("ROLLED BACK {when}, {rest}"),
            None => format!("ROLLED BACK {when}: {}", rollback.sentence),
        };
    }
    if let Some(sentence) = &snapshot.files.unsaved {
        return format!("HELD AT 0 %, not on disk yet: {sentence}");
    }
    if !snapshot.holds.is_empty() {
        let why: Vec<_> = snapshot.holds.iter().map(Hold::sentence).collect();
        return format!("HELD AT 0 %: {}", why.join(" "));
    }
    let kept = match report.breaker.state {
        BreakerState::Open | BreakerState::Trial => !snapshot.percent.is_zero(),
        BreakerState::Closed => false,
    };
    if kept {
        let share = snapshot.percent;
        return format!(
            "KEPT FROM BEDROCK: by the local breaker, for now; {share} % of eligible calls go there \
             when it closes"
        );
    }
    match snapshot.percent {
        Percent::ZERO => "Nothing goes to Bedrock: the share is 0 %".to_owned(),
        Percent::ALL => "All eligible calls go to Bedrock (100 %)".to_owned(),
        share => format!("{share} % of eligible calls go to Bedrock"),
    }
}

fn hold_names<S: Serializer>(holds: &Holds, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(holds.iter().map(Hold::name))
}
