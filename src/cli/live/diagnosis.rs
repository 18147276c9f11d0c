//! What a failed call of a model means to who sets crossfade up, and what mends it.
//!
//! One table, from what the service says to a [`Cause`]: `kind` has told what the call counts as,
//! and the words of the message tell the causes of one kind apart, for nearly all of them are an
//! `AccessDeniedException` or a `ValidationException`. The wordings are those of the service as
//! people report them; one that is not known keeps the service's own text and what its name says.

use crate::converse::ServiceError;
use crate::translate::error::{Kind, contains, kind};

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// The keys have expired.
    Expired,
    /// AWS does not know the keys, or the secret is wrong.
    WrongKeys,
    /// The Bedrock API key is wrong or has expired.
    ApiKey,
    /// The API key's user may not use one.
    ApiKeyDenied,
    /// The two clocks differ.
    Clock,
    /// No policy of the caller's allows the call.
    Denied,
    /// A policy denies it, or one above the caller's does not allow it.
    DeniedAbove(Above),
    /// The account has no access to the model.
    NoAccess,
    /// The account has no subscription to the model, and the caller may not take one out.
    Marketplace,
    /// The account cannot pay for the model.
    Payment,
    /// The vendor's form was not filled in.
    UseCaseForm,
    /// The vendor does not serve the country.
    Country,
    /// The account may not call Bedrock yet.
    NotAllowed,
    /// The model is called through a profile only.
    ProfileNeeded,
    /// No such model, profile or resource here.
    UnknownModel,
    /// The model is gone.
    Retired,
    /// The model is going, and closed to who has not used it lately.
    Legacy,
    /// Too many calls or tokens: the right is there.
    Throttled,
    /// The daily tokens of a new account.
    DailyTokens,
    /// Bedrock or the model is not ready: the right is there.
    Unavailable,
    /// The service failed.
    ServiceFault,
    /// The model refuses the minimal request.
    Refused,
    /// Something that no row knows.
    Unknown,
    /// The connection broke.
    Connection,
    /// No answer in time.
    Timeout,
    /// An answer that is none.
    BadAnswer,
}

/// What stands above the caller's own policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Above {
    /// A service or resource control policy of the organisation.
    Organisation,
    /// The permissions boundary.
    Boundary,
    /// The policy of the session.
    Session,
    /// The policy of the VPC endpoint.
    Endpoint,
    /// A statement of the caller's own policies that denies.
    OwnDeny,
}

/// How bad a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// The model may be called; something else is to be known.
    Warning,
    /// The model cannot be called.
    Failure,
}

impl Cause {
    /// What a service error means.
    pub(super) fn of(error: &ServiceError) -> Self {
        // Every error of AWS has a name: this is a page of something in between.
        if error.code.is_empty() {
            return Self::BadAnswer;
        }
        let says = |words: &str| contains(&error.message, words);
        match kind(error) {
            Kind::CredentialsExpired => Self::Expired,
            Kind::Credentials => Self::WrongKeys,
            Kind::ClockSkew => Self::Clock,
            Kind::Throttle if says("per day") => Self::DailyTokens,
            Kind::Throttle => Self::Throttled,
            Kind::Quota => Self::Throttled,
            Kind::NotReady | Kind::Unavailable => Self::Unavailable,
            // Of a name that is not known, only the status tells anything.
            Kind::Server if error.status < 500 => Self::Unknown,
            Kind::Server | Kind::Model | Kind::ModelStream => Self::ServiceFault,
            Kind::Timeout => Self::Timeout,
            Kind::ContextWindow => Self::Refused,
            Kind::Config | Kind::Validation => Self::of_words(error),
        }
    }

    /// What the words of a refusal mean.
    fn of_words(error: &ServiceError) -> Self {
        let says = |words: &str| contains(&error.message, words);
        if let Some((_, cause)) = WORDINGS.iter().find(|(words, _)| says(words)) {
            return *cause;
        }
        match error.code.as_str() {
            "FTUFormNotFilled" => Self::UseCaseForm,
            "MissingAuthenticationTokenException" | "MissingAuthenticationToken" => Self::WrongKeys,
            "AccessDeniedException" | "NotAuthorized" | "AccessDenied" => Self::Denied,
            "ResourceNotFoundException" => Self::UnknownModel,
            "ValidationException" | "SerializationException" => Self::Refused,
            _ => Self::Unknown,
        }
    }

