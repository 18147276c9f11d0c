//! The story, step by step. A step ends when its claim was seen from outside, or fails.
//!
//! Every wait is a wait for an observation, with a deadline. In each of them one error of the app
//! ends the story: that it sees none is the claim of the whole.

use super::Failed;
use super::emulator::bedrock::{Behaviour, ErrorKind};
use super::stage::{Stage, shown};
use super::view::View;
use crate::split::Percent;
use std::time::Duration;
use teller::{Look, SOON, Teller};

mod serve;
mod teller;

pub(super) use serve::serve;

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Share(u8),
    Outage,
    Silence,
    Restart,
    Rearm,
    Return,
}

const STORY: [Step; 9] = [
    Step::Start,
    Step::Share(5),
    Step::Share(25),
    Step::Share(50),
    Step::Outage,
    Step::Silence,
    Step::Restart,
    Step::Rearm,
    Step::Return,
];

impl Step {
    fn title(self) -> String {
        match self {
            Self::Start => {
                "Two emulated providers and crossfade between them and an app".to_owned()
            }
            Self::Share(5) => "5 % of the calls go to Bedrock".to_owned(),
            Self::Share(percent) => {
                format!("rollout.yaml is edited: {percent} % of the calls go to Bedrock")
            }
            Self::Outage => "Bedrock goes down; crossfade takes everything back".to_owned(),
            Self::Silence => "Bedrock gets nothing more".to_owned(),
            Self::Restart => "A restart does not change that".to_owned(),
            Self::Rearm => "Bedrock is repaired and a person re-arms".to_owned(),
            Self::Return => "Bedrock serves again".to_owned(),
        }
    }
}

/// Calls for one look at a share: at 5 % a standard deviation of 1.1 points.
const SAMPLE: u64 = 360;

/// Calls for one look at a provider that gets none.
const SILENT_SAMPLE: u64 = 100;

/// A sample at 33 calls a second takes 11 s.
const SAMPLED: Duration = Duration::from_secs(45);

/// `outage` looks back 30 s.
const TRIPPED: Duration = Duration::from_secs(60);

/// Tells the whole story.
pub(super) async fn tell(stage: &mut Stage, view: &mut View) -> Result<(), Failed> {
    view.say(&format!(
        "crossfade demo: nothing here leaves this machine, and no cloud account is used.\n  \
         configuration  {}\n  app → crossfade {}, status page {}\n",
        shown(&stage.config_path()),
        stage.base_url(),
        stage.admin_url()
    ));
    view.list(&STORY.map(Step::title));
    let mut teller = Teller {
        stage,
        view,
        title: Step::Start.title(),
        asked: 5,
        silent_count: 0,
    };
    for step in STORY {
        teller.title = step.title();
        teller.view.begin(&step.title());
        match teller.play(step).await {
            Ok(observed) => teller.view.done(&step.title(), &observed),
            Err(failed) => {
                teller.view.failed(&step.title());
                teller.finish(Some(&failed));
                return Err(failed);
            }
        }
    }
    teller.end().await
}

