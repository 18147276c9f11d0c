//! What is wrong with a model, and what mends it, in sentences.

use super::diagnosis::{Above, Cause, account_of, holder, principal};
use crate::cli::iam::{self, Place, Policy};
use crate::translate::{Arn, family};
use std::fmt::Write;

/// What a call was about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The model as it is mapped.
    pub(super) model: &'a str,
    /// Where it was called, and by whom.
    pub(super) place: Place<'a>,
    /// What the service said; empty if it said nothing.
    pub(super) message: &'a str,
    /// How far this machine's clock is behind the service's, in seconds.
    pub(super) skew_s: i64,
}

/// What is wrong, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// What is wrong, in a sentence without a stop.
    pub(super) what: String,
    /// What mends it, in sentences.
    pub(super) remedy: String,
    /// The policy that mends it, where a policy does.
    pub(super) policy: Option<Policy>,
}

/// Tells of a cause.
pub(super) fn told(cause: Cause, about: About<'_>) -> Told {
    Told {
        what: what(cause, about),
        remedy: remedy(cause, about),
        policy: cause.statement_mends().then(|| statements(about)),
    }
}

/// The statements that allow the call of this model, for the account that was refused.
fn statements(about: About<'_>) -> Policy {
    let told = principal(about.message).and_then(account_of);
    let place = Place {
        account: about.place.account.or(told),
        ..about.place
    };
    iam::policy([about.model], place)
}

fn what(cause: Cause, about: About<'_>) -> String {
    let region = about.place.region;
    let always = match cause {
        Cause::Expired => "the AWS credentials have expired",
        Cause::WrongKeys => "AWS does not know these credentials, or the secret is wrong",
        Cause::ApiKey => "the Bedrock API key in AWS_BEARER_TOKEN_BEDROCK is wrong or has expired",
        Cause::ApiKeyDenied => "whoever the Bedrock API key belongs to may not use API keys",
        Cause::Clock => return clock(about.skew_s),
        Cause::Denied => return denied(about),
        Cause::DeniedAbove(above) => return format!("{} does not allow the call", layer(above)),
        Cause::NoAccess => return format!("the account has no access to this model in {region}"),
        Cause::Marketplace => {
            "the account is not subscribed to this model, and the caller may not subscribe it"
        }
        Cause::Payment => "the account has no means of payment that this model's seller takes",
        Cause::UseCaseForm => "the vendor's use case form was not filled in for this account",
        Cause::Country => "the vendor does not serve the country that the call comes from",
        Cause::NotAllowed => "AWS does not let this account call Bedrock models yet",
        Cause::ProfileNeeded => {
            return format!("in {region} this model is called through an inference profile only");
        }
        Cause::UnknownModel => {
            return elsewhere(about)
                .unwrap_or_else(|| format!("Bedrock has nothing of this name in {region}"));
        }
        Cause::Retired => "AWS has retired this model",
        Cause::Legacy => {
            "AWS retires this model, and closes it to accounts that have not used it lately"
        }
        Cause::Throttled => "it is throttled at the moment, so the right is there",
        Cause::DailyTokens => "the account's tokens of the day are used up, so the right is there",
        Cause::Unavailable => "it is not available at the moment, but the right is there",
        Cause::ServiceFault => "Bedrock or the model failed",
        Cause::Refused => "the model refuses even the smallest request",
        Cause::Unknown => "Bedrock refuses the call",
        Cause::Connection => "the connection broke",
        Cause::Timeout => "no answer came in time",
        Cause::BadAnswer => "the answer cannot be read",
    };
    always.to_owned()
}

