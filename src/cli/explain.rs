//! `crossfade explain`: what Bedrock would be sent for one request, or why the call stays; and with
//! a recorded answer, what the app would see of it.
//!
//! Applies the functions that a call goes through (`proxy::decide`, `translate`), in their order,
//! and asks nobody. What only a running sidecar knows (a rollback, a hold, room for another call)
//! is left out. The result is one value, for programs as it is and for people in [`text`].

use super::check;
use super::variable;
use crate::config::{Config, Rollout, watch};
use crate::openai::ChatRequest;
use crate::proxy::decide;
use crate::proxy::key::SplitKey;
use crate::proxy::route::ChatPath;
use crate::split::{Bucket, Percent};
use crate::translate::{self, Eligible, Loss, Reason, Target};
use crate::upstream::bedrock;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use reply::Reply;
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

mod json;
mod recording;
mod reply;
mod text;

pub(super) use text::Paint;

#[cfg(test)]
mod tests;

/// What is to be explained, and how.
#[derive(Debug)]
pub(super) struct Options {
    /// The request; `-` is stdin.
    pub(super) request: PathBuf,
    /// The model, where the body is not to say it.
    pub(super) model: Option<String>,
    /// Headers of the call, for `sticky: header:NAME`.
    pub(super) headers: HeaderMap,
    /// The configuration.
    pub(super) config: PathBuf,
    /// What Bedrock answered; `-` is stdin.
    pub(super) response: Option<PathBuf>,
    /// Whom it is for.
    pub(super) format: check::Format,
    /// Whether a person sees colours.
    pub(super) paint: Paint,
}

/// Why nothing can be explained.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The configuration is refused: what `check` says about it.
    Config(String),
    /// A file is not what it must be.
    Input(String),
}

/// Explains; gives what is to be printed.
///
/// # Errors
///
/// If a file cannot be read, or is not what it must be. A request that the original would refuse
/// too is no error: it stays.
pub(super) fn explain(options: &Options) -> Result<String, Trouble> {
    let is_stdin = |path: &Path| path == Path::new("-");
    if is_stdin(&options.request) && options.response.as_deref().is_some_and(is_stdin) {
        let text = "REQUEST and --response cannot both be read from stdin";
        return Err(Trouble::Input(text.to_owned()));
    }
    let config = config(options)?;
    let body = read(&options.request)?;
    let path = match &options.model {
        Some(model) => ChatPath::Deployment(model.clone()),
        None => ChatPath::ModelInBody,
    };
    let response = match &options.response {
        Some(file) => {
            let mistake = |why| Trouble::Input(format!("{}: {why}", shown(file)));
            let recording = recording::read(&read(file)?).map_err(mistake)?;
            Some((shown(file), recording))
        }
        None => None,
    };
    let explanation = Explanation::new(&config, options, &path, &body, response);
    Ok(match options.format {
        check::Format::Text => text::render(&explanation, options.paint),
        check::Format::Json => {
            // Cannot fail: there is no map whose keys are no strings.
            let json = serde_json::to_string(&explanation).unwrap_or_default();
            json::pretty(&json) + "\n"
        }
    })
}

fn config(options: &Options) -> Result<Config, Trouble> {
    let file = &options.config;
    let result = watch::read(file, &variable).and_then(|loaded| loaded.result);
    match result {
        Ok(config) => Ok(config),
        Err(problems) => {
            let text = check::render(file, &Err(problems), options.format);
            Err(Trouble::Config(match options.format {
                check::Format::Json => text,
                check::Format::Text => format!(
                    "{text}explain needs the configuration that maps the model; name it with \
                     --config FILE."
                ),
            }))
        }
    }
}

/// A file's name for people.
fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "stdin".to_owned()
    } else {
        file.display().to_string()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Trouble> {
    let result = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    result.map_err(|error| Trouble::Input(format!("{} cannot be read: {error}", shown(file))))
}

/// Reads `--header NAME:VALUE`.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let pair = text.split_once(':').and_then(|(name, value)| {
        let name = name.trim().parse().ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    });
    pair.ok_or_else(|| "accepted: NAME:VALUE, such as x-user:42".to_owned())
}

/// What would become of a call.
#[derive(Debug, Serialize)]
struct Explanation {
    /// The file that the request was read from.
    request: String,
    /// Which arm it goes to at the configured percentage.
    arm: ArmAt,
    /// Whether Bedrock can honour it.
    eligible: bool,
    /// Why not.
    reason: Option<&'static str>,
    /// The same as a sentence.
    meaning: Option<&'static str>,
    /// Where in the request, if it is malformed; which models are mapped, if its own is not.
    detail: Option<String>,
    /// What would make it move.
    remedy: Option<&'static str>,
    /// The value of `allow` that would let it go.
    allow: Option<&'static str>,
    /// The model that the app asks for; none if the body could not be read.
    model: Option<String>,
    /// Whether the app asks for a stream.
    stream: bool,
    /// What the model is mapped to.
    #[serde(flatten)]
    target: Option<TargetReport>,
    /// The Converse body.
    body: Option<Box<RawValue>>,
    /// What is lost on the way.
    losses: Vec<LossReport>,
    /// Who the split thinks it is.
    split: Option<SplitReport>,
    /// What the app would see of the recorded answer.
    response: Option<Reply>,
    /// Whether there is a recorded answer.
    #[serde(skip)]
    response_given: bool,
}

/// The arm of a call at the configured percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ArmAt {
    Original,
    Bedrock,
    /// A fresh draw decides each time.
    Either,
}

#[derive(Debug, Serialize)]
struct TargetReport {
    bedrock_model: String,
    family: &'static str,
    region: String,
    /// None: the SDK's own for the region.
    endpoint: Option<String>,
    /// Where Bedrock would be sent it; none: the call stays.
    path: Option<String>,
}

