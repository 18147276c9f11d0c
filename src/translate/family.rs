//! Which row of the capability table a model id belongs to.
//!
//! The geographic prefix of a profile and the frame of an ARN are stripped, then fragments are
//! matched; whole ids are never compared, for they change with every version.

use super::arn::Arn;
use super::capability::Capabilities;
use super::capability::table::{ROWS, Row, UNKNOWN};
use super::target::TargetError;

/// A row of the capability table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    name: &'static str,
    capabilities: Capabilities,
}

impl Family {
    /// The family's name in configuration.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether the table has a row for it, or the careful one stands in.
    pub fn is_known(self) -> bool {
        self.name != UNKNOWN.name
    }

    /// What its models can do.
    pub const fn capabilities(self) -> Capabilities {
        self.capabilities
    }

    /// The names of all families.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.name)
    }

    /// The family that the configuration names, by a row's name or by the id of a model of it.
    pub fn from_name(name: &str) -> Option<Self> {
        let row = ROWS
            .iter()
            .find(|row| row.name == name)
            .or_else(|| find(strip_region(name)));
        row.map(Self::from)
    }

    /// The family of a model id; the careful row if none knows it.
    ///
    /// # Errors
    ///
    /// If the id is an ARN that does not show its model, or one of something that is no chat model.
    pub fn of_model(model_id: &str) -> Result<Self, TargetError> {
        let id = if model_id.starts_with("arn:") {
            model_of_arn(Arn::parse(model_id).ok_or(TargetError::NotAModel)?)?
        } else {
            model_id
        };
        Ok(Self::from(find(strip_region(id)).unwrap_or(&UNKNOWN)))
    }
}

impl From<&Row> for Family {
    fn from(row: &Row) -> Self {
        Self {
            name: row.name,
            capabilities: row.capabilities,
        }
    }
}

/// The id inside an ARN.
fn model_of_arn(arn: Arn<'_>) -> Result<&str, TargetError> {
    match (arn.service, arn.kind(), arn.id()) {
        ("bedrock", Some("foundation-model" | "inference-profile"), id) => Ok(id),
        // Behind a prompt are model and parameters of its own; it refuses those of a call.
        ("bedrock", Some("prompt"), _) => Err(TargetError::NotAModel),
        ("bedrock" | "sagemaker", Some(_), id) if !id.is_empty() => Err(TargetError::FamilyNeeded),
        (_, _, _) => Err(TargetError::NotAModel),
    }
}

/// The prefixes of the profiles that AWS itself defines.
const REGIONS: [&str; 13] = [
    "us", "us-gov", "eu", "apac", "ap", "jp", "au", "ca", "sa", "in", "il", "amer", "global",
];

fn strip_region(id: &str) -> &str {
    profile(id).map_or(id, |(_, model)| model)
}

/// The geography and the model of a profile that AWS itself defines, such as `us` and
/// `amazon.nova-lite-v1:0`; none for the id of a model.
pub fn profile(id: &str) -> Option<(&str, &str)> {
    id.split_once('.')
        .filter(|(geography, _)| REGIONS.contains(geography))
}

fn find(id: &str) -> Option<&'static Row> {
    let id = id.to_ascii_lowercase();
    let model = id.split_once('.').map_or(id.as_str(), |(_, model)| model);
    ROWS.iter().find(|row| {
        row.fragments
            .iter()
            .any(|fragment| fits(fragment, &id) || fits(fragment, model))
    })
}

