//! The rules of `rollback` that compare Bedrock with the original.

use super::super::Rollout;
use super::super::defaults;
use super::super::problems::Problem;
use super::super::section::Section;
use super::super::section::Sink;
use super::super::values;
use crate::rollout::Advance;
use crate::rollout::plan::Abandoned;
use crate::rollout::plan::Action;
use crate::rollout::plan::OnThrottle;
use crate::rollout::plan::Relative;
use crate::rollout::plan::Rules;

/// `relative` and `rejected`: `{ odds: 1000, action: caution }`.
pub(super) fn relative(mut keys: Section<'_>) -> Relative {
    let Relative { odds, action } = defaults::RELATIVE;
    let actions = values::named(&Action::ALL, Action::name);
    let rule = Relative {
        odds: keys.value("odds", odds, values::count(defaults::ODDS)),
        action: keys.value("action", action, actions),
    };
    keys.finish();
    rule
}

/// `abandoned`: `{ times: 3 }`.
pub(super) fn abandoned(mut keys: Section<'_>) -> Abandoned {
    let rule = Abandoned {
        times: keys.value(
            "times",
            defaults::ABANDONED.times,
            values::count(defaults::TIMES),
        ),
    };
    keys.finish();
    rule
}

/// Only where the stages are climbed there is one to go back to.
pub(super) fn check(sink: &Sink, rollout: &Rollout, rules: &Rules) {
    match (rules.on_throttle, &rollout.advance) {
        (OnThrottle::StepBack, Advance::Manual) => sink.problem(Problem::new(
            "rollback.on_throttle",
            OnThrottle::StepBack.name(),
            "rollback; step_back only with rollout.advance: auto, where there is a stage to go \
             back to",
        )),
        (OnThrottle::StepBack, Advance::Auto(_)) | (OnThrottle::Rollback, _) => {}
    }
}

/// `on_throttle`.
pub(super) fn on_throttle(section: &mut Section<'_>) -> OnThrottle {
    let choices = values::named(&OnThrottle::ALL, OnThrottle::name);
    section.value("on_throttle", defaults::ON_THROTTLE, choices)
}
