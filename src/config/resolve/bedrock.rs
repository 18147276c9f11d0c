//! `bedrock`: where the share goes, and which model serves which.

use super::super::Bedrock;
use super::super::Mapping;
use super::super::address;
use super::super::address::BaseUrl;
use super::super::defaults;
use super::super::problems::Problem;
use super::super::raw::Map;
use super::super::raw::Node;
use super::super::section::Mistake;
use super::super::section::Section;
use super::super::section::Sink;
use super::super::section::join;
use super::super::section::kind;
use super::super::section::quoted;
use super::super::section::report_repeated;
use super::super::shape::{Entries, Reader, Shape, Text};
use super::super::values;
use super::capabilities;
use super::list;
use super::sampling;
use super::variable;
use crate::translate::Allow;
use crate::translate::Allowance;
use crate::translate::Family;
use crate::translate::Loss;
use crate::translate::Target;
use crate::translate::TargetError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads the section; none if no model is mapped.
pub(super) fn read(
    mut section: Section<'_>,
    env: &impl Fn(&str) -> Option<String>,
) -> Option<Bedrock> {
    let region = region(&mut section, env);
    let endpoint = endpoint(&mut section, env);
    let sink = section.sink();
    let path = section.path("models");
    section.note("models", &models_shape(), None);
    section.amend("models", |note| note.required = true);
    let models = match section.node("models") {
        Some(Node::Map(map)) if !map.entries.is_empty() => Some(models(sink, &path, map)),
        other => {
            let found = match other {
                Some(Node::Map(_)) => "no model in it",
                other => other.map_or("nothing", kind),
            };
            sink.problem(Problem::new(path, found, MODELS));
            None
        }
    };
    section.finish();
    models.map(|models| Bedrock {
        region,
        endpoint,
        models,
    })
}

fn region(section: &mut Section<'_>, env: &impl Fn(&str) -> Option<String>) -> String {
    let reader = values::text(Text::new(REGION, "^[a-z0-9-]{1,64}$"), is_region);
    let written = section.value("region", defaults::REGION.to_owned(), reader);
    if section.node("region").is_some() {
        return written;
    }
    let told = REGION_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, variable(env, name)?)));
    match told {
        Some((_, region)) if is_region(&region) => region,
        Some((name, region)) => {
            let problem = Problem::new(Problem::variable(name), quoted(&region), REGION);
            section.sink().problem(problem);
            defaults::REGION.to_owned()
        }
        None => {
            let text = format!(
                "neither the file nor the environment names a region, so prompts go to {}",
                defaults::REGION
            );
            section.sink().warning(section.path("region"), text);
            defaults::REGION.to_owned()
        }
    }
}

fn endpoint(section: &mut Section<'_>, env: &impl Fn(&str) -> Option<String>) -> Option<http::Uri> {
    let written = section.optional("endpoint", address::url(|url| url.uri()));
    if section.node("endpoint").is_some() {
        return written;
    }
    let (name, url) = ENDPOINT_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, variable(env, name)?)))?;
    match uri(&url) {
        Ok(uri) => Some(uri),
        Err(mistake) => {
            section
                .sink()
                .problem(mistake.at(Problem::variable(name), &Node::Text(url)));
            None
        }
    }
}

fn uri(text: &str) -> Result<http::Uri, Mistake> {
    let url = BaseUrl::parse(text)?;
    url.uri().ok_or_else(|| Mistake::from(address::URL))
}

fn models(sink: &Sink, path: &str, map: &Map) -> BTreeMap<String, Arc<Mapping>> {
    report_repeated(sink, path, map);
    if map.entries.len() > defaults::MODELS_MAX {
        let found = format!("{} models", map.entries.len());
        sink.problem(Problem::new(
            path,
            found,
            format!("at most {}", defaults::MODELS_MAX),
        ));
        return BTreeMap::new();
    }
    let mut models = BTreeMap::new();
    for (name, node) in &map.entries {
        let path = join(path, name);
        if !is_model_name(name) {
            sink.problem(Problem::new(path, quoted(name), MODEL_NAME.accepted));
        } else if let Some(mapping) = mapping(sink, path.clone(), node) {
            doubt(sink, path, &mapping.target);
            models.insert(name.clone(), Arc::new(mapping));
        }
    }
    models
}

/// Warns of a model that is probably misspelt, or that crossfade does not know.
fn doubt(sink: &Sink, path: String, target: &Target) {
    let id = &target.model_id;
    let named = id.starts_with("arn:") || id.contains('.');
    let told = target.capabilities != target.family.capabilities();
    let text = match (named, told || target.family.is_known()) {
        (true, true) => return,
        (true, false) => format!(
            "{id} is of no family that crossfade knows, so it is asked carefully: no images, \
             documents, JSON schemas or forced tools (such calls stay), and {} tokens where the app \
             sends no cap; name a `family` or its `capabilities` if you know more",
            target.max_tokens
        ),
        (false, _) => format!(
            "{id} looks like no id of Bedrock's: those are VENDOR.MODEL such as \
             amazon.nova-lite-v1:0, a profile such as us.amazon.nova-lite-v1:0, or an ARN; \
             `crossfade check --live` asks Bedrock whether it knows it"
        ),
    };
    sink.warning(path, text);
}

