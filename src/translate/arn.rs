//! The parts of an ARN, which a mapping may name in the place of a model.

use std::fmt;

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:KIND/ID`, as the IAM User Guide has it ("Amazon Resource
/// Names"). What is left out is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// Such as `aws`.
    pub partition: &'a str,
    /// Such as `bedrock`.
    pub service: &'a str,
    /// Such as `eu-west-1`.
    pub region: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// Kind and id, or the id alone.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN; none if it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }

    /// What kind of resource it is, such as `inference-profile`; none if it does not say.
    pub fn kind(self) -> Option<&'a str> {
        self.resource.split_once('/').map(|(kind, _)| kind)
    }

    /// The resource's id, without its kind.
    pub fn id(self) -> &'a str {
        self.resource
            .split_once('/')
            .map_or(self.resource, |(_, id)| id)
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_its_parts() {
        let text = "arn:aws:bedrock:eu-west-1:111122223333:prompt/ABC:1";
        let arn = Arn::parse(text).expect("an ARN");
        assert_eq!(
            (arn.partition, arn.service, arn.region, arn.account),
            ("aws", "bedrock", "eu-west-1", "111122223333")
        );
        assert_eq!((arn.kind(), arn.id()), (Some("prompt"), "ABC:1"));
        assert_eq!(arn.to_string(), text);
        let bucket = Arn::parse("arn:aws:s3:::bucket").expect("an ARN");
        assert_eq!((bucket.kind(), bucket.id()), (None, "bucket"));
        for none in [
            "",
            "arn:aws:bedrock",
            "amazon.nova-lite-v1:0",
            "ARN:a:b:c:d:e",
        ] {
            assert_eq!(Arn::parse(none), None, "{none}");
        }
    }
}
