//! The least rights that the mapped models need, as an IAM policy.
//!
//! Pure: from model ids, a region and an account to JSON. crossfade makes one kind of call, whose
//! right is `bedrock:InvokeModelWithResponseStream`. What it is needed on depends on what a mapping
//! names: a model in its region; a profile of AWS's own and the model behind it wherever the profile
//! sends calls, but only through that profile ("Geographic cross-Region inference" of the Bedrock
//! User Guide); a resource of the account's. What an ARN hides is granted behind that ARN only.

use crate::config::Config;
use crate::translate::{Arn, family};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where the calls are made, and by whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// `bedrock.region`.
    pub(super) region: &'a str,
    /// The twelve digits of the account that calls; none: not known, so any.
    pub(super) account: Option<&'a str>,
    /// Whether calls carry a Bedrock API key instead of a signature, which is a right of its own.
    pub(super) bearer: bool,
}

/// What `crossfade check --iam` prints: the least policy for what is mapped. The account is the one
/// that the SDK's own variable names.
pub(super) fn render(config: &Config, env: &impl Fn(&str) -> Option<String>) -> String {
    let set = |name| env(name).filter(|value| !value.is_empty());
    let account = set("AWS_ACCOUNT_ID");
    let place = Place {
        region: &config.bedrock.region,
        account: account.as_deref(),
        bearer: set("AWS_BEARER_TOKEN_BEDROCK").is_some(),
    };
    let models = config.bedrock.models.values();
    let models = models.map(|mapping| mapping.target.model_id.as_str());
    format!("{}\n", policy(models, place).pretty())
}

/// The policy that allows calls of `models` and nothing else.
pub(super) fn policy<'a>(models: impl IntoIterator<Item = &'a str>, place: Place<'_>) -> Policy {
    let mut needs = Needs::default();
    for model in models {
        needs.add(model, place);
    }
    Policy {
        version: "2012-10-17",
        statement: needs.statements(place),
    }
}

/// A policy, with its keys in the order that people know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

impl Policy {
    /// Its JSON, over several lines.
    pub(super) fn pretty(&self) -> String {
        // There is nothing in it that cannot be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    action: &'static str,
    resource: OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
}

/// One ARN stands for itself, several in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// An operator, and the value that a key must have.
type Condition = BTreeMap<&'static str, BTreeMap<&'static str, OneOrMany>>;

fn condition(operator: &'static str, key: &'static str, value: OneOrMany) -> Condition {
    BTreeMap::from([(operator, BTreeMap::from([(key, value)]))])
}

/// What is called, by how it is granted. Ordered, so that a policy has one form.
#[derive(Debug, Default)]
struct Needs {
    /// Models in a region, and the account's own resources: what is named is what is called.
    plain: Vec<String>,
    /// AWS's own profiles, and the models behind them.
    profiles: Through,
    /// The account's profiles.
    own_profiles: Through,
    /// Routers, which choose among models.
    routers: Through,
    /// SageMaker endpoints that Bedrock calls in the caller's name.
    endpoints: Vec<String>,
}

/// What is called through something else.
#[derive(Debug, Default)]
struct Through {
    by: Vec<String>,
    behind: BTreeSet<String>,
}

impl Needs {
    fn add(&mut self, model: &str, place: Place<'_>) {
        match Resource::of(model, place) {
            Resource::Plain(arn) => push(&mut self.plain, arn),
            Resource::Profile { arn, behind } => {
                push(&mut self.profiles.by, arn);
                self.profiles.behind.extend(behind);
            }
            Resource::OwnProfile { arn, behind } => {
                push(&mut self.own_profiles.by, arn);
                self.own_profiles.behind.extend(behind);
            }
            Resource::Router { arn, behind } => {
                push(&mut self.routers.by, arn);
                self.routers.behind.extend(behind);
            }
            Resource::Endpoint(arn) => push(&mut self.endpoints, arn),
        }
    }

