//! The words of `rollout` and `rollback`: how much moves, and when it is taken back.

use super::Words;

pub(super) const WORDS: &[Words] = &[
    ("rollout", "How much goes to Bedrock, and who.", &[]),
    (
        "rollout.percent",
        "The most of the eligible calls that may go to Bedrock: the line to edit, 5 → 10 → 25 → 50 → 75 → 100. With `advance: manual` it is in force as soon as it is saved; with `auto` the stages climb up to it, and a lower one is in force at once. A rollback puts the share to 0 whatever it says.",
        &[],
    ),
    (
        "rollout.advance",
        "Who raises the share: you, by editing `percent` (`manual`), or crossfade, stage by stage up to `percent` (`auto`).",
        &[],
    ),
    (
        "rollout.sticky",
        "What makes two calls go to the same arm: the `conversation` (its first system and first user message), the `user` (`safety_identifier`, else `user`), a header of the request (`header:NAME`), or `none` for a fresh draw each call.",
        &["header:x-session-id"],
    ),
    (
        "rollout.salt",
        "Goes into each draw. Changing it reshuffles who is on Bedrock.",
        &[],
    ),
    (
        "rollout.attempt",
        "The number of the try. Raised after a rollback it re-arms, like `crossfade rearm`, for who works by commit.",
        &[],
    ),
    (
        "rollout.allow_override",
        "For debugging: whether `x-crossfade-arm` in a request chooses the arm. Such calls enter no statistics.",
        &[],
    ),
    (
        "rollout.stages",
        "The percentages that `advance: auto` climbs, rising and above 0.",
        &[],
    ),
    (
        "rollout.bake",
        "With `advance: auto`: how long each stage lasts at least. It must be at least twice the longest rule of `rollback`.",
        &[],
    ),
    (
        "rollout.final_bake",
        "With `advance: auto`: how long 100 % must hold until the rollout is finished. It must be at least twice the longest rule of `rollback`.",
        &[],
    ),
    (
        "rollout.min_calls",
        "With `advance: auto`: the judged Bedrock calls of a stage at which its error rate is looked at first. The number doubles with each further look.",
        &[],
    ),
    (
        "rollout.error_bound",
        "With `advance: auto`: the calls of a stage must show an error rate below this before the next one.",
        &[],
    ),
    (
        "rollout.gates",
        "With `advance: auto`: who else must agree to the next stage. `manual` is a person, with `crossfade advance`; a webhook is asked by POST.",
        &[],
    ),
    (
        "rollout.gates[].webhook",
        "What is asked by POST: 2xx is a yes, 403 a no, and all else is asked again.",
        &["https://ops.example.com/may-we-go-on"],
    ),
    (
        "rollout.gates[].timeout",
        "How long the answer may take; then it is not known, and asked again.",
        &[],
    ),
    (
        "rollback",
        "When everything is taken back, at once and until a person re-arms. Limits are exceeded by what is above them, not by what is equal. A rule that is left out stays on with its defaults; `off` switches it off.",
        &[],
    ),
    (
        "rollback.errors",
        "Bedrock's error rate stays above a share for a time; short dips do not reset it. `off` switches it off.",
        &[],
    ),
    (
        "rollback.errors.above",
        "The share of the judged calls that may fail.",
        &[],
    ),
    (
        "rollback.errors.for",
        "How long it must stay above that.",
        &[],
    ),
    (
        "rollback.latency",
        "Too many calls are slow for a time, hung ones included. `off` switches it off.",
        &[],
    ),
    (
        "rollback.latency.above",
        "A call is slow when it takes longer.",
        &[],
    ),
    (
        "rollback.latency.for",
        "How long too many must be slow.",
        &[],
    ),
    (
        "rollback.latency.percentile",
        "How many are too many: with `p95` more than 5 %.",
        &[],
    ),
    (
        "rollback.latency.measure",
        "What is timed: until the first token, or until the end of the answer.",
        &[],
    ),
    (
        "rollback.severe",
        "A high error rate over minutes. `off` switches it off.",
        &[],
    ),
    (
        "rollback.severe.above",
        "The share of the judged calls that may fail.",
        &[],
    ),
    ("rollback.severe.over", "The window that is looked at.", &[]),
    (
        "rollback.outage",
        "A very high error rate over seconds. `off` switches it off.",
        &[],
    ),
    (
        "rollback.outage.above",
        "The share of the judged calls that may fail.",
        &[],
    ),
    ("rollback.outage.over", "The window that is looked at.", &[]),
    (
        "rollback.relative",
        "Bedrock has more of the failures, the slow calls or the truncated answers than its share of the calls explains. `off` switches it off.",
        &[],
    ),
    (
        "rollback.relative.odds",
        "How sure it must be: n of the odds n:1 against chance.",
        &[],
    ),
    (
        "rollback.relative.action",
        "What follows: `caution` stops an automatic advance until a person takes note (`crossfade resume`), `rollback` takes everything back.",
        &[],
    ),
    (
        "rollback.rejected",
        "Bedrock has more of the calls that are refused for what they are than its share explains. `off` switches it off.",
        &[],
    ),
    (
        "rollback.rejected.odds",
        "How sure it must be: n of the odds n:1 against chance.",
        &[],
    ),
    (
        "rollback.rejected.action",
        "What follows: `caution` stops an automatic advance until a person takes note (`crossfade resume`), `rollback` takes everything back.",
        &[],
    ),
    (
        "rollback.abandoned",
        "Callers leave Bedrock's calls before the first token more often than the original's. It only ever stops an automatic advance. `off` switches it off.",
        &[],
    ),
    (
        "rollback.abandoned.times",
        "How many times the original's share.",
        &[],
    ),
    (
        "rollback.breaker",
        "Keeps only this process from Bedrock, for a minute at first; moves nothing and needs no re-arm. `off` switches it off.",
        &[],
    ),
    (
        "rollback.breaker.above",
        "The share of the judged calls that may fail.",
        &[],
    ),
    (
        "rollback.breaker.over",
        "The window that is looked at.",
        &[],
    ),
    (
        "rollback.on_throttle",
        "What a trip leads to when nearly all failures are throttling: `rollback`, or with `advance: auto` one stage back (`step_back`), because less traffic cures throttling.",
        &[],
    ),
];
