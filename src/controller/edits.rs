//! What the task does with a new `rollout.yaml`: accepts it whole, or keeps what is in force.

use super::standing::plan;
use super::task::Task;
use crate::config::Config;
use crate::config::watch::{Event, Loaded};
use crate::rollout::{Input, Refusal};
use crate::snapshot::Hold;
use crate::telemetry::events::Control;
use std::sync::Arc;

impl Task {
    pub(super) fn update(&mut self, event: Event) {
        match event {
            Event::Changed(loaded) => {
                let Loaded { text, hash, result } = *loaded;
                let current = Arc::clone(&self.state.config);
                let follow = |new: Config| {
                    let restart_needed = current.restart_needed(&new);
                    new.keeping(&current).map(|config| (config, restart_needed))
                };
                match result.and_then(follow) {
                    Ok((config, _)) if self.rollout_refuses(&config).is_some() => {
                        let why = self.rollout_refuses(&config);
                        self.refused(why.iter().map(ToString::to_string).collect());
                    }
                    Ok((config, restart_needed)) => {
                        self.state.files.hash = hash.to_string();
                        self.state.files.restart_needed = restart_needed;
                        self.accept(config, text.into());
                    }
                    Err(problems) => self.refused(problems.lines()),
                }
            }
            Event::Unreadable(problems) => self.refused(problems.lines()),
        }
    }

    /// Why the rollout cannot go on with a configuration, if it cannot.
    fn rollout_refuses(&self, config: &Config) -> Option<Refusal> {
        self.state.machine.refuses(&plan(config))
    }

    fn accept(&mut self, config: Config, text: Arc<str>) {
        let state = &mut self.state;
        state.files.generation += 1;
        state.files.problems.clear();
        state.files.warnings = config.warnings.iter().map(ToString::to_string).collect();
        state.saved.copy(text);
        let plan = plan(&config);
        state.config = Arc::new(config);
        self.announce_config();
        self.hold(Hold::ConfigRefused, false);
        self.hold_by_switch();
        self.input(Input::Plan(plan));
    }

    /// Reports the configuration in force.
    pub(super) fn announce_config(&self) {
        let files = &self.state.files;
        self.tell(Control::ConfigAccepted {
            generation: files.generation,
            hash: &files.hash,
            restart_needed: &files.restart_needed,
            warnings: &files.warnings,
        });
    }

    /// The file as it is now cannot be used; what is in force stays.
    pub(super) fn refused(&mut self, problems: Vec<String>) {
        self.tell(Control::ConfigRefused {
            problems: &problems,
        });
        self.state.files.problems = problems;
    }

    /// Follows `FORCE_OPENAI_PROVIDER`.
    pub(super) fn hold_by_switch(&mut self) {
        let on = self.state.config.rollout.switches.force_original;
        self.hold(Hold::ForceOriginal, on);
    }
}