fn mapping(sink: &Sink, path: String, node: &Node) -> Option<Mapping> {
    match node {
        Node::Text(model) => {
            let target = target(model, None).map_err(|(_, mistake)| mistake.at(path, node));
            match target {
                Ok(target) => Some(Mapping {
                    target,
                    first_token: None,
                }),
                Err(problem) => {
                    sink.problem(problem);
                    None
                }
            }
        }
        Node::Map(map) => detailed(Section::of(sink, path, Some(map))),
        Node::Nothing | Node::Bool(_) | Node::Number(_) | Node::List(_) | Node::Tagged => {
            sink.problem(Mistake::from(MODEL).at(path, node));
            None
        }
    }
}

fn detailed(mut section: Section<'_>) -> Option<Mapping> {
    let sink = section.sink();
    let model = section.required("model", MODEL_ID, values::text(MODEL_SHAPE, |_| true));
    let family = section.optional("family", family());
    let max_tokens = section.optional("max_tokens", values::count(defaults::TOKENS));
    let fits = |text: &str| (1..=PREFIX_BYTES_MAX).contains(&text.len());
    let system_prefix = section.optional("system_prefix", values::text(PREFIX, fits));
    let first_token = section.optional("first_token", values::duration(defaults::TIMEOUT));
    let allowance = values::named(Allowance::ALL, Allowance::name);
    let allow = list(&mut section, "allow", "a list", Entries::Any, allowance);
    let loss = values::named(Loss::ALL, Loss::name);
    let refuse = list(&mut section, "refuse", "a list", Entries::Any, loss);
    let defaults = sampling::read(section.section("defaults"));
    let own = section.section("capabilities");
    let target = model.and_then(|model| match target(&model, family.as_deref()) {
        Ok(target) => Some(target),
        Err((key, mistake)) => {
            let node = Node::Text(if key == "family" {
                family.unwrap_or_default()
            } else {
                model
            });
            sink.problem(mistake.at(section.path(key), &node));
            None
        }
    });
    section.finish();
    let told = target.as_ref().map(|target| target.capabilities);
    let capabilities = capabilities::read(own, told);
    let mut target = target?.with_capabilities(capabilities);
    if let Some(max_tokens) = max_tokens {
        target.max_tokens = max_tokens;
    }
    target.allow = allow.into_iter().flatten().collect::<Allow>();
    target.refuse = refuse.into_iter().flatten().collect();
    target.defaults = defaults.of(sink, target.capabilities.sampling);
    target.system_prefix = system_prefix;
    Some(Mapping {
        target,
        first_token,
    })
}

/// The Bedrock model, or which key is wrong and how.
fn target(model: &str, family: Option<&str>) -> Result<Target, (&'static str, Mistake)> {
    if !is_model_id(model) {
        return Err(("model", Mistake::from(MODEL_ID)));
    }
    Target::new(model, family).map_err(|error| match &error {
        TargetError::UnknownFamily(_) => ("family", Mistake::from(families())),
        TargetError::FamilyNeeded | TargetError::NotAModel => {
            ("model", Mistake::from(format!("{MODEL_ID}; {error}")))
        }
    })
}

/// Which names there are is asked when the model is known.
fn family() -> Reader<'static, String> {
    let names = Shape::Word(Family::names().collect());
    values::text(FAMILY, |text| !text.is_empty())
        .shaped(Shape::Either(vec![names, Shape::Text(MODEL_SHAPE)]))
}

fn models_shape() -> Shape {
    Shape::Named {
        name: MODEL_NAME,
        of: Box::new(Shape::Either(vec![
            Shape::Text(MODEL_SHAPE),
            Shape::Section,
        ])),
        least: 1,
        most: defaults::MODELS_MAX,
    }
}

fn families() -> String {
    let names: Vec<&str> = Family::names().collect();
    format!(
        "one of {}; or the id of a model of that family",
        names.join(", ")
    )
}

/// Stricter than AWS's own grammar in nothing that it uses: it becomes part of a host name.
fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_model_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 256 && !text.chars().any(char::is_control)
}

/// An id, a profile or an ARN. It is percent-encoded into a path; nothing else is in any of them.
fn is_model_id(text: &str) -> bool {
    (1..=2_048).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte))
}

const REGION: &str = "an AWS region such as us-east-1: lower-case letters, digits and hyphens";

/// In the SDK's order.
const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// In the SDK's order: the service's own first.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"];

const MODELS: &str = "at least one line such as `gpt-4o-mini: amazon.nova-lite-v1:0`";

const MODEL: &str = "a Bedrock model such as amazon.nova-lite-v1:0, or keys with `model:` in them";

const MODEL_ID: &str = "a Bedrock model id, inference profile or ARN";

const MODEL_SHAPE: Text = Text::new(MODEL_ID, "^[A-Za-z0-9._:/-]+$").up_to(2_048);

const MODEL_NAME: Text = Text::new(
    "a model name of 1 to 256 characters",
    r"^[^\u0000-\u001f\u007f-\u009f]+$",
)
.up_to(256);

const FAMILY: Text = Text::new("the name of a model family, such as nova", ".");

const PREFIX: Text = Text::new("text of at most 64 KiB", r"[\s\S]").up_to(PREFIX_BYTES_MAX);

/// Sent with every call.
const PREFIX_BYTES_MAX: usize = 64 * 1024;
