//! The catalogue: every metric's name, labels and help. Nothing else may name one.
//!
//! Names end in `_total` for counters and in the unit where there is one; ratios are 0 to 1,
//! shares of the operator in percent, as `rollout.yaml` has them. The values of labels are in
//! `labels`.

use prometheus::Opts;

/// One metric, with `N` labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec<const N: usize> {
    pub(super) name: &'static str,
    pub(super) labels: [&'static str; N],
    pub(super) help: &'static str,
}

impl<const N: usize> Spec<N> {
    pub(super) fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

pub(super) const CHAT_CALLS: Spec<1> = Spec {
    name: "crossfade_chat_calls_total",
    labels: ["eligibility"],
    help: "Chat calls by whether Bedrock can honour them: eligible, the reason why a call \
           stays, or unread (at 0 % only a few are looked at).",
};

pub(super) const EXAMINED_CALLS: Spec<1> = Spec {
    name: "crossfade_examined_calls_total",
    labels: ["look"],
    help: "Chat calls of which it is known whether Bedrock can honour them; look sample: one of \
           the few that are read at 0 %.",
};

pub(super) const MIGRATABLE_CALLS: Spec<1> = Spec {
    name: "crossfade_migratable_calls_total",
    labels: ["look"],
    help: "Examined chat calls that Bedrock can honour, those that found no room included.",
};

pub(super) const MIGRATABLE_RATIO: Spec<0> = Spec {
    name: "crossfade_migratable_ratio",
    labels: [],
    help: "Migratable calls by examined calls since the start; NaN: none was examined yet.",
};

pub(super) const SPLIT_CALLS: Spec<1> = Spec {
    name: "crossfade_split_calls_total",
    labels: ["arm"],
    help: "Eligible chat calls by the arm that the split chose.",
};

pub(super) const CALLS: Spec<3> = Spec {
    name: "crossfade_calls_total",
    labels: ["arm", "verdict", "class"],
    help: "Chat calls that came to an end on an arm, by verdict; class says which failure. A \
           call that failed over ended on both arms.",
};

pub(super) const FAILOVERS: Spec<2> = Spec {
    name: "crossfade_failovers_total",
    labels: ["class", "outcome"],
    help: "Bedrock calls that the original was asked to answer, by what Bedrock had made of \
           them and by what the original did.",
};

pub(super) const FIRST_TOKEN_SECONDS: Spec<1> = Spec {
    name: "crossfade_first_token_seconds",
    labels: ["arm"],
    help: "From dispatch to the first content or tool chunk (bedrock), or to the first body \
           bytes of a streamed answer (original).",
};

pub(super) const CALL_SECONDS: Spec<1> = Spec {
    name: "crossfade_call_seconds",
    labels: ["arm"],
    help: "From dispatch to the end of the answer.",
};

pub(super) const IN_FLIGHT: Spec<1> = Spec {
    name: "crossfade_in_flight",
    labels: ["arm"],
    help: "Chat calls that an arm is answering now.",
};

pub(super) const TOKENS: Spec<1> = Spec {
    name: "crossfade_tokens_total",
    labels: ["kind"],
    help: "Tokens that Bedrock reported; the original's answers are passed on unread.",
};

pub(super) const CAPPED_ANSWERS: Spec<0> = Spec {
    name: "crossfade_capped_answers_total",
    labels: [],
    help: "Answers of Bedrock's that were cut off at the mapping's max_tokens, in calls that asked \
           for no cap.",
};

pub(super) const UNKNOWN_STOP_REASONS: Spec<0> = Spec {
    name: "crossfade_unknown_stop_reasons_total",
    labels: [],
    help: "Answers of Bedrock's that ended for a reason that crossfade does not know; the log has \
           its name.",
};

pub(super) const LOSSES: Spec<1> = Spec {
    name: "crossfade_losses_total",
    labels: ["loss"],
    help: "What was left behind or changed in calls that Bedrock was sent, by what it was; \
           each is one that the tables of the translation permit.",
};

pub(super) const OTHER_REQUESTS: Spec<0> = Spec {
    name: "crossfade_other_requests_total",
    labels: [],
    help: "Requests that are no chat call; all go to the original.",
};

pub(super) const STICKY_FALLBACKS: Spec<0> = Spec {
    name: "crossfade_sticky_fallbacks_total",
    labels: [],
    help: "Eligible calls without the configured sticky key; the conversation was used.",
};

pub(super) const CONNECTIONS: Spec<0> = Spec {
    name: "crossfade_connections",
    labels: [],
    help: "Open connections of callers.",
};

pub(super) const CONNECTIONS_MAX: Spec<0> = Spec {
    name: "crossfade_connections_max",
    labels: [],
    help: "The most connections of callers, limits.connections; more wait.",
};

pub(super) const IN_FLIGHT_MAX: Spec<0> = Spec {
    name: "crossfade_in_flight_max",
    labels: [],
    help: "The most calls in flight on Bedrock, limits.in_flight; more stay, for busy.",
};

pub(super) const BUFFERED_BYTES_MAX: Spec<0> = Spec {
    name: "crossfade_buffered_bytes_max",
    labels: [],
    help: "The most bytes of bodies held in memory, limits.buffered; more stay, for busy.",
};

pub(super) const BUFFERED_BYTES: Spec<0> = Spec {
    name: "crossfade_buffered_bytes",
    labels: [],
    help: "Bytes of bodies held in memory.",
};

pub(super) const BOOKINGS_WAITING: Spec<0> = Spec {
    name: "crossfade_bookings_waiting",
    labels: [],
    help: "Bookings of calls that waited when they were last taken in, a few times a second.",
};

pub(super) const BUILD_INFO: Spec<1> = Spec {
    name: "crossfade_build_info",
    labels: ["version"],
    help: "1, with the version of crossfade.",
};

pub(super) const BOOKINGS_DROPPED: Spec<0> = Spec {
    name: "crossfade_bookings_dropped_total",
    labels: [],
    help: "Bookings of the original arm that found the queue full. Bedrock's are never lost.",
};

pub(super) const CREDENTIALS_HEALTHY: Spec<0> = Spec {
    name: "crossfade_credentials_healthy",
    labels: [],
    help: "1 if AWS credentials are at hand and AWS does not refuse them, else 0.",
};

pub(super) const LOG_DROPPED: Spec<0> = Spec {
    name: "crossfade_log_dropped_total",
    labels: [],
    help: "Log lines lost because nobody read stderr in time.",
};

pub(super) const ROLLBACKS: Spec<1> = Spec {
    name: "crossfade_rollbacks_total",
    labels: ["rule"],
    help: "Rollbacks since the start, by the rule that fired; operator: by hand; state_file: \
           it was lost.",
};

pub(super) const PERCENT: Spec<0> = Spec {
    name: "crossfade_percent",
    labels: [],
    help: "Percent of eligible calls sent to Bedrock now.",
};

pub(super) const CEILING_PERCENT: Spec<0> = Spec {
    name: "crossfade_ceiling_percent",
    labels: [],
    help: "The most that the operator allows.",
};

pub(super) const ATTEMPT: Spec<0> = Spec {
    name: "crossfade_attempt",
    labels: [],
    help: "Number of the attempt; re-arming starts the next one.",
};

pub(super) const STATE: Spec<1> = Spec {
    name: "crossfade_state",
    labels: ["state"],
    help: "1 for the rollout's state, 0 for the others.",
};

pub(super) const STAGE_AGE_SECONDS: Spec<0> = Spec {
    name: "crossfade_stage_age_seconds",
    labels: [],
    help: "How long the stage has been in force; 0: the machine does not climb.",
};

pub(super) const STAGE_CALLS: Spec<0> = Spec {
    name: "crossfade_stage_calls",
    labels: [],
    help: "Judged Bedrock calls since the stage was entered; 0: the machine does not climb.",
};

pub(super) const HOLD: Spec<1> = Spec {
    name: "crossfade_hold",
    labels: ["hold"],
    help: "1 for each reason that keeps the share at 0 whatever the rollout allows.",
};

pub(super) const BREACH_CLOCK_SECONDS: Spec<1> = Spec {
    name: "crossfade_breach_clock_seconds",
    labels: ["rule"],
    help: "For how long a rule has been breached; 0: it is not.",
};

pub(super) const RULE_FOR_SECONDS: Spec<1> = Spec {
    name: "crossfade_rule_for_seconds",
    labels: ["rule"],
    help: "For how long a rule has to be breached until it fires; NaN: it has no breach clock.",
};

pub(super) const RULE_VALUE: Spec<1> = Spec {
    name: "crossfade_rule_value",
    labels: ["rule"],
    help: "What a rule measures, as a ratio of judged calls; NaN: too few to tell.",
};

pub(super) const RULE_THRESHOLD: Spec<1> = Spec {
    name: "crossfade_rule_threshold",
    labels: ["rule"],
    help: "The ratio above which a rule is breached; NaN: it is switched off.",
};

pub(super) const SLOW_AFTER_SECONDS: Spec<1> = Spec {
    name: "crossfade_slow_after_seconds",
    labels: ["measure"],
    help: "Beyond what a call is slow for the rule latency, by what it times; NaN: it does not \
           time that, or is switched off.",
};

pub(super) const RULE_STATE: Spec<2> = Spec {
    name: "crossfade_rule_state",
    labels: ["rule", "state"],
    help: "1 for a rule's state, 0 for the others.",
};

pub(super) const EVALUE: Spec<1> = Spec {
    name: "crossfade_evalue",
    labels: ["rule"],
    help: "Odds against chance that Bedrock does worse than the original, as n of n:1; NaN: the \
           rule is switched off or compares nothing.",
};

pub(super) const CAUTION: Spec<1> = Spec {
    name: "crossfade_caution",
    labels: ["rule"],
    help: "1 for each rule that found something of which nobody has taken note.",
};

pub(super) const BREAKER_STATE: Spec<1> = Spec {
    name: "crossfade_breaker_state",
    labels: ["state"],
    help: "1 for the state of the local breaker, 0 for the others; it moves no rollout.",
};

pub(super) const DETECTABLE_RATIO: Spec<0> = Spec {
    name: "crossfade_detectable_ratio",
    labels: [],
    help: "Smallest failure rate that the rules can see within an hour at this traffic; NaN: none.",
};

pub(super) const SHARE_ACTUAL_RATIO: Spec<0> = Spec {
    name: "crossfade_share_actual_ratio",
    labels: [],
    help: "Part of the eligible calls that went to Bedrock since the percentage changed; NaN: \
           none came yet.",
};

pub(super) const CONFIG_GENERATION: Spec<0> = Spec {
    name: "crossfade_config_generation",
    labels: [],
    help: "How many configurations were accepted since the start, the first one included.",
};

pub(super) const CONFIG_HASH: Spec<0> = Spec {
    name: "crossfade_config_hash",
    labels: [],
    help: "The first 48 bits of the SHA-256 of the configuration in force, as a number: equal where \
           the same file is in force.",
};

pub(super) const CONFIG_PROBLEMS: Spec<0> = Spec {
    name: "crossfade_config_problems",
    labels: [],
    help: "Mistakes in the configuration file as it is now; above 0 it is not in force.",
};

pub(super) const STATE_FILE_HEALTHY: Spec<0> = Spec {
    name: "crossfade_state_file_healthy",
    labels: [],
    help: "1 if the state file holds what must be remembered, else 0.",
};

pub(super) const STATE_FILE_RESTORED: Spec<0> = Spec {
    name: "crossfade_state_file_restored_total",
    labels: [],
    help: "How often somebody deleted or changed the state file while the process ran; it was written \
           again from memory at once.",
};

pub(super) const JOURNAL_HEALTHY: Spec<0> = Spec {
    name: "crossfade_journal_healthy",
    labels: [],
    help: "1 if the journal can be written, else 0.",
};

pub(super) const JOURNAL_LOST: Spec<0> = Spec {
    name: "crossfade_journal_lost_total",
    labels: [],
    help: "Lines that the journal lost because it could not be written for too long.",
};

pub(super) const NOTIFY_SENT: Spec<0> = Spec {
    name: "crossfade_notify_sent_total",
    labels: [],
    help: "Events that a destination of notify has accepted.",
};

pub(super) const NOTIFY_FAILURES: Spec<0> = Spec {
    name: "crossfade_notify_failures_total",
    labels: [],
    help: "Tries to tell a destination of notify that failed; each is repeated.",
};

pub(super) const NOTIFY_DROPPED: Spec<0> = Spec {
    name: "crossfade_notify_dropped_total",
    labels: [],
    help: "Events that a destination of notify was not told: refused as such, too old, or too many.",
};

pub(super) const NOTIFY_WAITING: Spec<0> = Spec {
    name: "crossfade_notify_waiting",
    labels: [],
    help: "Events that wait to be told, over all destinations of notify.",
};

pub(super) const SPANS_EXPORTED: Spec<0> = Spec {
    name: "crossfade_spans_exported_total",
    labels: [],
    help: "Spans that the collector of traces has accepted.",
};

pub(super) const SPANS_DROPPED: Spec<0> = Spec {
    name: "crossfade_spans_dropped_total",
    labels: [],
    help: "Spans that were lost: the queue was full, or the collector refused them or was away for \
           too long.",
};

pub(super) const SPAN_EXPORTS_FAILED: Spec<0> = Spec {
    name: "crossfade_span_exports_failed_total",
    labels: [],
    help: "Exports of spans that the collector of traces did not take; those that a later try may \
           cure are repeated.",
};

/// Upper bounds in seconds, from a fast first token to the longest answer that is bounded by the
/// usual timeouts. Each is at most half as much again as the one before, so that a percentile that is
/// read off between two of them is not far from the true one. 5 is a bound because the latency rule's
/// default is; so its share of slow calls can be read off exactly.
pub(super) const SECONDS: [f64; 24] = [
    0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0,
    15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0,
];