fn remedy(cause: Cause, about: About<'_>) -> String {
    let region = about.place.region;
    let always = match cause {
        Cause::Expired => {
            "Log in again, or renew the session's keys. A role or profile is renewed by itself; \
             keys in the environment are not."
        }
        Cause::WrongKeys => {
            "Look at which keys are found first: AWS_ACCESS_KEY_ID in the environment comes \
             before a profile and a role. Temporary keys need AWS_SESSION_TOKEN too. `aws sts \
             get-caller-identity` asks AWS who they are."
        }
        Cause::ApiKey => {
            "Make a new API key in the Bedrock console, or unset AWS_BEARER_TOKEN_BEDROCK to use \
             the role or profile. A short-term key lasts 12 hours, and is for one region."
        }
        Cause::ApiKeyDenied | Cause::Denied => {
            return format!("Attach this to {}:", attach_to(about));
        }
        Cause::Clock => {
            "Set the clock (NTP). A running crossfade corrects itself after the first refused \
             call, which is failed over."
        }
        Cause::DeniedAbove(above) => return above_remedy(above, about),
        Cause::NoAccess => return access_remedy(region),
        Cause::Marketplace => {
            "Let an administrator use the model once (the console's playground will do): that \
             subscribes the account. Two minutes later try again. crossfade's role needs no \
             aws-marketplace right, and is better off without."
        }
        Cause::Payment => {
            "Add a valid payment method to the account, or to the one that pays for the \
             organisation, and use the model once in the console."
        }
        Cause::UseCaseForm => {
            "Fill it in once: Bedrock console, model catalog, the model, use case details. It \
             takes about 15 minutes to count."
        }
        Cause::Country => {
            "Call from a machine in a country that the vendor serves, or map another vendor's \
             model."
        }
        Cause::NotAllowed => {
            "New accounts are opened by AWS step by step: look at the model's quotas (Service \
             Quotas, Amazon Bedrock) in this region, and ask AWS Support if they are 0."
        }
        Cause::ProfileNeeded => return profile_remedy(about),
        Cause::UnknownModel => return unknown_remedy(about),
        Cause::Retired | Cause::Legacy => return newer_remedy(region),
        Cause::Throttled => {
            "Look at the model's quotas (Service Quotas, Amazon Bedrock) before the share grows."
        }
        Cause::DailyTokens => {
            "Raise the model's tokens per day (Service Quotas, Amazon Bedrock) before anything \
             moves; new accounts begin with very few."
        }
        Cause::Unavailable | Cause::ServiceFault => {
            "Try again later; health.aws.amazon.com shows what AWS knows of."
        }
        Cause::Refused => {
            "Is it a chat model? If so, see `capabilities` in rollout.yaml for what it takes, \
             min_output above all."
        }
        Cause::Unknown => "What the service says is all that is known of it.",
        Cause::Connection => "Look at proxies and firewalls that end connections.",
        Cause::Timeout => {
            "`timeouts.first_token`, or first_token of the mapping, says how long crossfade \
             waits. A model behind provisioned throughput or an import may have to be loaded \
             first."
        }
        Cause::BadAnswer => {
            "Something between here and Bedrock answers in its place: see `bedrock.endpoint` and \
             HTTPS_PROXY."
        }
    };
    always.to_owned()
}

fn denied(about: About<'_>) -> String {
    match principal(about.message) {
        Some(arn) => format!("{arn} may not call it"),
        None => "the caller may not call it".to_owned(),
    }
}

fn access_remedy(region: &str) -> String {
    format!(
        "It is no IAM right. Open the model in the Bedrock console's model catalog in {region}, \
         with an administrator's account, and use it once or ask for access."
    )
}

fn profile_remedy(about: About<'_>) -> String {
    let (region, profiles) = (about.place.region, profiles(about));
    format!(
        "Map it to {profiles}. `aws bedrock list-inference-profiles --region {region}` lists those \
         of the region."
    )
}

fn newer_remedy(region: &str) -> String {
    format!(
        "Map a newer model: `aws bedrock list-foundation-models --region {region}` says which are \
         ACTIVE."
    )
}

/// How the clocks differ.
fn clock(skew_s: i64) -> String {
    let by = humantime::format_duration(std::time::Duration::from_secs(skew_s.unsigned_abs()));
    match skew_s {
        0 => "this machine's clock is not the service's".to_owned(),
        1.. => format!("this machine's clock is {by} behind the service's"),
        ..0 => format!("this machine's clock is {by} ahead of the service's"),
    }
}

/// What stands above, as the subject of a sentence.
const fn layer(above: Above) -> &'static str {
    match above {
        Above::Organisation => "a policy of the organisation (SCP or RCP)",
        Above::Boundary => "the permissions boundary",
        Above::Session => "the policy of the session",
        Above::Endpoint => "the policy of the VPC endpoint",
        Above::OwnDeny => "a statement with \"Effect\": \"Deny\"",
    }
}

