//! As whom Bedrock is called.
//!
//! One task asks the SDK's chain (environment, profile, web identity, ECS, IMDS) and publishes what
//! it says, ahead of its expiry; calls read the last answer and never wait. The chain is built anew
//! each time, so that a rotated profile file is picked up. A call that the service refuses for
//! expired credentials asks for one refresh and fails over. If the same keys come back, they are
//! unhealthy until the service takes them again: nothing but the service knows.

use crate::clock;
use crate::config::secret::Secret;
use crate::snapshot::Board;
use crate::telemetry::events::Process;
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use aws_config::BehaviorVersion;
use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Where the identity comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `AWS_BEARER_TOKEN_BEDROCK`.
    Bearer(Secret),
    /// The SDK's credential chain.
    Chain,
    /// Given keys.
    Fixed(Credentials),
}

/// What is known about the identity.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// The first answer of the chain is still to come.
    Pending,
    /// Calls can be signed.
    Held(Identity),
    /// The chain has nothing; why, for the operator.
    Missing(String),
}

/// As whom a call is made.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    /// Signed with keys.
    Keys(Credentials),
    /// With a bearer token.
    Bearer(Secret),
}

/// The published identity.
#[derive(Debug)]
pub(crate) struct Keyring {
    standing: ArcSwap<Standing>,
    refresh: Notify,
    /// Whether the service refused what is held, and has taken nothing since.
    refused: AtomicBool,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
}

impl Keyring {
    /// A keyring that a task fills from `source`; the task ends with the runtime.
    pub(crate) fn start(
        source: Source,
        region: String,
        metrics: Arc<Metrics>,
        board: Arc<Board>,
    ) -> Arc<Self> {
        let first = match &source {
            Source::Bearer(token) => Standing::Held(Identity::Bearer(token.clone())),
            Source::Fixed(keys) => Standing::Held(Identity::Keys(keys.clone())),
            Source::Chain => Standing::Pending,
        };
        let keyring = Arc::new(Self::new(first, metrics, board));
        match source {
            Source::Chain => {
                tokio::spawn(keep_fresh(Arc::clone(&keyring), region));
            }
            Source::Bearer(_) | Source::Fixed(_) => {
                keyring.metrics.credentials(true);
                tokio::spawn(watch_fixed(Arc::clone(&keyring)));
            }
        }
        keyring
    }

    fn new(standing: Standing, metrics: Arc<Metrics>, board: Arc<Board>) -> Self {
        Self {
            standing: ArcSwap::from_pointee(standing),
            refresh: Notify::new(),
            refused: AtomicBool::new(false),
            metrics,
            board,
        }
    }

    /// A keyring that stays as it is: for a check.
    pub(crate) fn fixed(standing: Standing) -> Arc<Self> {
        Arc::new(Self::new(standing, Arc::default(), Arc::default()))
    }

    /// What is known now.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// The service refused what is held: asks for a refresh; many requests at once cause one.
    pub(crate) fn refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
        self.refresh.notify_one();
    }

    /// The service took what is held.
    pub(crate) fn accepted(&self) {
        // Looked at first: this is part of every call.
        if self.refused.load(Ordering::Relaxed) && self.refused.swap(false, Ordering::Relaxed) {
            self.tell(true, "AWS takes the credentials again");
        }
    }

    /// Whether `keys`, just found, are those that the service refused; others are as good as new.
    fn is_refused(&self, keys: &Credentials) -> bool {
        let known = self.standing.load();
        let is_known =
            matches!(&**known, Standing::Held(Identity::Keys(known)) if is_same(known, keys));
        if !is_known {
            self.refused.store(false, Ordering::Relaxed);
        }
        is_known && self.refused.load(Ordering::Relaxed)
    }

    fn tell(&self, healthy: bool, detail: &str) {
        Process::Credentials { healthy, detail }.emit(&self.metrics);
        self.board
            .credentials((!healthy).then(|| detail.to_owned()));
    }
}

/// Whether the service cannot tell them apart.
fn is_same(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id() == other.access_key_id()
        && one.secret_access_key() == other.secret_access_key()
        && one.session_token() == other.session_token()
}

/// Says it when the service refuses what never changes, until the runtime ends.
async fn watch_fixed(keyring: Arc<Keyring>) {
    loop {
        keyring.refresh.notified().await;
        // The service may have taken them since.
        if keyring.refused.load(Ordering::Relaxed) {
            keyring.tell(
                false,
                "AWS refuses the credentials, and a restart is needed for others",
            );
        }
        tokio::time::sleep(REFRESH_GAP).await;
    }
}

/// Refreshes until the runtime ends.
async fn keep_fresh(keyring: Arc<Keyring>, region: String) {
    let mut failures = 0_u32;
    loop {
        let asked = clock::io_now();
        let wait = match look_up(&region).await {
            Ok(keys) => {
                failures = 0;
                let wait = refresh_in(&keys);
                let refused = keyring.is_refused(&keys);
                keyring
                    .standing
                    .store(Arc::new(Standing::Held(Identity::Keys(keys))));
                let found = if refused {
                    "AWS refuses the credentials, and the same were found again"
                } else {
                    "AWS credentials found"
                };
                keyring.tell(
                    !refused,
                    &format!("{found}; next look in {} s", wait.as_secs()),
                );
                wait
            }
            Err(why) => {
                let wait = retry_in(failures);
                failures = failures.saturating_add(1);
                let detail = format!(
                    "no AWS credentials, next try in {} s: {why}",
                    wait.as_secs()
                );
                keyring.tell(false, &detail);
                // Keys that are still held stay in use: the service says when they are too old.
                if !matches!(**keyring.standing.load(), Standing::Held(_)) {
                    keyring.standing.store(Arc::new(Standing::Missing(why)));
                }
                wait
            }
        };
        // A storm of refused calls refreshes once in REFRESH_GAP.
        let _ = tokio::time::timeout(wait, keyring.refresh.notified()).await;
        tokio::time::sleep_until(asked + wait.min(REFRESH_GAP)).await;
    }
}