impl Teller<'_> {
    async fn play(&mut self, step: Step) -> Result<String, Failed> {
        match step {
            Step::Start => self.start().await,
            Step::Share(percent) => self.share(percent).await,
            Step::Outage => self.outage().await,
            Step::Silence => self.silence().await,
            Step::Restart => self.restart().await,
            Step::Rearm => self.rearm().await,
            Step::Return => self.returned().await,
        }
    }

    pub(super) async fn start(&mut self) -> Result<String, Failed> {
        self.launch().await?;
        self.stage.start_load();
        Ok(format!(
            "OpenAI on {}, Bedrock on {}. The app makes 33 calls a second, two of three streamed, \
             and counts as an error whatever is not a complete answer. It never retries.",
            self.stage.openai.addr(),
            self.stage.bedrock.addr()
        ))
    }

    async fn share(&mut self, percent: u8) -> Result<String, Failed> {
        if percent != self.asked {
            self.asked = percent;
            let written = self.stage.write_config(percent);
            written.map_err(|error| self.failed("rollout.yaml is saved", &error.to_string()))?;
        }
        let expected = format!("{percent} % in force");
        self.until(SOON, &expected, |glance| match &glance.status {
            Ok(status) if is(status.percent, percent) => Look::Seen(String::new()),
            Ok(status) => Look::Wait(format!("{} % in force", status.percent)),
            Err(error) => Look::Wait(error.clone()),
        })
        .await?;
        self.sample(percent).await
    }

    /// Watches enough calls to tell the share.
    async fn sample(&mut self, percent: u8) -> Result<String, Failed> {
        self.mark(SAMPLE);
        let share = Percent::from_basis_points(u16::from(percent) * 100).unwrap_or(Percent::ALL);
        let expected = format!("about {percent} % of {SAMPLE} calls answered by Bedrock");
        self.until(SAMPLED, &expected, |glance| {
            let marked = glance.tally.marked;
            let seen = format!(
                "asked {percent} %, observed {:.1} % ({} of {} calls)",
                marked.percent(),
                marked.bedrock,
                marked.answered
            );
            if marked.failovers > 0 {
                Look::Wrong(format!(
                    "{} failovers while Bedrock is well",
                    marked.failovers
                ))
            } else if !marked.follows(share) {
                Look::Wrong("a call that did not go where its conversation belongs".to_owned())
            } else if marked.answered < SAMPLE {
                Look::Wait(seen)
            } else if (marked.percent() - f64::from(percent)).abs() > tolerance(percent) {
                Look::Wrong(seen)
            } else {
                Look::Seen(seen)
            }
        })
        .await
        .map(|seen| format!("{seen}; every call went where its conversation's hash says."))
    }

    /// Returns right after a tick of the rules. Both fast rules ask for failures in four buckets; if
    /// the first of them is nearly over when Bedrock goes down, the fourth ends when half of what
    /// `outage` looks back at is still well, and chance says whether `severe` is first.
    async fn tick(&mut self) -> Result<(), Failed> {
        const TICK_S: u64 = crate::clock::TICK_MS / 1_000;
        self.until(SOON, "a tick of the rules", |glance| match &glance.status {
            Ok(status) if status.uptime_s.is_multiple_of(TICK_S) => Look::Seen(String::new()),
            Ok(status) => Look::Wait(format!("up {} s", status.uptime_s)),
            Err(error) => Look::Wait(error.clone()),
        })
        .await
        .map(drop)
    }

    async fn outage(&mut self) -> Result<String, Failed> {
        self.mark(u64::MAX);
        self.tick().await?;
        self.stage.bedrock.always(Behaviour::Error {
            kind: ErrorKind::Unavailable,
            message: None,
            original_status: None,
            retry_after_ms: None,
        });
        let before = self.view.seconds();
        let expected = "state rolled_back by the rule outage";
        let sentence = self
            .until(TRIPPED, expected, |glance| match &glance.status {
                Ok(status) if status.state == "rolled_back" => match &status.rollback {
                    Some(rollback) if rollback.rule == "outage" && is(status.percent, 0) => {
                        Look::Seen(rollback.sentence.clone())
                    }
                    Some(rollback) => {
                        Look::Wrong(format!("{} % after {}", status.percent, rollback.rule))
                    }
                    None => Look::Wrong("rolled back without a reason".to_owned()),
                },
                Ok(status) => Look::Wait(format!("state {}", status.state)),
                Err(error) => Look::Wait(error.clone()),
            })
            .await?;
        let after = self.view.seconds() - before;
        let failovers = self.tally().failovers;
        if failovers == 0 {
            return Err(self.failed("calls that Bedrock failed, answered by OpenAI", "none"));
        }
        Ok(format!(
            "After {after} s: {sentence}\nUntil then OpenAI answered {failovers} calls that \
             Bedrock failed; the app saw no error."
        ))
    }

    async fn silence(&mut self) -> Result<String, Failed> {
        self.mark(u64::MAX);
        let expected = "the calls from before the rollback end";
        self.until(SAMPLED, expected, |glance| {
            if glance.tally.earlier_ended() {
                Look::Seen(String::new())
            } else {
                Look::Wait("some are under way".to_owned())
            }
        })
        .await?;
        self.silent_count = self.stage.bedrock.count();
        self.watch_silence().await
    }

    /// Watches the app's calls and Bedrock's counter.
    async fn watch_silence(&mut self) -> Result<String, Failed> {
        self.mark(SILENT_SAMPLE);
        let before = self.silent_count;
        let expected = format!("{SILENT_SAMPLE} calls of the app, none of them to Bedrock");
        self.until(SAMPLED, &expected, |glance| {
            let answered = glance.tally.marked.answered;
            let reached = glance.bedrock_calls - before;
            let seen = format!("{answered} calls of the app, {reached} of them reached Bedrock");
            match (&glance.status, reached) {
                (_, 1..) => Look::Wrong(seen),
                (Ok(status), 0) if status.state != "rolled_back" => {
                    Look::Wrong(format!("state {}", status.state))
                }
                (_, 0) if answered < SILENT_SAMPLE => Look::Wait(seen),
                (Ok(_), 0) => Look::Seen(seen),
                (Err(error), 0) => Look::Wait(error.clone()),
            }
        })
        .await
        .map(|seen| format!("{seen} (its counter stays at {before})."))
    }

    async fn restart(&mut self) -> Result<String, Failed> {
        if let Some(load) = &self.stage.load {
            load.pause();
        }
        self.until(SAMPLED, "the app's calls end", |glance| {
            match glance.tally.in_flight {
                0 => Look::Seen(String::new()),
                left => Look::Wait(format!("{left} under way")),
            }
        })
        .await?;
        self.stop_sidecar().await?;
        self.launch().await?;
        if let Some(load) = &self.stage.load {
            load.resume();
        }
        let seen = self.watch_silence().await?;
        Ok(format!(
            "SIGTERM, exit code 0, started again (the app paused meanwhile): {seen}"
        ))
    }

    async fn rearm(&mut self) -> Result<String, Failed> {
        self.stage.bedrock.repair();
        let reason = "the provider reports the incident closed";
        let arguments = ["rearm", "--reason", reason, "--config", "rollout.yaml"];
        let expected = "crossfade rearm ends with exit code 0";
        let output = match self.stage.sidecar.operate(&arguments).await {
            Ok(output) => output,
            Err(error) => return Err(self.failed(expected, &error.to_string())),
        };
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let said = format!(
                "{}: {said} {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
            return Err(self.failed(expected, &said));
        }
        let asked = self.asked;
        let expected = format!("no rollback, attempt 2, {asked} % in force");
        let seen = self
            .until(SOON, &expected, |glance| match &glance.status {
                Ok(status) => {
                    let seen = format!("attempt {}, {} % in force", status.attempt, status.percent);
                    let armed = status.rollback.is_none() && status.attempt == 2;
                    if armed && is(status.percent, asked) {
                        Look::Seen(seen)
                    } else {
                        Look::Wait(seen)
                    }
                }
                Err(error) => Look::Wait(error.clone()),
            })
            .await?;
        Ok(format!("crossfade rearm --reason '{reason}': {seen}"))
    }

    async fn returned(&mut self) -> Result<String, Failed> {
        let seen = self.sample(self.asked).await?;
        match self
            .stage
            .bedrock
            .requests()
            .iter()
            .find_map(|request| request.refused.clone())
        {
            None => Ok(seen),
            Some(why) => Err(self.failed("requests that Bedrock's own checks accept", &why)),
        }
    }

    /// Stops everything in order and sums up.
    async fn end(&mut self) -> Result<(), Failed> {
        if let Some(load) = &self.stage.load {
            load.pause();
        }
        self.until(SAMPLED, "the app's calls end", |glance| {
            match glance.tally.in_flight {
                0 => Look::Seen(String::new()),
                left => Look::Wait(format!("{left} under way")),
            }
        })
        .await?;
        self.stop_sidecar().await?;
        self.finish(None);
        Ok(())
    }
}

/// Whether a share is exactly so many percent.
fn is(share: f64, percent: u8) -> bool {
    (share - f64::from(percent)).abs() < 0.005
}

/// Five standard deviations of a share of [`SAMPLE`] independent calls, in points: chance does not
/// reach it. That the share is exact is told by the buckets.
fn tolerance(percent: u8) -> f64 {
    let p = f64::from(percent) / 100.0;
    let calls = f64::from(u32::try_from(SAMPLE).unwrap_or(u32::MAX));
    500.0 * (p * (1.0 - p) / calls).sqrt()
}