fn above_remedy(above: Above, about: About<'_>) -> String {
    let mut text = match above {
        Above::Organisation => {
            "Ask who keeps the organisation's policies; no right of the role's own helps."
        }
        Above::Boundary => "Allow the call in the boundary too; no right of the role's own helps.",
        Above::Session => "Allow the call in the policy that the session was begun with.",
        Above::Endpoint => {
            "Allow the call in the policy of the endpoint com.amazonaws.REGION.bedrock-runtime."
        }
        Above::OwnDeny => {
            "Find that statement in the caller's policies and except the call from it; another \
             Allow does not help."
        }
    }
    .to_owned();
    text.push_str(" `crossfade check --iam` prints what must be allowed.");
    if let Some((geography, _)) = family::profile(about.model) {
        let global = geography == "global";
        let regions = if global {
            "every region, and aws:RequestedRegion \"unspecified\""
        } else {
            "every region that it sends calls to, not only in this one"
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            " For the profile {} that means: in {regions}.",
            about.model
        );
    }
    text
}

/// Whom a statement is attached to.
fn attach_to(about: About<'_>) -> String {
    let told = principal(about.message).and_then(holder);
    told.unwrap_or_else(|| "the role or user that crossfade runs as".to_owned())
}

/// Why a name cannot be right here, if that shows.
fn elsewhere(about: About<'_>) -> Option<String> {
    let region = about.place.region;
    let arn = Arn::parse(about.model);
    if let Some(arn) = arn.filter(|arn| !arn.region.is_empty() && arn.region != region) {
        let of = arn.region;
        return Some(format!(
            "the ARN is of {of}, and bedrock.region is {region}"
        ));
    }
    let id = arn.map_or(about.model, Arn::id);
    let (geography, _) = family::profile(id)?;
    let fits = geographies(region).contains(&geography);
    (!fits).then(|| format!("the profile {id} is of another geography than {region}"))
}

fn unknown_remedy(about: About<'_>) -> String {
    let region = about.place.region;
    let lists = format!(
        "`aws bedrock list-foundation-models --region {region}` and `aws bedrock \
         list-inference-profiles --region {region}` list what there is."
    );
    match (elsewhere(about), Arn::parse(about.model)) {
        (Some(_), Some(_)) => {
            format!("Map something of {region}, or change bedrock.region. {lists}")
        }
        (Some(_), None) => format!(
            "Map it to {}, or change bedrock.region. {lists}",
            profiles(about)
        ),
        (None, _) => format!("Look for a slip in the id, or a model of another region. {lists}"),
    }
}

/// The profiles that this region may have of a model, in words.
fn profiles(about: About<'_>) -> String {
    let id = Arn::parse(about.model).map_or(about.model, Arn::id);
    let model = family::profile(id).map_or(id, |(_, model)| model);
    let names: Vec<String> = geographies(about.place.region)
        .iter()
        .map(|geography| format!("{geography}.{model}"))
        .collect();
    names.join(" or ")
}

/// The geographies of profiles that a region may call, the likeliest first (AWS: "Supported Regions
/// and models for inference profiles"; which of them a model has differs).
fn geographies(region: &str) -> &'static [&'static str] {
    let area = region.split('-').next().unwrap_or_default();
    match (area, region) {
        ("us", _) if region.starts_with("us-gov-") => &["us-gov"],
        ("us", _) => &["us", "global"],
        ("ca", _) => &["ca", "us", "global"],
        ("eu", _) => &["eu", "global"],
        ("ap", "ap-northeast-1" | "ap-northeast-3") => &["jp", "apac", "global"],
        ("ap", "ap-southeast-2" | "ap-southeast-4" | "ap-southeast-6") => &["au", "apac", "global"],
        ("ap", "ap-south-1" | "ap-south-2") => &["apac", "in", "global"],
        ("ap", _) => &["apac", "global"],
        ("sa", _) => &["sa", "us", "global"],
        ("il", _) => &["il", "eu", "global"],
        (_, _) => &["global"],
    }
}

#[cfg(test)]
mod tests;
