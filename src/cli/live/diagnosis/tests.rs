use super::*;

/// What the service says, as people report it in public issues (accounts and names replaced), and
/// what it means.
const SAID: &[(u16, &str, &str, Cause)] = &[
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/app/i-0 is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0 because no \
         identity-based policy allows the bedrock:InvokeModelWithResponseStream action",
        Cause::Denied,
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/proxy is not authorized to perform: bedrock:InvokeModel on \
         resource: arn:aws:bedrock:us-east-1:111122223333:inference-profile/\
         us.anthropic.claude-haiku-4-5-20251001-v1:0 because no identity-based policy allows the \
         bedrock:InvokeModel action",
        Cause::Denied,
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/user_role is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:::foundation-model/anthropic.claude-opus-4-6-v1 with an explicit deny in a \
         service control policy: arn:aws:organizations::444455556666:policy/o-1/service_control_policy/p-1",
        Cause::DeniedAbove(Above::Organisation),
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/tenantOperator/x is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-20250514-v1:0 with an explicit deny \
         in an identity-based policy",
        Cause::DeniedAbove(Above::OwnDeny),
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/app/x is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0 because no permissions \
         boundary allows the bedrock:InvokeModelWithResponseStream action",
        Cause::DeniedAbove(Above::Boundary),
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/app/x is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0 because no session policy \
         allows the bedrock:InvokeModelWithResponseStream action",
        Cause::DeniedAbove(Above::Session),
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/app/x is not authorized to perform: \
         bedrock:InvokeModelWithResponseStream on resource: \
         arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0 because no VPC endpoint policy \
         allows the bedrock:InvokeModelWithResponseStream action",
        Cause::DeniedAbove(Above::Endpoint),
    ),
    (
        403,
        "AccessDeniedException",
        "You don't have access to the model with the specified model ID.",
        Cause::NoAccess,
    ),
    (
        403,
        "AccessDeniedException",
        "Your account is not authorized to invoke this API operation.",
        Cause::NotAllowed,
    ),
    (
        403,
        "AccessDeniedException",
        "Model access is denied due to IAM user or service role is not authorized to perform the required \
         AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable \
         access to this model. Refer to the Amazon Bedrock documentation for further details. Your AWS \
         Marketplace subscription for this model cannot be completed at this time. If you recently fixed \
         this issue, try again after 2 minutes.",
        Cause::Marketplace,
    ),
    (
        403,
        "AccessDeniedException",
        "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be \
         provided.. Your AWS Marketplace subscription for this model cannot be completed at this time.",
        Cause::Payment,
    ),
    (
        403,
        "AccessDeniedException",
        "Authentication failed: Please make sure your API Key is valid.",
        Cause::ApiKey,
    ),
    (
        403,
        "AccessDeniedException",
        "Bearer Token has expired",
        Cause::ApiKey,
    ),
    (
        403,
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/BedrockAPIKey-abcd is not authorized to perform: \
         bedrock:CallWithBearerToken because no identity-based policy allows the \
         bedrock:CallWithBearerToken action",
        Cause::ApiKeyDenied,
    ),
    (403, "AccessDeniedException", "", Cause::Denied),
    (
        404,
        "ResourceNotFoundException",
        "Model use case details have not been submitted for this account. Fill out the Anthropic use case \
         details form before using the model. If you have already filled out the form, try again in 15 \
         minutes.",
        Cause::UseCaseForm,
    ),
    (404, "FTUFormNotFilled", "", Cause::UseCaseForm),
    (
        404,
        "ResourceNotFoundException",
        "This model version has reached the end of its life. Please refer to the AWS documentation for \
         more details.",
        Cause::Retired,
    ),
    (
        404,
        "ResourceNotFoundException",
        "Access denied. This Model is marked by provider as Legacy and you have not been actively using \
         the model in the last 30 days. Please upgrade to an active model on Amazon Bedrock",
        Cause::Legacy,
    ),
    (
        404,
        "ResourceNotFoundException",
        "Could not resolve the foundation model from the provided model identifier.",
        Cause::UnknownModel,
    ),
    (
        400,
        "ValidationException",
        "The provided model identifier is invalid.",
        Cause::UnknownModel,
    ),
    (
        400,
        "ValidationException",
        "1 validation error detected: Value 'anthropic.claude-v2:0:100k' at 'modelId' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: (arn:aws(-[^:]+)?:bedrock:…)",
        Cause::UnknownModel,
    ),
    (
        400,
        "ValidationException",
        "Invocation of model ID anthropic.claude-3-5-sonnet-20241022-v2:0 with on-demand throughput isn’t \
         supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
        Cause::ProfileNeeded,
    ),
    (
        400,
        "ValidationException",
        "The provided model doesn't support on-demand throughput.",
        Cause::ProfileNeeded,
    ),
    (
        400,
        "ValidationException",
        "Operation not allowed",
        Cause::NotAllowed,
    ),
    (
        400,
        "ValidationException",
        "Access to Anthropic models is not allowed from unsupported countries, regions, or territories. \
         Please refer to https://www.anthropic.com/supported-countries for more information on the \
         countries and regions Anthropic currently supports.",
        Cause::Country,
    ),
    (
        400,
        "ValidationException",
        "The model returned the following errors: max_tokens: Input should be greater than or equal to 16",
        Cause::Refused,
    ),
    (
        400,
        "ValidationException",
        "The model returned the following errors: You have not filled out the required use-case form for \
         this model.",
        Cause::UseCaseForm,
    ),
    (
        429,
        "ThrottlingException",
        "Too many tokens, please wait before trying again.",
        Cause::Throttled,
    ),
    (
        429,
        "ThrottlingException",
        "Too many tokens per day, please wait before trying again.",
        Cause::DailyTokens,
    ),
    (
        429,
        "ThrottlingException",
        "Too many requests, please wait before trying again.",
        Cause::Throttled,
    ),
    (
        503,
        "ServiceUnavailableException",
        "Too many connections, please wait.",
        Cause::Unavailable,
    ),
    (
        429,
        "ModelNotReadyException",
        "Model is not ready for inference.",
        Cause::Unavailable,
    ),
    (
        500,
        "InternalServerException",
        "The system encountered an unexpected error.",
        Cause::ServiceFault,
    ),
    (
        408,
        "ModelTimeoutException",
        "Model request timed out.",
        Cause::Timeout,
    ),
    (
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
        Cause::Expired,
    ),
    (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        Cause::WrongKeys,
    ),
    (
        403,
        "InvalidClientTokenId",
        "The X.509 certificate or AWS access key ID provided does not exist in our records.",
        Cause::WrongKeys,
    ),
    (
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS \
         Secret Access Key and signing method. Consult the service documentation for details.",
        Cause::WrongKeys,
    ),
    (
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
        Cause::WrongKeys,
    ),
    (
        403,
        "InvalidSignatureException",
        "Signature expired: 20260102T030405Z is now earlier than 20260102T031000Z (20260102T031500Z - 5 \
         min.)",
        Cause::Clock,
    ),
    (
        403,
        "InvalidSignatureException",
        "Signature not yet current: 20260102T030405Z is still later than 20260102T025000Z \
         (20260102T024500Z + 5 min.)",
        Cause::Clock,
    ),
    (400, "RequestExpired", "", Cause::Clock),
    (418, "TeapotException", "I am new.", Cause::Unknown),
    // No name: a page of a proxy on the way, whatever its status.
    (503, "", "", Cause::BadAnswer),
    (403, "", "", Cause::BadAnswer),
];

#[test]
fn what_the_service_says_is_understood() {
    for (status, code, message, expected) in SAID {
        let error = ServiceError {
            status: *status,
            code: (*code).to_owned(),
            message: (*message).to_owned(),
            original_status: None,
        };
        assert_eq!(Cause::of(&error), *expected, "{error}");
    }
}

#[test]
fn a_refusal_names_who_was_refused() {
    let (.., message, _) = SAID[0];
    let arn = principal(message).expect("a principal");
    assert_eq!(arn, "arn:aws:sts::111122223333:assumed-role/app/i-0");
    assert_eq!(account_of(arn), Some("111122223333"));
    assert_eq!(holder(arn).as_deref(), Some("the role app"));
    let user = "arn:aws:iam::111122223333:user/team/proxy";
    assert_eq!(holder(user).as_deref(), Some("the user proxy"));
    assert_eq!(holder("arn:aws:iam::111122223333:root"), None);
    assert_eq!(principal("Operation not allowed"), None);
    assert_eq!(account_of("arn:aws:iam::me:user/x"), None);
}
