use super::*;

fn about<'a>(model: &'a str, region: &'a str) -> About<'a> {
    About {
        model,
        place: Place {
            region,
            account: None,
            bearer: false,
        },
        message: "",
        skew_s: 0,
    }
}

#[test]
fn a_missing_right_comes_with_the_statement_for_who_was_refused() {
    let message = "User: arn:aws:sts::111122223333:assumed-role/app/i-0 is not authorized to perform: \
                   bedrock:InvokeModelWithResponseStream on resource: x because no identity-based policy \
                   allows the bedrock:InvokeModelWithResponseStream action";
    let about = About {
        message,
        ..about("us.amazon.nova-pro-v1:0", "us-east-1")
    };
    let told = told(Cause::Denied, about);
    assert_eq!(
        told.what,
        "arn:aws:sts::111122223333:assumed-role/app/i-0 may not call it"
    );
    assert_eq!(told.remedy, "Attach this to the role app:");
    let place = Place {
        account: Some("111122223333"),
        ..about.place
    };
    assert_eq!(
        told.policy,
        Some(iam::policy(["us.amazon.nova-pro-v1:0"], place))
    );
}

#[test]
fn only_a_missing_right_of_the_callers_own_comes_with_a_statement() {
    for cause in [
        Cause::NoAccess,
        Cause::Marketplace,
        Cause::DeniedAbove(Above::Organisation),
        Cause::ProfileNeeded,
        Cause::Throttled,
    ] {
        let told = told(cause, about("amazon.nova-lite-v1:0", "us-east-1"));
        assert_eq!(told.policy, None, "{cause:?}");
        assert!(told.remedy.ends_with('.'), "{}", told.remedy);
    }
}

#[test]
fn a_model_that_wants_a_profile_is_told_which() {
    for (region, expected) in [
        (
            "us-east-1",
            "us.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0.",
        ),
        ("eu-west-1", "eu.amazon.nova-2-lite-v1:0 or global."),
        (
            "ap-northeast-1",
            "jp.amazon.nova-2-lite-v1:0 or apac.amazon.nova-2-lite-v1:0 or global.",
        ),
        ("us-gov-west-1", "us-gov.amazon.nova-2-lite-v1:0."),
    ] {
        let told = told(
            Cause::ProfileNeeded,
            about("amazon.nova-2-lite-v1:0", region),
        );
        let expected = format!("Map it to {expected}");
        assert!(
            told.remedy.starts_with(&expected),
            "{region}: {}",
            told.remedy
        );
    }
}

#[test]
fn a_name_of_another_region_is_told_from_a_slip() {
    let what = |model, region| told(Cause::UnknownModel, about(model, region));
    let slip = what("amazon.nova-light-v1:0", "us-east-1");
    assert_eq!(slip.what, "Bedrock has nothing of this name in us-east-1");
    assert!(
        slip.remedy.starts_with("Look for a slip"),
        "{}",
        slip.remedy
    );
    let geography = what("eu.amazon.nova-lite-v1:0", "us-east-1");
    assert_eq!(
        geography.what,
        "the profile eu.amazon.nova-lite-v1:0 is of another geography than us-east-1"
    );
    assert!(
        geography
            .remedy
            .starts_with("Map it to us.amazon.nova-lite-v1:0 or global."),
        "{}",
        geography.remedy
    );
    let arn = "arn:aws:bedrock:us-west-2:111122223333:application-inference-profile/abc";
    let elsewhere = what(arn, "us-east-1");
    assert_eq!(
        elsewhere.what,
        "the ARN is of us-west-2, and bedrock.region is us-east-1"
    );
    assert!(
        elsewhere
            .remedy
            .starts_with("Map something of us-east-1, or change bedrock.region.")
    );
}

#[test]
fn an_organisations_deny_names_the_regions_that_a_profile_needs() {
    let remedy = |model| {
        told(
            Cause::DeniedAbove(Above::Organisation),
            about(model, "us-east-1"),
        )
        .remedy
    };
    assert!(
        remedy("global.anthropic.claude-sonnet-5").contains("aws:RequestedRegion \"unspecified\"")
    );
    assert!(remedy("us.amazon.nova-pro-v1:0").contains("every region that it sends calls to"));
    assert!(!remedy("amazon.nova-pro-v1:0").contains("region"));
}

#[test]
fn a_clock_is_told_by_how_much_it_is_off() {
    let what = |skew_s| {
        let about = About {
            skew_s,
            ..about("m", "us-east-1")
        };
        told(Cause::Clock, about).what
    };
    assert_eq!(
        what(3_660),
        "this machine's clock is 1h 1m behind the service's"
    );
    assert_eq!(
        what(-600),
        "this machine's clock is 10m ahead of the service's"
    );
    assert_eq!(what(0), "this machine's clock is not the service's");
}
