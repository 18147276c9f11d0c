//! What each key means, for whoever hovers over it in an editor or reads the reference.
//!
//! In the order of the example file. Unit, range and default are told by the shape and are not
//! repeated here, unless a default takes a sentence.

mod models;
mod rollout;

/// A path with its words, and with examples where the default shows too little.
pub(super) type Words = (&'static str, &'static str, &'static [&'static str]);

/// Every path with its words.
pub(super) fn all() -> impl Iterator<Item = &'static Words> {
    [PLACES, models::WORDS, rollout::WORDS, BOUNDS]
        .into_iter()
        .flatten()
}

/// Where calls come from.
const PLACES: &[Words] = &[
    (
        "listen",
        "Where the app's calls come in. The app's base URL is `http://HOST:PORT/v1`. On an address that others than this machine reach, `callers` is required. A socket has the mode 0660: its owner and its group may connect. In a directory with the setgid bit (`chmod g+s`; Kubernetes' `fsGroup` sets it) the group is the directory's.",
        &["127.0.0.1:8787", "unix:/run/crossfade.sock"],
    ),
    (
        "admin",
        "Where people and Prometheus look: status page, `/metrics`, `/healthz`, `/readyz` and the API. On an address that is not loopback, changes need the bearer token of `CROSSFADE_ADMIN_TOKEN` or `CROSSFADE_ADMIN_TOKEN_FILE`.",
        &[],
    ),
    (
        "original",
        "Where the app's calls went before. They keep going there unless Bedrock can honour them and the share says so.",
        &[],
    ),
    (
        "original.url",
        "The original provider. The path of the app's calls is added to it, so it ends without `/v1`.",
        &["https://api.openai.com", "https://NAME.openai.azure.com"],
    ),
    (
        "original.api_key",
        "A key that replaces the app's own, where the app sends a dummy. `${NAME}` takes it from the environment.",
        &["${OPENAI_API_KEY}"],
    ),
];

/// How much and how long at most, who may, who is told, and where it is remembered.
const BOUNDS: &[Words] = &[
    (
        "timeouts",
        "How long a Bedrock call may take. Of the original only the connect time is bounded.",
        &[],
    ),
    ("timeouts.connect", "DNS, TCP and TLS together.", &[]),
    (
        "timeouts.first_token",
        "From dispatch to the first content or tool chunk; then the original answers the call. Never longer than `timeouts.total`, nor than half of what the app itself is willing to wait.",
        &[],
    ),
    ("timeouts.idle", "Between two events of an answer.", &[]),
    (
        "timeouts.total",
        "From dispatch to the end of the answer.",
        &[],
    ),
    (
        "limits",
        "What one process may hold. Beyond these a call stays with the original; beyond `connections` callers wait.",
        &[],
    ),
    (
        "limits.body",
        "The largest chat body that is read whole; a larger one streams to the original. At most `limits.buffered`.",
        &[],
    ),
    (
        "limits.buffered",
        "All bodies that are held at one time.",
        &[],
    ),
    ("limits.in_flight", "Bedrock calls in flight.", &[]),
    (
        "limits.connections",
        "Connections of callers. Lowered, it closes none: the next caller waits until enough have left.",
        &[],
    ),
    (
        "drain",
        "How long a stop waits for what runs. Keep it below the pod's `terminationGracePeriodSeconds`.",
        &[],
    ),
    (
        "hosts",
        "Names besides IP literals and `localhost` that may be used in `Host`: on the admin port, and in calls where `listen` is loopback. On another address the key of `callers` decides, whatever the name.",
        &[],
    ),
    (
        "callers",
        "Who may cause a Bedrock call. Required where `listen` is neither loopback nor a Unix socket.",
        &[],
    ),
    (
        "callers.key_sha256",
        "The SHA-256 of each key of the app, as printed by `printf %s \"$KEY\" | sha256sum`.",
        &[],
    ),
    (
        "notify",
        "Who is told what happens, besides the journal (`crossfade history`). Each destination is tried again until it has heard it, over restarts too, and is never in the way of a call.",
        &[],
    ),
    (
        "notify[].webhook",
        "An address that gets CloudEvents 1.0. `${NAME}` takes it, or a part of it, from the environment.",
        &["https://hooks.example.com/crossfade"],
    ),
    (
        "notify[].slack",
        "The address of one of Slack's incoming webhooks. It is a key itself: `${NAME}` takes it from the environment.",
        &["${SLACK_WEBHOOK_URL}"],
    ),
    (
        "notify[].secret",
        "Signs what the webhook gets: HMAC-SHA256 in `x-crossfade-signature`. `${NAME}` takes it from the environment.",
        &["${CROSSFADE_NOTIFY_SECRET}"],
    ),
    (
        "notify[].secret_file",
        "The file that holds the secret, instead of `secret`; relative to the directory of this file.",
        &["/run/secrets/crossfade-notify"],
    ),
    (
        "notify[].events",
        "What it is told. Without this key what a person must know.",
        &[],
    ),
    (
        "traces",
        "Spans of chat calls, to an OpenTelemetry collector. A caller's `traceparent` decides which calls have them, `sample` the others. `on` takes everything from OpenTelemetry's own variables. No prompt, answer or key is in a span; see `docs/traces.md`.",
        &["on"],
    ),
    (
        "traces.otlp",
        "Where the collector takes OTLP over HTTP; `/v1/traces` is added unless it is there. Without this key `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`, else `http://localhost:4318`.",
        &["http://127.0.0.1:4318"],
    ),
    (
        "traces.sample",
        "How many of the calls have spans that no caller has decided for. Without this key what `OTEL_TRACES_SAMPLER` says, else all.",
        &["10%"],
    ),
    (
        "traces.service",
        "What the spans call this process. Without this key `OTEL_SERVICE_NAME`, else `crossfade`.",
        &["crossfade-checkout"],
    ),
    (
        "traces.attributes",
        "What else each span says of this process, such as `{ deployment.environment.name: staging }`. `OTEL_RESOURCE_ATTRIBUTES` adds to it.",
        &[],
    ),
    (
        "traces.headers",
        "What goes with each export, such as `{ authorization: \"${COLLECTOR_KEY}\" }`. `OTEL_EXPORTER_OTLP_HEADERS` adds to it. `${NAME}` takes a value, or a part of it, from the environment.",
        &[],
    ),
    (
        "state",
        "The file that remembers a rollback; beside it lie its lock, the journal and the last accepted configuration. Put it on a volume that survives the container. Relative to the directory of this file. `CROSSFADE_STATE` or `--state` say it outside of the file, so that a broken or missing one cannot hide it; where both say it, they must agree.",
        &["/var/lib/crossfade/state.json"],
    ),
];
