//! `crossfade check --live`: whether the providers can be reached and every mapped model may be
//! called, before an app finds out.
//!
//! The first day's fault is a missing right. So the credentials are resolved, both providers
//! connected to, and each mapped model is sent one minimal call, over the path that the app's calls
//! take ([`ask`]). What the service says of it is told in words, with what mends it ([`diagnosis`],
//! [`words`]). The original gets no call: its key is the app's, and may cost.

use super::iam::Place;
use super::{EXIT_FAILED, EXIT_UNAVAILABLE, variable};
use crate::app;
use crate::clock;
use crate::config::{Config, Mapping, Timeouts};
use crate::upstream::bedrock::Bedrock;
use crate::upstream::credentials::{self, Identity, Keyring, Standing};
use crate::upstream::reach::{Step, Unreached};
use crate::upstream::transport::Transport;
use ask::{Answered, Refusal};
use aws_credential_types::Credentials;
use diagnosis::{Cause, Weight, account_of, principal};
use http::Uri;
use indicatif::ProgressBar;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use words::{About, Told, told};

mod ask;
mod diagnosis;
mod show;
mod words;

pub(super) use show::{json, text};

/// What was found.
#[derive(Debug)]
pub(super) struct Report {
    region: String,
    identity: Result<Who, String>,
    original: Reached,
    bedrock: Reached,
    models: Vec<Model>,
}

/// As whom Bedrock is called.
#[derive(Debug)]
struct Who {
    /// Where the identity comes from.
    source: String,
    /// The twelve digits, if they are known.
    account: Option<String>,
    /// The ARN of the caller, as far as the service told it.
    principal: Option<String>,
    /// How long the keys last.
    expires_in: Option<Duration>,
}

/// Whether a provider can be reached.
#[derive(Debug)]
struct Reached {
    url: String,
    result: Result<Duration, Unreached>,
}

/// A Bedrock model that is mapped.
#[derive(Debug)]
struct Model {
    id: String,
    /// What the app asks for.
    names: Vec<String>,
    min_output: u32,
    first_token: Duration,
    finding: Finding,
}

/// What came of a model's call.
#[derive(Debug)]
enum Finding {
    /// It was not asked; the reason stands elsewhere in the report.
    NotAsked,
    /// It answered.
    Answered(Answered),
    /// It did not.
    Refused(Box<Problem>),
}

/// Why a model did not answer.
#[derive(Debug)]
struct Problem {
    cause: Cause,
    detail: String,
    told: Told,
}

/// How a check ended, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything answers.
    Fine,
    /// Credentials, a right or a model are wrong.
    Wrong,
    /// A provider cannot be reached.
    Unreached,
}

impl Verdict {
    /// The exit code that tells it.
    pub(super) const fn exit_code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Wrong => EXIT_FAILED,
            Self::Unreached => EXIT_UNAVAILABLE,
        }
    }
}

impl Report {
    /// How it ended.
    pub(super) fn verdict(&self) -> Verdict {
        let fine = |model: &Model| match &model.finding {
            Finding::Answered(_) => true,
            Finding::Refused(problem) => problem.cause.weight() == Weight::Warning,
            Finding::NotAsked => false,
        };
        if self.original.result.is_err() || self.bedrock.result.is_err() {
            Verdict::Unreached
        } else if self.identity.is_ok() && self.models.iter().all(fine) {
            Verdict::Fine
        } else {
            Verdict::Wrong
        }
    }
}

