//! The words of `bedrock`: where the share goes, and what each model is and can.

use super::Words;

pub(super) const WORDS: &[Words] = &[
    (
        "bedrock",
        "Where the share goes. Credentials come from the usual AWS places: role, profile, environment.",
        &[],
    ),
    (
        "bedrock.region",
        "The AWS region. Without this key `AWS_REGION` or `AWS_DEFAULT_REGION` says it.",
        &[],
    ),
    (
        "bedrock.endpoint",
        "A VPC endpoint or an emulator instead of AWS's own. Without this key `AWS_ENDPOINT_URL_BEDROCK_RUNTIME` or `AWS_ENDPOINT_URL` says it.",
        &["http://127.0.0.1:9000"],
    ),
    (
        "bedrock.models",
        "What the app asks for (with Azure: the deployment), and what Bedrock serves instead: a model id, an inference profile or an ARN, or keys with `model` in them. A model that is not mapped stays with the original.",
        &[],
    ),
    (
        "bedrock.models.NAME.model",
        "The Bedrock model id, inference profile or ARN.",
        &[
            "amazon.nova-pro-v1:0",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ],
    ),
    (
        "bedrock.models.NAME.family",
        "Which row of the capability table applies, for ARNs that do not show which model is behind them: its name, or the id of a model of that family.",
        &["nova-pro"],
    ),
    (
        "bedrock.models.NAME.max_tokens",
        "The cap that is sent when the app sends none, in tokens. Without it the model's own maximum, 16384 at most, or 4096 where that is not known.",
        &[],
    ),
    (
        "bedrock.models.NAME.system_prefix",
        "A system text before those of the app.",
        &["Answer in Markdown."],
    ),
    (
        "bedrock.models.NAME.defaults",
        "Sampling that is sent where the app leaves it out.",
        &[],
    ),
    (
        "bedrock.models.NAME.defaults.temperature",
        "`temperature` where the app sends none.",
        &[],
    ),
    (
        "bedrock.models.NAME.defaults.top_p",
        "`top_p` where the app sends none.",
        &[],
    ),
    (
        "bedrock.models.NAME.allow",
        "Lossy translations that you accept for this model. Without them such calls stay with the original, or move without the feature. `crossfade explain` says which one a call needs.",
        &[],
    ),
    (
        "bedrock.models.NAME.refuse",
        "Losses that you do not accept: such calls stay with the original. `crossfade explain` names the losses of a call.",
        &[],
    ),
    (
        "bedrock.models.NAME.first_token",
        "A first-token timeout that differs for this model. Without it `timeouts.first_token`.",
        &["60s"],
    ),
    (
        "bedrock.models.NAME.capabilities",
        "What the model can do, where you know better than crossfade's table of model families.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.system",
        "Whether it takes system messages.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.tools",
        "Whether it takes tools: `streamed`, only where the answer is not streamed (such calls stay), or not at all.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.tool_choice",
        "Which choices of tools it knows: only `auto`; that it must call `any`; or that it must call the `named` one. Each includes those before it.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.single_call",
        "Whether it can be told to call at most one tool.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.strict_tools",
        "Whether it takes `strict` tools.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.tool_schema",
        "What a tool's schema may hold: `claude` takes references but no alternatives at the top; `grok` neither references nor patterns that look around; `nova` no references, and at the top only type, properties and required; `plain` no references.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.json_schema",
        "How an answer is held to a JSON schema: by the model itself (`native`), by a tool that it must call (`tool`), or not at all.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.images",
        "Whether it takes images.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.documents",
        "Whether it takes PDF documents.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.sampling",
        "Whether it takes `temperature` and `top_p` together, one of them, or neither.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.stop",
        "Which stop sequences it takes: any, those that are not only white space, or none.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.reasoning",
        "How its reasoning is asked for: not at all (`fixed`); by `reasoning_effort` (`effort`) or `reasoning.effort` (`openai`); by Nova 2's `reasoningConfig` (`nova`); by a `budget` of tokens; or by Claude's adaptive thinking with an effort up to high, xhigh or max.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.prefill",
        "Whether it goes on with a last message of the assistant.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.turns",
        "What may share a turn with tool calls and results: text with both (`mixed`), with calls only (`results_alone`), or nothing (`pure`).",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.tool_ids",
        "What the ids of tool calls look like: the usual 64 characters, or nine letters and digits.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.cache",
        "Where cache points may be: after system and messages (`points`), after tools too, or nowhere.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.max_output",
        "The most tokens that it can be asked for.",
        &[],
    ),
    (
        "bedrock.models.NAME.capabilities.min_output",
        "The fewest tokens that it can be asked for.",
        &[],
    ),
];