#[derive(Debug, Serialize)]
struct LossReport {
    loss: &'static str,
    meaning: &'static str,
    /// The value of `allow` that belongs to it.
    allow: Option<&'static str>,
    /// Whether the mapping has that value.
    allowed: bool,
}

#[derive(Debug, Serialize)]
struct SplitReport {
    /// `rollout.sticky`.
    sticky: String,
    /// Whether the configured key is missing, so that another stands in.
    key_missing: bool,
    /// 0 to 9,999; none: a fresh draw for each call.
    bucket: Option<u16>,
    /// From which percentage on the call goes to Bedrock; none: by draw.
    moves_at_percent: Option<Percent>,
    /// The most that the configuration allows.
    ceiling: Percent,
}

impl Explanation {
    fn new(
        config: &Config,
        options: &Options,
        path: &ChatPath,
        body: &[u8],
        response: Option<(String, recording::Recording)>,
    ) -> Self {
        let mut of = Self::blank(shown(&options.request));
        of.response_given = response.is_some();
        if body.len() > config.limits.body {
            of.stays(Reason::RequestSize, None);
            of.detail = Some(format!(
                "{} bytes; `limits.body` is {}",
                body.len(),
                config.limits.body
            ));
            return of;
        }
        let request = match ChatRequest::parse(body) {
            Ok(request) => request,
            Err(malformed) => {
                of.stays(Reason::Malformed, None);
                of.detail = Some(format!(
                    "{malformed}; accepted: the JSON object of a chat completion request"
                ));
                return of;
            }
        };
        let model = decide::model_of(path, &request);
        of.model = Some(model.to_owned());
        of.stream = request.stream();
        let mapping = match decide::mapping_of(config, model) {
            Ok(mapping) => mapping,
            Err(reason) => {
                of.stays(reason, None);
                let names: Vec<&str> = config.bedrock.models.keys().map(String::as_str).collect();
                of.detail = Some(format!("{model:?}; mapped are {}", names.join(", ")));
                return of;
            }
        };
        let target = &mapping.target;
        of.target = Some(TargetReport::new(config, target));
        match translate::eligible(&request, target) {
            Ok(eligible) => {
                of.goes(config, options, &request, &eligible, target);
                of.response = response.map(|(file, recording)| {
                    Reply::new(file, recording, decide::shape_for(model, &eligible))
                });
            }
            Err(reason) => of.stays(reason, Some(target)),
        }
        of
    }

    const fn blank(request: String) -> Self {
        Self {
            request,
            arm: ArmAt::Original,
            eligible: false,
            reason: None,
            meaning: None,
            detail: None,
            remedy: None,
            allow: None,
            model: None,
            stream: false,
            target: None,
            body: None,
            losses: Vec::new(),
            split: None,
            response: None,
            response_given: false,
        }
    }

    fn stays(&mut self, reason: Reason, target: Option<&Target>) {
        self.reason = Some(reason.name());
        self.meaning = Some(reason.meaning());
        self.remedy = Some(reason.remedy());
        let not_yet = |target: &Target| {
            let allowance = reason.allowance()?;
            (!target.allow.contains(allowance)).then(|| allowance.name())
        };
        self.allow = target.and_then(not_yet);
    }

    fn goes(
        &mut self,
        config: &Config,
        options: &Options,
        request: &ChatRequest<'_>,
        eligible: &Eligible<'_>,
        target: &Target,
    ) {
        self.eligible = true;
        if let Some(told) = &mut self.target {
            told.path = Some(bedrock::path(&target.model_id));
        }
        let body = String::from_utf8_lossy(&eligible.converse_body()).into_owned();
        self.body = RawValue::from_string(body).ok();
        let losses = eligible.losses().iter();
        self.losses = losses.map(|loss| LossReport::new(*loss, target)).collect();
        let rollout = &config.rollout;
        let key = SplitKey::of(rollout, &options.headers, request, 0);
        let split = SplitReport::new(rollout, key);
        self.arm = match (split.moves_at_percent, split.ceiling) {
            (_, Percent::ALL) => ArmAt::Bedrock,
            (_, Percent::ZERO) => ArmAt::Original,
            (None, _) => ArmAt::Either,
            (Some(from), ceiling) if from <= ceiling => ArmAt::Bedrock,
            (Some(_), _) => ArmAt::Original,
        };
        self.split = Some(split);
    }
}

impl TargetReport {
    fn new(config: &Config, target: &Target) -> Self {
        Self {
            bedrock_model: target.model_id.clone(),
            family: target.family.name(),
            region: config.bedrock.region.clone(),
            endpoint: config.bedrock.endpoint.as_ref().map(ToString::to_string),
            path: None,
        }
    }
}

impl LossReport {
    fn new(loss: Loss, target: &Target) -> Self {
        let allowance = loss.allowance();
        Self {
            loss: loss.name(),
            meaning: loss.meaning(),
            allow: allowance.map(translate::Allowance::name),
            allowed: allowance.is_some_and(|it| target.allow.contains(it)),
        }
    }
}

impl SplitReport {
    fn new(rollout: &Rollout, key: SplitKey<'_>) -> Self {
        let bucket = match key {
            SplitKey::Named(_) | SplitKey::Conversation(_) | SplitKey::Instead(_) => {
                Some(Bucket::of_hash(key.hash(&rollout.salt)).index())
            }
            SplitKey::Drawn(_) | SplitKey::NoKey(_) => None,
        };
        Self {
            sticky: rollout.sticky.to_string(),
            key_missing: key.is_missing(),
            bucket,
            moves_at_percent: bucket.and_then(|index| Percent::from_basis_points(index + 1)),
            ceiling: rollout.ceiling(),
        }
    }
}
