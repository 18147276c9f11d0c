//! Which calls of an emulator go wrong.
//!
//! Rules are tried in the order in which they were added; the first that fits a call is played. A
//! rule fits every call, or those for one model, a number of times or without end, always or with
//! a probability. In JSON a rule is its behaviour with these conditions beside it:
//! `{"behaviour": "error", "kind": "throttling", "times": 3, "model": "amazon.nova-lite-v1:0",
//! "probability": 0.5}`. Draws come from a fixed sequence: the same calls meet the same faults.

use super::log::Ticket;
use super::server::Dropped;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// A behaviour and when it is played.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule<B> {
    /// What happens.
    #[serde(flatten)]
    pub behaviour: B,
    /// How many more calls; none: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Only calls for this model, deployment or model id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How likely a call that fits meets it, 0 to 1; none: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

impl<B> Rule<B> {
    /// Every call, until the rules are cleared.
    pub const fn always(behaviour: B) -> Self {
        Self {
            behaviour,
            times: None,
            model: None,
            probability: None,
        }
    }

    /// The next `times` calls.
    pub const fn times(behaviour: B, times: u64) -> Self {
        Self {
            behaviour,
            times: Some(times),
            model: None,
            probability: None,
        }
    }

    /// Only calls for `model`.
    #[must_use]
    pub fn for_model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }
}

impl<B: DeserializeOwned> Rule<B> {
    /// Reads one rule.
    ///
    /// # Errors
    /// What is wrong with it, for the person who wrote it.
    pub fn from_json(mut json: Value) -> Result<Self, String> {
        let object = json.as_object_mut().ok_or("a rule is a JSON object")?;
        let mut take = |key: &str| object.remove(key).filter(|value| !value.is_null());
        let times = take("times")
            .map(|value| value.as_u64().ok_or("times: a whole number"))
            .transpose()?;
        let model = take("model")
            .map(|value| value.as_str().map(str::to_owned).ok_or("model: a string"))
            .transpose()?;
        let probability = take("probability")
            .map(|value| {
                value
                    .as_f64()
                    .filter(|p| (0.0..=1.0).contains(p))
                    .ok_or("probability: 0 to 1")
            })
            .transpose()?;
        let behaviour = serde_json::from_value(json).map_err(|error| error.to_string())?;
        Ok(Self {
            behaviour,
            times,
            model,
            probability,
        })
    }

    /// Reads one rule or a list of them.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn list_from_json(json: Value) -> Result<Vec<Self>, String> {
        match json {
            Value::Array(rules) => rules.into_iter().map(Self::from_json).collect(),
            one => Self::from_json(one).map(|rule| vec![rule]),
        }
    }
}

/// What happens before the request is looked at, whoever the provider is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    #[default]
    Nothing,
    /// A wait.
    Delay(Duration),
    /// No answer, ever.
    Hang,
    /// The end of the connection.
    Drop,
}

impl Before {
    /// Lets it happen to the exchange of `ticket`, which comes back if the exchange goes on.
    pub(super) async fn play(self, ticket: Ticket) -> Result<Ticket, Dropped> {
        match self {
            Self::Nothing => Ok(ticket),
            Self::Delay(how_long) => {
                tokio::time::sleep(how_long).await;
                Ok(ticket)
            }
            Self::Hang => std::future::pending().await,
            Self::Drop => Err(Dropped::on_purpose(ticket)),
        }
    }
}

/// The rules in force.
#[derive(Clone, Debug)]
pub(super) struct Rules<B> {
    rules: Vec<Rule<B>>,
    draws: u64,
}

impl<B> Default for Rules<B> {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            draws: 0,
        }
    }
}

impl<B: Clone> Rules<B> {
    /// Adds a rule behind the others.
    pub(super) fn add(&mut self, rule: Rule<B>) {
        self.rules.push(rule);
    }

    /// No rule any more.
    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules in force.
    pub(super) fn list(&self) -> &[Rule<B>] {
        &self.rules
    }

    /// The behaviour that a call for `model` meets; none: the normal one.
    pub(super) fn pick(&mut self, model: &str) -> Option<B> {
        let draws = &mut self.draws;
        let found = self.rules.iter().position(|rule| {
            rule.times != Some(0)
                && rule.model.as_deref().is_none_or(|only| only == model)
                && rule
                    .probability
                    .is_none_or(|probability| draw(draws) < probability)
        })?;
        let rule = self.rules.get_mut(found)?;
        let behaviour = rule.behaviour.clone();
        if let Some(times) = rule.times.as_mut() {
            *times -= 1;
            if *times == 0 {
                self.rules.remove(found);
            }
        }
        Some(behaviour)
    }
}

/// The next number of a fixed sequence, evenly spread over 0 to 1 (multiples of the golden ratio).
fn draw(draws: &mut u64) -> f64 {
    *draws = draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let top = u32::try_from(*draws >> 32).unwrap_or(u32::MAX);
    f64::from(top) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::{Rule, Rules};
    use serde_json::json;

    fn rules(list: impl IntoIterator<Item = Rule<String>>) -> Rules<String> {
        let mut rules = Rules::default();
        list.into_iter().for_each(|rule| rules.add(rule));
        rules
    }

    #[test]
    fn a_counted_rule_ends_and_the_next_one_follows() {
        let mut rules = rules([Rule::times("a".to_owned(), 2), Rule::always("b".to_owned())]);
        let played: Vec<_> = (0..4).filter_map(|_| rules.pick("m")).collect();
        assert_eq!(played, ["a", "a", "b", "b"]);
    }

    #[test]
    fn a_rule_for_one_model_leaves_the_others_alone() {
        let mut rules = rules([Rule::always("a".to_owned()).for_model("m")]);
        assert_eq!(rules.pick("m").as_deref(), Some("a"));
        assert_eq!(rules.pick("n"), None);
    }

    #[test]
    fn a_probability_is_met_in_the_long_run() {
        let half = Rule {
            probability: Some(0.5),
            ..Rule::always("a".to_owned())
        };
        let mut rules = rules([half]);
        let played = (0..1000).filter(|_| rules.pick("m").is_some()).count();
        assert!((490..=510).contains(&played), "{played}");
    }

    #[test]
    fn conditions_are_read_beside_the_behaviour() {
        use crate::demo::emulator::bedrock::{Behaviour, ErrorKind};
        let rule = json!({"behaviour": "error", "kind": "throttling", "times": 3, "model": "m"});
        let rule = Rule::<Behaviour>::from_json(rule).unwrap();
        assert_eq!(rule.times, Some(3));
        assert_eq!(rule.model.as_deref(), Some("m"));
        assert!(matches!(
            rule.behaviour,
            Behaviour::Error {
                kind: ErrorKind::Throttling,
                ..
            }
        ));
    }

    #[test]
    fn mistakes_are_refused() {
        use crate::demo::emulator::bedrock::Behaviour;
        for wrong in [
            json!("error"),
            json!({"behaviour": "no_such"}),
            json!({"behaviour": "normal", "times": -1}),
            json!({"behaviour": "normal", "probability": 2}),
        ] {
            assert!(
                Rule::<Behaviour>::from_json(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }
}
