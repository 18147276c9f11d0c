//! Which arm a call goes to, and why: a pure function of the snapshot, the request and a draw.
//!
//! The order of the checks is the order in which an operator would ask: may this caller, can
//! Bedrock honour the request, is the call in the share. Only the last one depends on the
//! percentage, so the counts by reason are the same at 5 % and at 100 %.

use super::gate;
use super::key::SplitKey;
use super::route::ChatPath;
use crate::config::{Config, Mapping};
use crate::openai::request::ChatRequest;
use crate::snapshot::Snapshot;
use crate::split::Bucket;
use crate::translate::{self, Eligible, Loss, Reason, ReplyShape};
use crate::upstream::original::ARM_HEADER;
use http::header::HeaderMap;
use std::sync::Arc;

/// What was decided about a call, and what is known of it.
#[derive(Debug)]
pub(super) struct Decision {
    /// The model that the app asked for; none if the body could not be read.
    pub(super) model: Option<String>,
    /// Whether the app asked for a stream.
    pub(super) stream: bool,
    /// Whether Bedrock could honour it, and if not, why.
    pub(super) eligible: Result<(), Reason>,
    /// Whether the stickiness key was missing, and the conversation was taken.
    pub(super) key_missing: bool,
    /// Whether the request forced its arm: such calls enter no statistics.
    pub(super) forced: bool,
    /// Where it goes.
    pub(super) course: Course,
}

/// Where a call goes.
#[derive(Debug)]
pub(super) enum Course {
    /// To the original: it is not in the share, or not eligible.
    Stay,
    /// To Bedrock.
    Go(Box<Go>),
    /// A forced Bedrock call that a rollback or a hold refuses.
    RefuseForced,
}

/// What a Bedrock call needs.
#[derive(Debug)]
pub(super) struct Go {
    /// The model and its limits.
    pub(super) mapping: Arc<Mapping>,
    /// The Converse body.
    pub(super) body: Vec<u8>,
    /// How to answer.
    pub(super) shape: ReplyShape,
    /// What was lost on the way, each permitted by the tables.
    pub(super) losses: Vec<Loss>,
    /// The split key's hash; none: all calls go, and nobody has asked for it yet.
    pub(super) key: Option<u64>,
}

/// An arm that the request asks for, where that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forced {
    Original,
    Bedrock,
}

/// Decides. `draw` is a fresh uniform number, used where no key makes calls sticky.
pub(super) fn decide(
    snapshot: &Snapshot,
    path: &ChatPath,
    headers: &HeaderMap,
    body: &[u8],
    draw: u64,
) -> Decision {
    let config = &*snapshot.config;
    let forced = forced(snapshot, headers);
    let request = match readable(headers).and_then(|()| parse(body)) {
        Ok(request) => request,
        Err(reason) => return Decision::ineligible(reason, forced.is_some()),
    };
    let model = model_of(path, &request);
    let stays = |reason| Decision {
        model: Some(model.to_owned()),
        stream: request.stream(),
        ..Decision::ineligible(reason, forced.is_some())
    };
    if let Some(barred) = gate::bars_bedrock(config, headers) {
        return stays(barred.reason());
    }
    let mapping = match mapping_of(config, model) {
        Ok(mapping) => mapping,
        Err(reason) => return stays(reason),
    };
    let eligible = match translate::eligible(&request, &mapping.target) {
        Ok(eligible) => eligible,
        Err(reason) => return stays(reason),
    };
    let key = SplitKey::of(&config.rollout, headers, &request, draw);
    let hash = key.hash_for(snapshot.percent, &config.rollout.salt);
    let in_share = hash.is_none_or(|hash| snapshot.percent.includes(Bucket::of_hash(hash)));
    let course = match forced {
        Some(Forced::Original) => Course::Stay,
        Some(Forced::Bedrock) if snapshot.latched || !snapshot.holds.is_empty() => {
            Course::RefuseForced
        }
        None if !in_share => Course::Stay,
        Some(Forced::Bedrock) | None => Course::Go(Box::new(Go {
            mapping: Arc::clone(mapping),
            body: eligible.converse_body(),
            shape: shape_for(model, &eligible),
            losses: eligible.losses().to_vec(),
            key: hash,
        })),
    };
    let model = Some(model.to_owned());
    let (stream, forced) = (request.stream(), forced.is_some());
    Decision {
        model,
        stream,
        eligible: Ok(()),
        key_missing: key.is_missing(),
        forced,
        course,
    }
}

impl Decision {
    const fn ineligible(reason: Reason, forced: bool) -> Self {
        Self {
            model: None,
            stream: false,
            eligible: Err(reason),
            key_missing: false,
            forced,
            course: Course::Stay,
        }
    }
}

fn readable(headers: &HeaderMap) -> Result<(), Reason> {
    if gate::is_encoded(headers) {
        Err(Reason::ContentEncoding)
    } else {
        Ok(())
    }
}

fn parse(body: &[u8]) -> Result<ChatRequest<'_>, Reason> {
    ChatRequest::parse(body).map_err(|_| Reason::Malformed)
}

/// The model that is asked for: the body's, or the deployment that the path names.
pub(crate) fn model_of<'a>(path: &'a ChatPath, request: &'a ChatRequest<'_>) -> &'a str {
    match path {
        ChatPath::ModelInBody => request.model(),
        ChatPath::Deployment(name) => name,
    }
}

/// What a model is mapped to.
///
/// # Errors
///
/// The reason to stay, if it is mapped to nothing.
pub(crate) fn mapping_of<'c>(config: &'c Config, model: &str) -> Result<&'c Arc<Mapping>, Reason> {
    let models = &config.bedrock.models;
    models.get(model).ok_or(Reason::UnmappedModel)
}

/// How to answer: the app is told the model that it named, in the body or in the path.
pub(crate) fn shape_for(model: &str, eligible: &Eligible<'_>) -> ReplyShape {
    ReplyShape {
        model: model.to_owned(),
        ..eligible.shape()
    }
}

fn forced(snapshot: &Snapshot, headers: &HeaderMap) -> Option<Forced> {
    if !snapshot.config.rollout.allow_override {
        return None;
    }
    match headers.get(ARM_HEADER)?.as_bytes() {
        b"bedrock" => Some(Forced::Bedrock),
        b"original" => Some(Forced::Original),
        _ => None,
    }
}
