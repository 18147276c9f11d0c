use super::*;
use serde_json::{Value, json};

/// The policy as a program reads it.
fn policy<'a>(models: impl IntoIterator<Item = &'a str>, place: Place<'_>) -> Value {
    json!(super::policy(models, place))
}

const HERE: Place<'_> = Place {
    region: "us-east-1",
    account: Some("111122223333"),
    bearer: false,
};

/// The one statement with this `Sid`.
#[track_caller]
fn by_sid(policy: &Value, sid: &str) -> Value {
    let found: Vec<&Value> = policy["Statement"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|statement| statement["Sid"] == sid)
        .collect();
    assert_eq!(found.len(), 1, "{sid} in {policy:#}");
    found[0].clone()
}

#[test]
fn two_names_for_one_model_are_one_right() {
    let once = policy(["amazon.nova-lite-v1:0"], HERE);
    let twice = policy(["amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"], HERE);
    assert_eq!(once, twice);
}

#[test]
fn profiles_share_statements_and_stay_the_only_way() {
    let models = [
        "us.amazon.nova-pro-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ];
    let policy = policy(models, HERE);
    let profiles = json!([
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/\
         global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ]);
    assert_eq!(by_sid(&policy, "CrossfadeProfile")["Resource"], profiles);
    let behind = by_sid(&policy, "CrossfadeProfileModels");
    assert_eq!(
        behind["Resource"],
        json!([
            "arn:aws:bedrock:*::foundation-model/amazon.nova-pro-v1:0",
            "arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
            "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
        ])
    );
    assert_eq!(
        behind["Condition"],
        json!({ "StringEquals": { "bedrock:InferenceProfileArn": profiles } })
    );
}

#[test]
fn an_account_that_is_not_known_is_any() {
    let place = Place {
        account: None,
        ..HERE
    };
    let policy = policy(["eu.amazon.nova-lite-v1:0"], place);
    let any = "arn:aws:bedrock:us-east-1:*:inference-profile/eu.amazon.nova-lite-v1:0";
    assert_eq!(by_sid(&policy, "CrossfadeProfile")["Resource"], any);
    // An operator that takes the `*` for what it is.
    let condition = &by_sid(&policy, "CrossfadeProfileModels")["Condition"];
    assert_eq!(condition["StringLike"]["bedrock:InferenceProfileArn"], any);
}

#[test]
fn arns_keep_their_own_region_and_account() {
    let own = "arn:aws:bedrock:eu-west-1:444455556666:";
    for kind in [
        "provisioned-model/abc",
        "imported-model/abc",
        "custom-model-deployment/abc",
    ] {
        let arn = format!("{own}{kind}");
        let policy = policy([arn.as_str()], HERE);
        assert_eq!(by_sid(&policy, "CrossfadeModels")["Resource"], arn);
    }
    let model = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-pro-v1:0";
    assert_eq!(
        by_sid(&policy([model], HERE), "CrossfadeModels")["Resource"],
        model
    );

    let profile = format!("{own}inference-profile/eu.amazon.nova-lite-v1:0");
    let needed = policy([profile.as_str()], HERE);
    assert_eq!(by_sid(&needed, "CrossfadeProfile")["Resource"], profile);
    assert_eq!(
        by_sid(&needed, "CrossfadeProfileModels")["Resource"],
        "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0"
    );

    for (kind, sid, key) in [
        (
            "application-inference-profile/abc",
            "CrossfadeOwnProfile",
            "bedrock:InferenceProfileArn",
        ),
        (
            "default-prompt-router/anthropic.claude:1",
            "CrossfadeRouter",
            "bedrock:PromptRouterArn",
        ),
    ] {
        let arn = format!("{own}{kind}");
        let needed = policy([arn.as_str()], HERE);
        assert_eq!(by_sid(&needed, sid)["Resource"], arn);
        let behind = by_sid(&needed, &format!("{sid}Models"));
        assert_eq!(
            behind["Resource"],
            json!([
                "arn:aws:bedrock:*::foundation-model/*",
                format!("{own}inference-profile/*")
            ])
        );
        assert_eq!(behind["Condition"]["StringEquals"][key], arn);
    }
}

#[test]
fn an_endpoint_of_the_marketplace_is_called_by_bedrock_alone() {
    let arn = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/mine";
    let needed = policy([arn], HERE);
    let endpoint = by_sid(&needed, "CrossfadeEndpoint");
    assert_eq!(
        endpoint["Action"],
        "sagemaker:InvokeEndpointWithResponseStream"
    );
    assert_eq!(endpoint["Resource"], arn);
    assert_eq!(
        endpoint["Condition"]["StringEquals"]["aws:CalledViaLast"],
        "bedrock.amazonaws.com"
    );
    assert_eq!(by_sid(&needed, "CrossfadeMarketplace")["Action"], CALL);
}

#[test]
fn an_api_key_is_a_right_of_its_own() {
    let place = Place {
        bearer: true,
        ..HERE
    };
    let needed = policy(["amazon.nova-lite-v1:0"], place);
    assert_eq!(by_sid(&needed, "CrossfadeApiKey")["Action"], BEARER);
}

#[test]
fn other_partitions_have_other_arns() {
    for (region, partition) in [
        ("us-east-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        ("eu-central-1", "aws"),
    ] {
        let place = Place { region, ..HERE };
        let needed = policy(["amazon.nova-lite-v1:0"], place);
        let expected =
            format!("arn:{partition}:bedrock:{region}::foundation-model/amazon.nova-lite-v1:0");
        assert_eq!(by_sid(&needed, "CrossfadeModels")["Resource"], expected);
    }
}