    /// Its name for programs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Expired => "credentials_expired",
            Self::WrongKeys => "credentials_wrong",
            Self::ApiKey => "api_key_wrong",
            Self::ApiKeyDenied => "api_key_denied",
            Self::Clock => "clock",
            Self::Denied => "denied",
            Self::DeniedAbove(Above::Organisation) => "denied_by_organisation",
            Self::DeniedAbove(Above::Boundary) => "denied_by_boundary",
            Self::DeniedAbove(Above::Session) => "denied_by_session",
            Self::DeniedAbove(Above::Endpoint) => "denied_by_vpc_endpoint",
            Self::DeniedAbove(Above::OwnDeny) => "denied_explicitly",
            Self::NoAccess => "no_model_access",
            Self::Marketplace => "no_subscription",
            Self::Payment => "no_payment",
            Self::UseCaseForm => "use_case_form",
            Self::Country => "country",
            Self::NotAllowed => "account_not_allowed",
            Self::ProfileNeeded => "profile_needed",
            Self::UnknownModel => "unknown_model",
            Self::Retired => "retired",
            Self::Legacy => "legacy",
            Self::Throttled => "throttled",
            Self::DailyTokens => "daily_tokens",
            Self::Unavailable => "unavailable",
            Self::ServiceFault => "service_fault",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::BadAnswer => "bad_answer",
        }
    }

    /// How bad it is. The service asks who calls and with which right before it looks at anything
    /// else, so a call that it throttles is one that it would allow.
    pub(super) const fn weight(self) -> Weight {
        match self {
            Self::Throttled | Self::DailyTokens | Self::Unavailable => Weight::Warning,
            Self::Expired
            | Self::WrongKeys
            | Self::ApiKey
            | Self::ApiKeyDenied
            | Self::Clock
            | Self::Denied
            | Self::DeniedAbove(_)
            | Self::NoAccess
            | Self::Marketplace
            | Self::Payment
            | Self::UseCaseForm
            | Self::Country
            | Self::NotAllowed
            | Self::ProfileNeeded
            | Self::UnknownModel
            | Self::Retired
            | Self::Legacy
            | Self::ServiceFault
            | Self::Refused
            | Self::Unknown
            | Self::Connection
            | Self::Timeout
            | Self::BadAnswer => Weight::Failure,
        }
    }

    /// Whether every other model would fail the same way: it is about who calls, not about what.
    pub(super) const fn concerns_all(self) -> bool {
        matches!(
            self,
            Self::Expired | Self::WrongKeys | Self::ApiKey | Self::ApiKeyDenied | Self::Clock
        )
    }

    /// Whether a statement of the caller's own mends it.
    pub(super) const fn statement_mends(self) -> bool {
        matches!(self, Self::Denied | Self::ApiKeyDenied)
    }
}

/// Who was refused: the ARN in `User: ARN is not authorized to perform`.
pub(super) fn principal(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("User: ")?;
    let (arn, _) = rest.split_once(" is not authorized")?;
    Some(arn).filter(|arn| arn.starts_with("arn:"))
}

/// The twelve digits of the account in a principal's ARN.
pub(super) fn account_of(principal: &str) -> Option<&str> {
    let account = principal.split(':').nth(4)?;
    (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
}

/// What a policy is attached to: the role behind a session, or the user.
pub(super) fn holder(principal: &str) -> Option<String> {
    let resource = principal.splitn(6, ':').nth(5)?;
    let mut parts = resource.split('/');
    match (parts.next()?, parts.next()) {
        ("assumed-role", Some(role)) => Some(format!("the role {role}")),
        ("user", Some(_)) => resource
            .rsplit('/')
            .next()
            .map(|user| format!("the user {user}")),
        (_, Some(_) | None) => None,
    }
}

/// Words of the service, lower-case, and what they mean; the first that occur count.
const WORDINGS: &[(&str, Cause)] = &[
    ("bedrock:callwithbearertoken", Cause::ApiKeyDenied),
    ("please make sure your api key is valid", Cause::ApiKey),
    ("bearer token has expired", Cause::ApiKey),
    ("api key has expired", Cause::ApiKey),
    ("invalid api key", Cause::ApiKey),
    (
        "service control policy",
        Cause::DeniedAbove(Above::Organisation),
    ),
    (
        "resource control policy",
        Cause::DeniedAbove(Above::Organisation),
    ),
    ("permissions boundary", Cause::DeniedAbove(Above::Boundary)),
    ("session policy", Cause::DeniedAbove(Above::Session)),
    ("vpc endpoint policy", Cause::DeniedAbove(Above::Endpoint)),
    ("explicit deny", Cause::DeniedAbove(Above::OwnDeny)),
    ("payment_instrument", Cause::Payment),
    ("payment instrument", Cause::Payment),
    ("aws-marketplace:", Cause::Marketplace),
    ("marketplace subscription", Cause::Marketplace),
    (
        "use case details have not been submitted",
        Cause::UseCaseForm,
    ),
    ("use-case form", Cause::UseCaseForm),
    ("unsupported countries", Cause::Country),
    ("is not authorized to perform", Cause::Denied),
    (
        "not authorized to invoke this api operation",
        Cause::NotAllowed,
    ),
    ("operation not allowed", Cause::NotAllowed),
    ("have access to the model with", Cause::NoAccess),
    ("access to this model is not available", Cause::NoAccess),
    ("on-demand throughput", Cause::ProfileNeeded),
    ("marked by provider as legacy", Cause::Legacy),
    ("end of its life", Cause::Retired),
    ("model identifier is invalid", Cause::UnknownModel),
    (
        "could not resolve the foundation model",
        Cause::UnknownModel,
    ),
    ("inference profile", Cause::UnknownModel),
    (
        "failed to satisfy constraint: member must satisfy regular expression",
        Cause::UnknownModel,
    ),
];

#[cfg(test)]
mod tests;
