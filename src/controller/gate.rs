//! The way to the webhook gate: the rollout's question goes out, the answer comes back as an input.
//!
//! Who asks it over HTTP is given by `app`; this task waits for nobody.

use super::Ask;
use super::task::Task;
use crate::rollout::{GateAnswer, QuestionId};
use tokio::sync::mpsc;

/// Both ends.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) questions: mpsc::Sender<Ask>,
    /// Goes along with each question.
    pub(super) answer: mpsc::Sender<(QuestionId, GateAnswer)>,
    pub(super) answers: mpsc::Receiver<(QuestionId, GateAnswer)>,
    /// The last question that was put.
    pub(super) asked: Option<QuestionId>,
}

impl Task {
    /// Puts the question that the rollout has, once. One that finds no room comes back with
    /// another number.
    pub(super) fn ask_gate(&mut self) {
        let Some(question) = self.state.machine.question() else {
            return;
        };
        let Some(webhook) = self.state.config.rollout.webhook.clone() else {
            return;
        };
        let id = question.id;
        if self.gate.asked.replace(id) == Some(id) {
            return;
        }
        let reply = self.gate.answer.clone();
        let ask = Ask {
            question,
            webhook,
            reply,
        };
        // A full queue means that the gate is slow; nobody waits for it here.
        let _ = self.gate.questions.try_send(ask);
    }
}