/// Whether an id is the fragment, up to a date, a version or a size. With `*` anything may follow.
fn fits(fragment: &str, id: &str) -> bool {
    if let Some(prefix) = fragment.strip_suffix('*') {
        return id.starts_with(prefix);
    }
    let Some(rest) = id.strip_prefix(fragment) else {
        return false;
    };
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    match rest.as_bytes() {
        [] | [b':', ..] => true,
        [b'-', b'v', version @ ..] => digit(version.first()),
        [b'-', date @ ..] => date.len() >= 8 && date.iter().take(8).all(u8::is_ascii_digit),
        [_, ..] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(model_id: &str, family: &str) {
        assert_eq!(
            Family::of_model(model_id).map(Family::name),
            Ok(family),
            "{model_id}"
        );
    }

    #[test]
    fn ids_profiles_and_arns_show_their_family() {
        check("amazon.nova-lite-v1:0", "nova-lite");
        check("us.amazon.nova-micro-v1:0", "nova-micro");
        check("amazon.nova-pro-v1:0:24k", "nova-pro");
        check("global.amazon.nova-2-lite-v1:0", "nova-2-lite");
        check("anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4");
        check(
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "claude-sonnet-4-5",
        );
        check(
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5",
        );
        check("anthropic.claude-opus-4-6-v1", "claude-opus-4-6");
        check("anthropic.claude-opus-4-7", "claude-opus-4-7");
        check("anthropic.claude-sonnet-5", "claude-sonnet-5");
        check("anthropic.claude-sonnet-5-5", "claude-sonnet-5-5");
        check("anthropic.claude-3-haiku-20240307-v1:0", "claude-3");
        check("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5");
        check("meta.llama3-3-70b-instruct-v1:0", "llama3-1");
        check("us.meta.llama4-maverick-17b-instruct-v1:0", "llama4");
        check("us-gov.meta.llama3-8b-instruct-v1:0", "llama");
        check("mistral.mistral-large-2407-v1:0", "mistral-large");
        check("mistral.mistral-large-3-675b-instruct", "mistral-large-3");
        check("us.mistral.pixtral-large-2502-v1:0", "mistral");
        check("us.deepseek.r1-v1:0", "deepseek-r1");
        check("deepseek.v3.2", "deepseek-v3");
        check("openai.gpt-oss-120b-1:0", "gpt-oss");
        check("us.openai.gpt-5.6-sol", "gpt");
        check("qwen.qwen3-32b-v1:0", "qwen3");
        check("moonshotai.kimi-k2.5", "kimi-k2.5");
        check("minimax.minimax-m2", "minimax-m2");
        check("amazon.titan-text-premier-v1:0", "titan");
        check(
            "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0",
            "nova-lite",
        );
        check(
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
            "nova-pro",
        );
    }

    #[test]
    fn a_version_that_is_not_known_yet_gets_the_careful_row_of_its_vendor() {
        check("anthropic.claude-sonnet-4-9", "claude");
        check("anthropic.claude-opus-6", "claude");
        check("amazon.nova-3-mega-v1:0", "nova");
        check("moonshotai.kimi-k3", "kimi");
    }

    #[test]
    fn an_unknown_id_gets_the_careful_row() {
        check("writer.palmyra-x5-v1:0", "unknown");
        check("", "unknown");
        assert_eq!(
            UNKNOWN.capabilities.choice,
            super::super::capability::Choice::Auto
        );
    }

    #[test]
    fn an_arn_that_hides_its_model_needs_a_family() {
        for kind in [
            "application-inference-profile",
            "provisioned-model",
            "custom-model",
            "custom-model-deployment",
            "imported-model",
            "default-prompt-router",
        ] {
            let arn = format!("arn:aws:bedrock:eu-west-1:111122223333:{kind}/abc123");
            assert_eq!(
                Family::of_model(&arn).err(),
                Some(TargetError::FamilyNeeded),
                "{arn}"
            );
        }
        let prompt = "arn:aws:bedrock:eu-west-1:111122223333:prompt/ABCDEFGHIJ:1";
        assert_eq!(Family::of_model(prompt).err(), Some(TargetError::NotAModel));
        assert_eq!(
            Family::of_model("arn:aws:s3:::bucket").err(),
            Some(TargetError::NotAModel)
        );
    }

    #[test]
    fn the_configuration_may_name_a_row_or_a_model() {
        let named = |name| Family::from_name(name).map(Family::name);
        assert_eq!(named("nova"), Some("nova"));
        assert_eq!(named("claude-haiku-4-5"), Some("claude-haiku-4-5"));
        assert_eq!(named("us.amazon.nova-lite-v1:0"), Some("nova-lite"));
        assert_eq!(named("novel"), None);
        assert_eq!(named(""), None);
    }

    #[test]
    fn every_row_can_be_reached_by_its_name() {
        for name in Family::names() {
            assert_eq!(Family::from_name(name).map(Family::name), Some(name));
        }
    }
}
