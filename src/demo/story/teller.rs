//! Looks until a claim is seen, and shows what it sees.

use crate::demo::Failed;
use crate::demo::load::{Load, Tally};
use crate::demo::stage::{GLANCE, Glance, Stage, shown};
use crate::demo::view::View;
use serde_json::json;
use std::time::Duration;

/// A local process and a saved file.
pub(super) const SOON: Duration = Duration::from_secs(15);

/// What a glance showed.
pub(super) enum Look {
    /// The claim, with its numbers.
    Seen(String),
    /// Not yet; what there is instead.
    Wait(String),
    /// Something that ought not to be.
    Wrong(String),
}

/// Who looks, and where the story is.
pub(super) struct Teller<'s> {
    pub(super) stage: &'s mut Stage,
    pub(super) view: &'s mut View,
    /// What is being looked for.
    pub(super) title: String,
    /// The share that the file asks for.
    pub(super) asked: u8,
    /// Bedrock's counter when it had gone silent.
    pub(super) silent_count: u64,
}

impl Teller<'_> {
    /// Starts crossfade and waits until it serves.
    pub(super) async fn launch(&mut self) -> Result<(), Failed> {
        let started = self.stage.sidecar.start();
        started.map_err(|error| self.failed("crossfade starts", &error.to_string()))?;
        let ready = async {
            let mut pace = tokio::time::interval(GLANCE);
            loop {
                pace.tick().await;
                self.alive()?;
                if self.stage.ready().await {
                    return Ok(());
                }
            }
        };
        match tokio::time::timeout(SOON, ready).await {
            Ok(result) => result,
            Err(_) => Err(self.failed("/readyz answers 200", "it does not")),
        }
    }

    /// SIGTERM, and exit code 0.
    pub(super) async fn stop_sidecar(&mut self) -> Result<(), Failed> {
        let expected = "exit code 0 after SIGTERM";
        match self.stage.sidecar.terminate().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.failed(expected, &status.to_string())),
            Err(error) => Err(self.failed(expected, &error.to_string())),
        }
    }

    /// The last words.
    pub(super) fn finish(&mut self, failed: Option<&Failed>) {
        let tally = self.tally();
        let config = shown(&self.stage.config_path());
        self.view.close();
        if failed.is_none() {
            self.view.say(&format!(
                "\n{} calls, {} errors seen by the app, in {} s. Bedrock received {} requests, \
                 every one correctly signed.\n  left to look at: {config} and what lies beside it\n  \
                 a look around while it runs: crossfade demo --serve",
                tally.answered,
                tally.errors,
                self.view.seconds(),
                self.stage.bedrock.count(),
            ));
        }
        self.view.result(
            failed.is_none(),
            json!({
                "failed": failed.map(ToString::to_string),
                "calls": tally.answered, "errors": tally.errors, "failovers": tally.failovers,
                "bedrock_requests": self.stage.bedrock.count(), "config": config,
            }),
        );
    }

    /// Counts the app's next so many calls apart.
    pub(super) fn mark(&self, calls: u64) {
        if let Some(load) = &self.stage.load {
            load.mark(calls);
        }
    }

    pub(super) fn tally(&self) -> Tally {
        self.stage
            .load
            .as_ref()
            .map(Load::tally)
            .unwrap_or_default()
    }

    /// Glances until `look` has seen what it is for.
    pub(super) async fn until(
        &mut self,
        within: Duration,
        expected: &str,
        mut look: impl FnMut(&Glance) -> Look,
    ) -> Result<String, Failed> {
        let mut last = "nothing".to_owned();
        let watch = async {
            let mut pace = tokio::time::interval(GLANCE);
            loop {
                pace.tick().await;
                self.alive()?;
                let glance = self.stage.glance().await;
                self.show(&glance);
                if let Some(error) = &glance.tally.first_error {
                    let seen = format!("{} errors, the first: {error}", glance.tally.errors);
                    return Err(self.failed("no error in the app", &seen));
                }
                match look(&glance) {
                    Look::Seen(seen) => return Ok(seen),
                    Look::Wait(seen) => last = seen,
                    Look::Wrong(seen) => return Err(self.failed(expected, &seen)),
                }
            }
        };
        match tokio::time::timeout(within, watch).await {
            Ok(result) => result,
            Err(_) => {
                let seen = format!("{last}, after {} s", within.as_secs());
                Err(self.failed(expected, &seen))
            }
        }
    }

    /// An error if crossfade has ended by itself.
    pub(super) fn alive(&mut self) -> Result<(), Failed> {
        match self.stage.sidecar.ended() {
            None => Ok(()),
            Some(status) => Err(self.failed("crossfade runs", &format!("it ended: {status}"))),
        }
    }

    pub(super) fn failed(&self, expected: &str, seen: &str) -> Failed {
        Failed::Step {
            step: self.title.clone(),
            expected: expected.to_owned(),
            seen: seen.to_owned(),
            dir: self.stage.dir.clone(),
        }
    }

    pub(super) fn show(&mut self, glance: &Glance) {
        let marked = glance.tally.marked;
        let observed = match marked.answered {
            0 => "–".to_owned(),
            calls => format!("{:.1} % of {calls}", marked.percent()),
        };
        let (in_force, outage) = match &glance.status {
            Ok(status) => {
                // Before there are calls enough to judge there is nothing to say.
                let outage = status.rule("outage").and_then(|rule| {
                    let (value, limit) = (rule.value?, rule.limit?);
                    Some(format!(
                        " │ {value:.0} % of its calls failed, the limit is {limit:.0} %"
                    ))
                });
                let outage = outage.unwrap_or_default();
                (format!("{} %", status.percent), outage)
            }
            Err(_) => ("?".to_owned(), String::new()),
        };
        let share = format!(
            "asked {} %, in force {in_force}, observed {observed}",
            self.asked
        );
        let calls = format!(
            "app: {} calls, {} errors │ Bedrock: {} requests{outage}",
            glance.tally.answered, glance.tally.errors, glance.bedrock_calls
        );
        self.view.numbers(&share, &calls);
    }
}