/// Checks the providers and the models that `config` maps, or only what `only` names.
///
/// # Errors
///
/// If `only` names nothing that is mapped.
pub(super) async fn check(config: &Config, only: Option<&str>) -> Result<Report, String> {
    let models = mapped(config, only)?;
    let transport = Transport::new(config.timeouts.connect);
    let region = config.bedrock.region.clone();
    let bar = ProgressBar::new_spinner().with_message("looking for credentials");
    bar.enable_steady_tick(TURN);
    let env: app::Env = Arc::new(variable);
    let source = app::source(None, &env);
    let (found, original) = tokio::join!(
        credentials::find(source, &region),
        reach(&transport, original_url(config)),
    );
    let bearer = matches!(found, Ok(Identity::Bearer(_)));
    bar.set_message("connecting to Bedrock");
    let keyring = Keyring::fixed(match &found {
        Ok(identity) => Standing::Held(identity.clone()),
        Err(why) => Standing::Missing(why.clone()),
    });
    let bedrock = Bedrock::new(transport.clone(), keyring);
    let base = bedrock.base(&config.bedrock).await;
    let base = base.map_err(|failure| failure.detail);
    let mut report = Report {
        region,
        identity: found.map(|identity| Who::of(&identity)),
        original,
        bedrock: reach(&transport, base).await,
        models,
    };
    if report.identity.is_ok() && report.bedrock.result.is_ok() {
        let answers = ask_all(&report.models, config, Arc::new(bedrock), &bar).await;
        report.learn(answers, bearer);
    }
    bar.finish_and_clear();
    Ok(report)
}

/// Each Bedrock model once, with the names that are mapped to it; in the order of names.
fn mapped(config: &Config, only: Option<&str>) -> Result<Vec<Model>, String> {
    let all = &config.bedrock.models;
    let wanted = |(name, mapping): &(&String, &Arc<Mapping>)| {
        only.is_none_or(|only| *name == only || mapping.target.model_id == only)
    };
    let mut models: Vec<Model> = Vec::new();
    for (name, mapping) in all.iter().filter(wanted) {
        let Mapping {
            target,
            first_token,
        } = mapping.as_ref();
        let least = target.capabilities.min_output;
        let first_token = first_token.unwrap_or(config.timeouts.first_token);
        match models.iter_mut().find(|model| model.id == target.model_id) {
            Some(known) => {
                known.names.push(name.clone());
                known.min_output = known.min_output.max(least);
                known.first_token = known.first_token.max(first_token);
            }
            None => models.push(Model {
                id: target.model_id.clone(),
                names: vec![name.clone()],
                min_output: least,
                first_token,
                finding: Finding::NotAsked,
            }),
        }
    }
    if models.is_empty() {
        let only = only.unwrap_or_default();
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        return Err(format!(
            "{only:?} is not mapped; bedrock.models has {}",
            names.join(", ")
        ));
    }
    Ok(models)
}

/// The original's base URL.
fn original_url(config: &Config) -> Result<Uri, String> {
    let original = &config.original;
    Uri::builder()
        .scheme(if original.tls { "https" } else { "http" })
        .authority(original.authority.clone())
        .path_and_query("/")
        .build()
        .map_err(|error| error.to_string())
}

/// Connects to a provider; an error stands for a URL that there is none.
async fn reach(transport: &Transport, url: Result<Uri, String>) -> Reached {
    let url = match url {
        Ok(url) => url,
        Err(detail) => {
            let step = Step::Name;
            return Reached {
                url: String::new(),
                result: Err(Unreached { step, detail }),
            };
        }
    };
    let begun = clock::io_now();
    let result = transport.reach(url.clone()).await;
    Reached {
        url: url.to_string().trim_end_matches('/').to_owned(),
        result: result.map(|()| clock::io_now() - begun),
    }
}

/// What came of one model's call, by its place in the list.
type Answers = Vec<(usize, Result<Answered, Refusal>)>;

