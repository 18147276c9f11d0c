//! Models that the configured region most likely does not have: ARNs of another region, and
//! cross-region profiles of another part of the world.
//!
//! A warning and no mistake: which profile may be called from where is AWS's to say, and changes.

use super::super::Bedrock;
use super::super::section::{Sink, join};
use crate::translate::family;

/// Notes what is from elsewhere.
pub(super) fn warn(sink: &Sink, bedrock: &Bedrock) {
    let region = bedrock.region.as_str();
    for (name, mapping) in &bedrock.models {
        let id = mapping.target.model_id.as_str();
        let why = if let Some(other) = region_of_arn(id).filter(|other| *other != region) {
            format!("an ARN of {other}, but calls are made in bedrock.region, {region}")
        } else if let Some(geography) = foreign(id, region) {
            format!(
                "a cross-region profile for {geography}, but calls are made in bedrock.region, {region}"
            )
        } else {
            continue;
        };
        let text =
            format!("{why}: Bedrock will most likely refuse it; `crossfade check --live` asks");
        sink.warning(join("bedrock.models", name), text);
    }
}

/// The region of `arn:PARTITION:SERVICE:REGION:…`.
fn region_of_arn(id: &str) -> Option<&str> {
    let mut parts = id.strip_prefix("arn:")?.split(':');
    parts.nth(2).filter(|region| !region.is_empty())
}

/// The geography of a profile, if `region` is in another part of the world. What is known of neither
/// is not judged: `us` profiles are called from Canada too, for one.
fn foreign<'a>(id: &'a str, region: &str) -> Option<&'a str> {
    let (geography, _) = family::profile(id)?;
    let home = match geography {
        "us" => "us-",
        "us-gov" => "us-gov-",
        "eu" => "eu-",
        "apac" | "ap" | "jp" | "au" => "ap-",
        _ => return None,
    };
    let part = PARTS.into_iter().find(|part| region.starts_with(part))?;
    (part != home).then_some(geography)
}

/// Beginnings of regions, the longer ones first.
const PARTS: [&str; 4] = ["us-gov-", "us-", "eu-", "ap-"];

#[cfg(test)]
mod tests {
    use super::super::load;

    fn warnings(region: &str, model: &str) -> Vec<String> {
        let text = format!(
            "original: {{ url: https://api.openai.com }}\n\
             bedrock: {{ region: {region}, models: {{ m: '{model}' }} }}\n"
        );
        let config = load(&text, &|_| None).expect("it may be right all the same");
        config.warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_model_of_another_region_is_told() {
        let arn = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-pro-v1:0";
        let told = warnings("us-east-1", arn);
        assert!(
            matches!(told.as_slice(), [one] if one.contains("bedrock.models.m")
                && one.contains("an ARN of us-west-2") && one.contains("us-east-1")),
            "{told:?}"
        );
        for (region, profile) in [
            ("us-east-1", "eu.amazon.nova-pro-v1:0"),
            ("eu-west-1", "us.amazon.nova-pro-v1:0"),
            ("us-gov-west-1", "us.amazon.nova-pro-v1:0"),
            ("us-west-2", "apac.amazon.nova-pro-v1:0"),
        ] {
            let told = warnings(region, profile);
            assert!(
                matches!(told.as_slice(), [one] if one.contains("a cross-region profile for ")),
                "{region} {profile}: {told:?}"
            );
        }
    }

    #[test]
    fn what_may_well_be_right_is_not() {
        for (region, model) in [
            (
                "us-west-2",
                "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-pro-v1:0",
            ),
            ("us-east-1", "amazon.nova-pro-v1:0"),
            ("us-east-1", "us.amazon.nova-pro-v1:0"),
            ("ca-central-1", "us.amazon.nova-pro-v1:0"),
            ("ap-northeast-1", "apac.amazon.nova-pro-v1:0"),
            (
                "eu-north-1",
                "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
        ] {
            assert_eq!(
                warnings(region, model),
                Vec::<String>::new(),
                "{region} {model}"
            );
        }
    }
}
