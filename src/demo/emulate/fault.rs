//! The usual ways in which a provider fails, in one word each.
//!
//! An emulator can do much more (`emulator::bedrock::Behaviour`); these are what a person who tries
//! a rollback out asks for.

use super::Provider;
use crate::demo::emulator::Rule;
use crate::demo::emulator::bedrock::{Behaviour as OfBedrock, ErrorKind};
use crate::demo::emulator::openai::Behaviour as OfOpenAi;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// 503 for every call: the rule `outage` trips in about 20 s.
    Fail,
    /// 429 for every call.
    Throttle,
    /// The first token comes after 8 s: the rule `latency` trips after 5 minutes.
    Slow,
    /// No answer at all, until the caller gives up.
    Hang,
    /// An answer begins and falls silent.
    Stall,
    /// An answer begins and its connection is closed.
    Cut,
    /// Nothing goes wrong any more.
    Repair,
}

/// Events or chunks of an answer before it breaks; some of them are content.
const BEGUN: usize = 6;

/// Above the limit of the rule `latency`, below the time that a first token may take, in
/// milliseconds.
const SLOW_MS: u64 = 8_000;

impl Fault {
    /// The rules that replace an emulator's own, for `PUT /__emulator/behaviour`; `probability`
    /// (0 to 1) is how likely a call meets the fault.
    pub fn rules(self, provider: Provider, probability: Option<f64>) -> Value {
        match provider {
            Provider::Bedrock => list(self.of_bedrock(), probability),
            Provider::OpenAi => list(self.of_openai(), probability),
        }
    }

    fn of_bedrock(self) -> Option<OfBedrock> {
        let error = |kind| OfBedrock::Error {
            kind,
            message: None,
            original_status: None,
            retry_after_ms: None,
        };
        Some(match self {
            Self::Fail => error(ErrorKind::Unavailable),
            Self::Throttle => error(ErrorKind::Throttling),
            Self::Slow => OfBedrock::SlowFirstToken { ms: SLOW_MS },
            Self::Hang => OfBedrock::Hang,
            Self::Stall => OfBedrock::Stall { after: BEGUN },
            Self::Cut => OfBedrock::Cut { after: BEGUN },
            Self::Repair => return None,
        })
    }

    fn of_openai(self) -> Option<OfOpenAi> {
        let error = |status| OfOpenAi::Error {
            status,
            message: None,
            code: None,
            retry_after_s: None,
        };
        Some(match self {
            Self::Fail => error(503),
            Self::Throttle => error(429),
            Self::Slow => OfOpenAi::SlowFirstToken { ms: SLOW_MS },
            Self::Hang => OfOpenAi::Hang,
            Self::Stall => OfOpenAi::Stall { after: BEGUN },
            Self::Cut => OfOpenAi::Cut { after: BEGUN },
            Self::Repair => return None,
        })
    }
}

fn list<B: Serialize>(behaviour: Option<B>, probability: Option<f64>) -> Value {
    let rule = |behaviour| Rule {
        probability,
        ..Rule::always(behaviour)
    };
    let rules: Vec<_> = behaviour.into_iter().map(rule).collect();
    json!(rules)
}

#[cfg(test)]
mod tests {
    use super::{Fault, OfBedrock, OfOpenAi, Provider, Rule};
    use clap::ValueEnum;
    use serde_json::json;

    #[test]
    fn an_emulator_reads_every_fault_as_it_is_meant() {
        for &fault in Fault::value_variants() {
            let rules = fault.rules(Provider::Bedrock, Some(0.5));
            let read = Rule::<OfBedrock>::list_from_json(rules).expect("rules of Bedrock's");
            let meant = fault.of_bedrock().map(|behaviour| Rule {
                probability: Some(0.5),
                ..Rule::always(behaviour)
            });
            assert_eq!(read, Vec::from_iter(meant), "{fault:?}");
            let rules = fault.rules(Provider::OpenAi, None);
            let read = Rule::<OfOpenAi>::list_from_json(rules).expect("rules of OpenAI's");
            let meant = fault.of_openai().map(Rule::always);
            assert_eq!(read, Vec::from_iter(meant), "{fault:?}");
        }
    }

    #[test]
    fn a_repair_leaves_no_rule() {
        assert_eq!(Fault::Repair.rules(Provider::Bedrock, None), json!([]));
    }
}
