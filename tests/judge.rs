//! The SDK's own client as the judge of our transport: the same calls go to the emulator through
//! both, must arrive as equals (path, signed headers, body) and be read as equals.

use crate::support::{ANY_PORT, World, credentials};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Region};
use aws_sdk_bedrockruntime::types::{
    ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, ImageBlock,
    ImageFormat, ImageSource, InferenceConfiguration, Message, SystemContentBlock, Tool,
    ToolConfiguration, ToolInputSchema, ToolSpecification,
};
use aws_smithy_types::{Blob, Document};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossfade::demo::emulator::bedrock::Behaviour;
use crossfade::demo::emulator::{BedrockEmulator, Captured};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// The SDK's client, pointed at the emulator.
fn sdk(emulator: &BedrockEmulator) -> Client {
    let config = aws_sdk_bedrockruntime::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(emulator.base_url())
        .credentials_provider(credentials())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// What arrived, as far as both must agree.
#[derive(Debug, PartialEq)]
struct Arrived {
    method: String,
    target: String,
    content_type: String,
    scope: String,
    body: Value,
}

fn header<'c>(call: &'c Captured, name: &str) -> &'c str {
    let found = call
        .headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}

/// The date, region and service that a signature is for, and the headers that it covers.
fn signature(call: &Captured) -> (String, BTreeSet<String>) {
    let authorization = header(call, "authorization");
    let part = |name: &str| {
        let rest = authorization.split(name).nth(1).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().trim().to_owned()
    };
    let scope = part("Credential=")
        .split_once('/')
        .map(|(_, scope)| scope.to_owned());
    let covered = part("SignedHeaders=")
        .split(';')
        .map(str::to_owned)
        .collect();
    (scope.unwrap_or_default(), covered)
}

fn arrived(call: &Captured) -> Arrived {
    Arrived {
        method: call.method.clone(),
        target: call.target.clone(),
        content_type: header(call, "content-type").to_owned(),
        scope: signature(call).0,
        body: serde_json::from_slice(&call.body).expect("JSON"),
    }
}

fn text(role: ConversationRole, text: &str) -> Message {
    let message = Message::builder()
        .role(role)
        .content(ContentBlock::Text(text.to_owned()));
    message.build().expect("role and content")
}

#[tokio::test]
async fn the_same_call_arrives_the_same_through_both() {
    let png = STANDARD.decode(PNG).expect("base64");
    let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0";
    let mut world = World::at(100).await;
    world.kill().await;
    let config = world.config_with("rollout: { percent: 100, sticky: none }\n");
    let config = config.replace(" amazon.nova-lite-v1:0", &format!(" '{arn}'"));
    std::fs::write(world.file(), config).expect("writable");
    world.start().await;
    world.wait_for(|now| !now.percent.is_zero()).await;
    world.bedrock.clear_requests();

    let answer = world
        .chat(json!({
            "max_tokens": 50,
            "temperature": 0.5,
            "stop": ["END"],
            "tools": [{"type": "function", "function": {
                "name": "weather", "description": "The weather.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            }}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello."},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}")}},
                ]},
            ],
        }))
        .await;
    assert_eq!(answer.arm(), "bedrock", "{}", answer.text());

    let object = |pairs: &[(&str, Document)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        Document::Object(pairs.collect::<HashMap<_, _>>())
    };
    let string = |text: &str| Document::String(text.to_owned());
    let schema = object(&[
        ("type", string("object")),
        (
            "properties",
            object(&[("city", object(&[("type", string("string"))]))]),
        ),
    ]);
    let tool = ToolSpecification::builder()
        .name("weather")
        .description("The weather.")
        .input_schema(ToolInputSchema::Json(schema))
        .build()
        .expect("a name and a schema");
    let tools = ToolConfiguration::builder()
        .tools(Tool::ToolSpec(tool))
        .build();
    let image = ImageBlock::builder()
        .format(ImageFormat::Png)
        .source(ImageSource::Bytes(Blob::new(png)))
        .build()
        .expect("a format and a source");
    let question = Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text("What is this?".to_owned()))
        .content(ContentBlock::Image(image))
        .build()
        .expect("role and content");
    let inference = InferenceConfiguration::builder()
        .max_tokens(50)
        .temperature(0.5)
        .stop_sequences("END")
        .build();
    sdk(&world.bedrock)
        .converse_stream()
        .model_id(arn)
        .system(SystemContentBlock::Text("Be brief.".to_owned()))
        .messages(text(ConversationRole::User, "Hello."))
        .messages(text(ConversationRole::Assistant, "Hello!"))
        .messages(question)
        .inference_config(inference)
        .tool_config(tools.expect("a tool"))
        .send()
        .await
        .expect("the emulator accepts it");

    let calls = world.bedrock.requests();
    let [ours, theirs] = &calls[..] else {
        panic!("two calls, not {}", calls.len())
    };
    assert_eq!(arrived(ours), arrived(theirs));
    let (ours, theirs) = (signature(ours).1, signature(theirs).1);
    for name in ["host", "x-amz-date", "content-type"] {
        assert!(
            ours.contains(name) && theirs.contains(name),
            "{name}: {ours:?} {theirs:?}"
        );
    }
}

#[tokio::test]
async fn the_same_answer_is_read_the_same_by_both() {
    let emulator = BedrockEmulator::start(ANY_PORT, Default::default())
        .await
        .expect("a port");
    let world = World::at(100).await;
    for behaviour in [
        Behaviour::Normal,
        Behaviour::Text {
            text: "Grüße, 世界 👋".to_owned(),
            piece: Some(1),
        },
        Behaviour::Fragment { bytes: 3 },
        Behaviour::Reasoning { redacted: false },
        Behaviour::UnknownEvent { after: 2 },
    ] {
        world.bedrock.once(behaviour.clone());
        emulator.once(behaviour.clone());
        let ours = world.chat(json!({"stream": true})).await.content();
        let mut stream = sdk(&emulator)
            .converse_stream()
            .model_id("amazon.nova-lite-v1:0")
            .messages(text(ConversationRole::User, "Say something."))
            .inference_config(InferenceConfiguration::builder().max_tokens(10_000).build())
            .send()
            .await
            .expect("the emulator accepts it")
            .stream;
        let mut theirs = String::new();
        while let Some(event) = stream.recv().await.expect("no exception") {
            if let ConverseStreamOutput::ContentBlockDelta(event) = event
                && let Some(ContentBlockDelta::Text(text)) = event.delta
            {
                theirs.push_str(&text);
            }
        }
        assert_eq!(ours, theirs, "{behaviour:?}");
        assert!(!ours.is_empty());
    }
}

/// One transparent pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