/// Asks the first model, and if nothing is wrong with who asks, the others, a few at a time.
async fn ask_all(
    models: &[Model],
    config: &Config,
    bedrock: Arc<Bedrock>,
    bar: &ProgressBar,
) -> Answers {
    let all = models.len();
    let tell = |done: usize| bar.set_message(format!("asking the models: {done} of {all} done"));
    tell(0);
    let to = Arc::new(config.bedrock.clone());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut calls = models.iter().enumerate().map(|(at, model)| {
        let (bedrock, to, places) = (Arc::clone(&bedrock), Arc::clone(&to), Arc::clone(&places));
        let (id, least) = (model.id.clone(), model.min_output);
        let timeouts = Timeouts {
            first_token: model.first_token,
            ..config.timeouts
        };
        async move {
            // The semaphore is never closed.
            let _place = places.acquire().await;
            (at, ask::ask(&bedrock, &to, &id, least, timeouts).await)
        }
    });
    let mut answers = Answers::new();
    if let Some(first) = calls.next() {
        answers.push(first.await);
        tell(1);
    }
    let all_fail = |(_, answer): &(usize, Result<Answered, Refusal>)| {
        answer
            .as_ref()
            .is_err_and(|refusal| refusal.cause.concerns_all())
    };
    if !answers.iter().any(all_fail) {
        let mut running: JoinSet<_> = calls.collect();
        while let Some(done) = running.join_next().await {
            // A call that panicked stays one that was not asked.
            answers.extend(done);
            tell(answers.len());
        }
    }
    answers.iter_mut().for_each(|(_, answer)| {
        if let Err(refusal) = answer {
            refusal.skew_s = bedrock.clock_skew_s();
        }
    });
    answers
}

impl Report {
    /// Takes in what the calls came to. A refusal names who called: with that every statement is
    /// for the right account.
    fn learn(&mut self, answers: Answers, bearer: bool) {
        let told_by = answers.iter().find_map(|(_, answer)| {
            let error = answer.as_ref().err()?.error.as_ref()?;
            principal(&error.message).map(str::to_owned)
        });
        let mut account = None;
        if let Ok(who) = &mut self.identity {
            who.principal = told_by;
            let told = who.principal.as_deref().and_then(account_of);
            who.account = who.account.take().or_else(|| told.map(str::to_owned));
            account.clone_from(&who.account);
        }
        let place = Place {
            region: &self.region,
            account: account.as_deref(),
            bearer,
        };
        for (at, answer) in answers {
            if let Some(model) = self.models.get_mut(at) {
                model.finding = match answer {
                    Ok(answered) => Finding::Answered(answered),
                    Err(refusal) => Finding::refused(refusal, &model.id, place),
                };
            }
        }
    }
}

impl Finding {
    fn refused(refusal: Refusal, model: &str, place: Place<'_>) -> Self {
        let Refusal {
            cause,
            detail,
            error,
            skew_s,
        } = refusal;
        let message = error.map(|error| error.message).unwrap_or_default();
        let about = About {
            model,
            place,
            message: &message,
            skew_s,
        };
        let told = told(cause, about);
        Self::Refused(Box::new(Problem {
            cause,
            detail,
            told,
        }))
    }
}

impl Who {
    fn of(identity: &Identity) -> Self {
        match identity {
            Identity::Bearer(_) => Self {
                source: "the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK".to_owned(),
                account: None,
                principal: None,
                expires_in: None,
            },
            Identity::Keys(keys) => {
                let left = |end: SystemTime| end.duration_since(clock::wall()).unwrap_or_default();
                Self {
                    source: source_of(keys),
                    account: keys.account_id().map(|id| id.as_str().to_owned()),
                    principal: None,
                    expires_in: keys.expiry().map(left),
                }
            }
        }
    }
}

/// Where keys come from: the SDK's name of the provider, and what that is.
fn source_of(keys: &Credentials) -> String {
    let Some(name) = credentials::provider_name(keys) else {
        return "the SDK's chain".to_owned();
    };
    let what = match name.as_str() {
        "EnvironmentVariable" => "AWS_ACCESS_KEY_ID in the environment",
        "ProfileFile" => "a profile's keys",
        "AssumeRoleProvider" => "a role that was assumed",
        "WebIdentityToken" => "a role by web identity",
        "EcsContainer" => "the container's role",
        "IMDSv2" => "the instance's role",
        _ => return name,
    };
    format!("{name} ({what})")
}

/// Calls at one time: enough to be quick, too few to be throttled.
const AT_ONCE: usize = 4;

/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(120);
