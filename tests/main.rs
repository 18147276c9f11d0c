//! The integration tests: one binary, because it links the AWS crates once.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

// What the tests share: a running crossfade between the two emulated providers, and a caller.
mod support;

// The path of what is not sent to Bedrock: nothing changes but what must.
mod forwarding;
// Callers that leave, and more of them than the process has descriptors for.
mod callers;
// TLS, a proxy on the way out, a Unix socket on the way in.
mod connecting;
// Which calls go to Bedrock, and how their answers look.
mod splitting;
// Calls that are long or odd.
mod odd;
// Every way in which Bedrock can fail, before and after the commit point.
mod failing;
// Rules, latch, attempts: through real listeners, with the rule clock stepped.
mod rollback;
// `advance: auto`: stages, gates, pauses, through real listeners and the command line.
mod climbing;
// What the rules do besides rolling back: cautions, the local breaker, Retry-After.
mod watching;
// Editing rollout.yaml while calls run.
mod reload;
// Spans of calls, and the collector that they are sent to.
mod traces;
// SIGTERM's phases.
mod drain;
// The SDK's own client as the judge of our transport.
mod judge;
// The import table of ARCHITECTURE.md and a few habits.
mod tidy;
// Golden cases of the translation.
mod translation;
// rollout.yaml: every mistake at once, and the example as it stands.
mod config;
// Documents that are generated, against what they are generated from.
mod differing;
mod documents;
// `crossfade explain` as a process: what it prints, and with which code it ends.
mod explain;
// `crossfade check --live` and `--iam` as processes.
mod live;
// `crossfade emulate` as a process: the parts that docker-compose.yml runs.
mod emulate;
// Which sidecar and state are found when the file was edited, broken or deleted.
mod placing;
// SIGKILL around a trip, many times.
mod kill;
// openai-python, openai-node and boto3 as clients.
mod sdk;