/// The identity that `source` gives now.
///
/// # Errors
///
/// Why there is none, for the operator.
pub(crate) async fn find(source: Source, region: &str) -> Result<Identity, String> {
    match source {
        Source::Bearer(token) => Ok(Identity::Bearer(token)),
        Source::Fixed(keys) => Ok(Identity::Keys(keys)),
        Source::Chain => look_up(region).await.map(Identity::Keys),
    }
}

/// The name of the provider that keys come from, such as `ProfileFile` or `IMDSv2`: the SDK tells
/// it in the debug form alone, in which the secret is left out.
pub(crate) fn provider_name(keys: &Credentials) -> Option<String> {
    let shown = format!("{keys:?}");
    let (_, rest) = shown.split_once("provider_name: \"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

/// What the chain says, within [`PATIENCE`].
async fn look_up(region: &str) -> Result<Credentials, String> {
    let answer = tokio::time::timeout(PATIENCE, resolve(region)).await;
    answer.unwrap_or_else(|_| Err("the credential chain hangs".to_owned()))
}

async fn resolve(region: &str) -> Result<Credentials, String> {
    // Made when it is needed, which with keys in the environment or a profile is never: to make one
    // reads the system's certificates, and that took longer than all the rest of the start.
    let http = http_client_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(Some(settings.clone()));
        connector.set_sleep_impl(components.sleep_impl());
        let tls = Provider::Rustls(CryptoMode::Ring);
        SharedHttpConnector::new(connector.tls_provider(tls).build())
    });
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(http)
        .load()
        .await;
    let Some(provider) = config.credentials_provider() else {
        return Err("the AWS credential chain is empty".to_owned());
    };
    provider
        .provide_credentials()
        .await
        .map_err(|error| super::with_causes(&error))
}

/// Ahead of the expiry; keys without one are looked up again now and then, for rotated files.
fn refresh_in(keys: &Credentials) -> Duration {
    let Some(expiry) = keys.expiry() else {
        return RECHECK;
    };
    let left = expiry.duration_since(clock::wall()).unwrap_or_default();
    left.saturating_sub(AHEAD)
        .clamp(SHORTEST, RECHECK.max(left))
}

/// 1 s, doubling to 32 s.
fn retry_in(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(5))
}

/// The SDK's own caches refresh that long before the expiry.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// A provider of credentials that says nothing for so long is asked again later.
const PATIENCE: Duration = Duration::from_secs(30);

/// Never hammer the metadata service, whatever expiry it states.
const SHORTEST: Duration = Duration::from_secs(30);

/// How soon a rotated profile file is noticed.
const RECHECK: Duration = Duration::from_secs(15 * 60);

/// The least time between two refreshes that refused calls asked for.
const REFRESH_GAP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: &str) -> Credentials {
        Credentials::new(id, "key", None, None, "test")
    }

    fn healthy(metrics: &Metrics) -> bool {
        let text = metrics.render().expect("rendered");
        text.contains("\ncrossfade_credentials_healthy 1\n")
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_aws_refuses_are_unhealthy_until_it_takes_them() {
        let metrics = Arc::new(Metrics::new());
        let source = Source::Fixed(keys("id"));
        let board = Arc::new(Board::default());
        let region = "us-east-1".to_owned();
        let keyring = Keyring::start(source, region, Arc::clone(&metrics), Arc::clone(&board));
        assert!(healthy(&metrics));
        for _ in 0..2 {
            keyring.refused();
            tokio::time::advance(REFRESH_GAP).await;
            tokio::task::yield_now().await;
            assert!(!healthy(&metrics));
            let said = board.side().credentials_problem.expect("told");
            assert!(said.starts_with("AWS refuses"), "{said}");
            keyring.accepted();
            assert!(healthy(&metrics));
            assert_eq!(board.side().credentials_problem, None);
            tokio::time::advance(REFRESH_GAP).await;
        }
    }

    #[test]
    fn a_refusal_is_of_the_keys_that_were_held() {
        let keyring = Keyring::fixed(Standing::Held(Identity::Keys(keys("id"))));
        assert!(!keyring.is_refused(&keys("id")), "nobody refused them");
        keyring.refused();
        assert!(keyring.is_refused(&keys("id")));
        assert!(!keyring.is_refused(&keys("other")));
        assert!(!keyring.is_refused(&keys("id")), "the others were taken");
    }

    #[test]
    fn keys_tell_where_they_come_from_and_no_secret() {
        let keys = Credentials::new("id", "canary", None, None, "ProfileFile");
        assert_eq!(provider_name(&keys).as_deref(), Some("ProfileFile"));
        assert!(!format!("{keys:?}").contains("canary"));
    }
}