    fn statements(self, place: Place<'_>) -> Vec<Statement> {
        let mut statements = Vec::new();
        if !self.plain.is_empty() {
            statements.push(statement("CrossfadeModels", CALL, &self.plain, None));
        }
        for (through, sid, key) in [
            (self.profiles, "CrossfadeProfile", PROFILE_KEY),
            (self.own_profiles, "CrossfadeOwnProfile", PROFILE_KEY),
            (self.routers, "CrossfadeRouter", ROUTER_KEY),
        ] {
            if through.by.is_empty() {
                continue;
            }
            let behind: Vec<String> = through.behind.into_iter().collect();
            let only = condition(matching(&through.by), key, one_or_many(&through.by));
            statements.push(statement(sid, CALL, &through.by, None));
            let sid = format!("{sid}Models");
            statements.push(statement(&sid, CALL, &behind, Some(only)));
        }
        if !self.endpoints.is_empty() {
            let Place { region, .. } = place;
            let (partition, account) = (partition(region), place.account.unwrap_or("*"));
            let all = format!(
                "arn:{partition}:bedrock:{region}:{account}:marketplace/model-endpoint/all-access"
            );
            let bedrock = OneOrMany::One("bedrock.amazonaws.com".to_owned());
            let by_bedrock = condition("StringEquals", "aws:CalledViaLast", bedrock);
            statements.push(statement("CrossfadeMarketplace", CALL, &[all], None));
            statements.push(statement(
                "CrossfadeEndpoint",
                "sagemaker:InvokeEndpointWithResponseStream",
                &self.endpoints,
                Some(by_bedrock),
            ));
        }
        if place.bearer {
            statements.push(statement(
                "CrossfadeApiKey",
                BEARER,
                &["*".to_owned()],
                None,
            ));
        }
        statements
    }
}

fn push(list: &mut Vec<String>, arn: String) {
    if !list.contains(&arn) {
        list.push(arn);
    }
}

fn statement(
    sid: &str,
    action: &'static str,
    resources: &[String],
    condition: Option<Condition>,
) -> Statement {
    Statement {
        sid: sid.to_owned(),
        effect: "Allow",
        action,
        resource: one_or_many(resources),
        condition,
    }
}

fn one_or_many(list: &[String]) -> OneOrMany {
    match list {
        [one] => OneOrMany::One(one.clone()),
        [] | [_, _, ..] => OneOrMany::Many(list.to_vec()),
    }
}

/// The operator of a condition: `StringEquals` takes a `*` for a letter.
fn matching(list: &[String]) -> &'static str {
    if list.iter().any(|arn| arn.contains('*')) {
        "StringLike"
    } else {
        "StringEquals"
    }
}

/// What a model id names.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    Plain(String),
    Profile { arn: String, behind: Vec<String> },
    OwnProfile { arn: String, behind: Vec<String> },
    Router { arn: String, behind: Vec<String> },
    Endpoint(String),
}

impl Resource {
    fn of(model: &str, place: Place<'_>) -> Self {
        let Place { region, .. } = place;
        let account = place.account.unwrap_or("*");
        let partition = partition(region);
        if let Some(arn) = Arn::parse(model) {
            return Self::of_arn(arn, model);
        }
        match family::profile(model) {
            Some((geography, behind)) => Self::Profile {
                arn: format!(
                    "arn:{partition}:bedrock:{region}:{account}:inference-profile/{model}"
                ),
                behind: everywhere(partition, geography, behind),
            },
            None => Self::Plain(format!(
                "arn:{partition}:bedrock:{region}::foundation-model/{model}"
            )),
        }
    }

    fn of_arn(arn: Arn<'_>, model: &str) -> Self {
        let Arn {
            partition,
            region,
            account,
            ..
        } = arn;
        let whole = model.to_owned();
        let all = format!("arn:{partition}:bedrock:*::foundation-model/*");
        match (arn.service, arn.kind()) {
            ("sagemaker", _) => Self::Endpoint(whole),
            (_, Some("inference-profile")) => {
                // A profile of AWS's own, written as an ARN.
                let behind = family::profile(arn.id()).map_or_else(
                    || vec![all],
                    |(geography, behind)| everywhere(partition, geography, behind),
                );
                Self::Profile { arn: whole, behind }
            }
            (_, Some("application-inference-profile")) => Self::OwnProfile {
                arn: whole,
                behind: vec![
                    all,
                    format!("arn:{partition}:bedrock:{region}:{account}:inference-profile/*"),
                ],
            },
            (_, Some("default-prompt-router" | "prompt-router")) => Self::Router {
                arn: whole,
                behind: vec![
                    all,
                    format!("arn:{partition}:bedrock:{region}:{account}:inference-profile/*"),
                ],
            },
            // A model, a deployment, provisioned throughput, an import.
            (_, _) => Self::Plain(whole),
        }
    }
}

/// A model in every region that a profile may send a call to. A global one also asks for the right
/// on the model without any region.
fn everywhere(partition: &str, geography: &str, model: &str) -> Vec<String> {
    let mut arns = vec![format!(
        "arn:{partition}:bedrock:*::foundation-model/{model}"
    )];
    if geography == "global" {
        arns.push(format!(
            "arn:{partition}:bedrock:::foundation-model/{model}"
        ));
    }
    arns
}

/// The partition that a region is in (AWS's `partitions.json`).
fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("eusc") => "aws-eusc",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        Some(_) | None => "aws",
    }
}

/// The right of ConverseStream.
pub(super) const CALL: &str = "bedrock:InvokeModelWithResponseStream";

/// The right to use a Bedrock API key at all.
pub(super) const BEARER: &str = "bedrock:CallWithBearerToken";

const PROFILE_KEY: &str = "bedrock:InferenceProfileArn";

const ROUTER_KEY: &str = "bedrock:PromptRouterArn";

#[cfg(test)]
mod tests;
