//! Names of providers and proxies to addresses.
//!
//! One look-up of a name runs at a time, whoever waits for it: the system's resolver blocks a
//! thread while it works, and a hanging one for Bedrock's name would otherwise take, call by call,
//! the threads that the original's name needs. The last good answer is kept. It serves when a
//! look-up fails or is slow, so that a resolver that is down takes no provider with it. While the
//! resolver works every new connection asks it, and a changed answer counts at once.
//!
//! Names come from the configuration and the environment alone, never from an app.

use crate::clock;
use hyper_util::client::legacy::connect::dns::Name;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tower_service::Service;

/// Looks names up. Cloning shares what is known.
#[derive(Clone)]
pub(super) struct Resolver {
    system: Lookup,
    names: Arc<Mutex<HashMap<String, Known>>>,
}

/// Asks the system for the addresses of a name.
type Lookup = Arc<dyn Fn(String) -> Answering + Send + Sync>;
type Answering = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// A name's addresses, or why there are none.
type Answer = Result<Arc<[SocketAddr]>, Arc<str>>;

/// What is known of a name.
#[derive(Default)]
struct Known {
    last_good: Option<(Instant, Arc<[SocketAddr]>)>,
    /// None inside while it runs.
    running: Option<watch::Receiver<Option<Answer>>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(Arc::new(|name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        }))
    }
}

impl Resolver {
    fn new(system: Lookup) -> Self {
        Self {
            system,
            names: Arc::default(),
        }
    }

    async fn resolve(self, name: String) -> io::Result<Vec<SocketAddr>> {
        let (mut running, last_good) = self.join(&name);
        let answer = running.wait_for(Option::is_some);
        let answer = match &last_good {
            None => answer.await,
            Some(addresses) => match tokio::time::timeout(SLOW, answer).await {
                Ok(answer) => answer,
                Err(_) => return Ok(addresses.to_vec()),
            },
        };
        // The task that answers is gone only when the runtime is.
        let answer = answer.map_or(None, |answer| answer.clone());
        match (answer, last_good) {
            (Some(Ok(addresses)), _) => Ok(addresses.to_vec()),
            (Some(Err(why)), Some(addresses)) => {
                tracing::warn!(name, why = &*why, "no address; the last good one serves");
                Ok(addresses.to_vec())
            }
            (Some(Err(why)), None) => Err(io::Error::other(format!("{name}: {why}"))),
            (None, _) => Err(io::Error::other("crossfade is stopping")),
        }
    }

    /// The look-up that runs, or a new one, and the addresses to use without it.
    fn join(&self, name: &str) -> (watch::Receiver<Option<Answer>>, Option<Arc<[SocketAddr]>>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(name.to_owned()).or_default();
        let running = known.running.get_or_insert_with(|| {
            let (tell, running) = watch::channel(None);
            tokio::spawn(self.clone().look_up(name.to_owned(), tell));
            running
        });
        let fresh = |(at, _): &&(Instant, _)| clock::io_now() - *at < MAX_STALE;
        let last_good = known.last_good.as_ref().filter(fresh);
        (running.clone(), last_good.map(|(_, it)| Arc::clone(it)))
    }

    /// Asks the system, remembers a good answer and tells everyone who waits.
    async fn look_up(self, name: String, tell: watch::Sender<Option<Answer>>) {
        let answer: Answer = match (self.system)(name.clone()).await {
            Ok(addresses) if addresses.is_empty() => Err("the name has no address".into()),
            Ok(addresses) => Ok(addresses.into()),
            Err(error) => Err(error.to_string().into()),
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.entry(name).or_default();
        known.running = None;
        if let Ok(addresses) = &answer {
            known.last_good = Some((clock::io_now(), Arc::clone(addresses)));
        }
        drop(names);
        tell.send_replace(Some(answer));
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.clone().resolve(name.as_str().to_owned());
        Box::pin(async { resolving.await.map(Vec::into_iter) })
    }
}

/// How long a look-up is waited for while a good answer is known. Far above a healthy resolver's
/// time, and a small part of any connect timeout.
const SLOW: Duration = Duration::from_millis(250);

/// How old a good answer may become: providers move their addresses within minutes, and an hour
/// outlasts most outages of a resolver.
const MAX_STALE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc;
    use tokio::sync::oneshot;

    type Asked = (String, oneshot::Sender<io::Result<Vec<SocketAddr>>>);

    /// A resolver whose system answers when the test says so, and how often it was asked.
    fn resolver() -> (Resolver, mpsc::UnboundedReceiver<Asked>, Arc<AtomicUsize>) {
        let (ask, asked) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let system: Lookup = Arc::new(move |name| {
            counted.fetch_add(1, Ordering::Relaxed);
            let (answer, answered) = oneshot::channel();
            ask.send((name, answer)).expect("the test listens");
            Box::pin(async { answered.await.expect("the test answers") })
        });
        (Resolver::new(system), asked, count)
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 0))
    }

    async fn answer(
        asked: &mut mpsc::UnboundedReceiver<Asked>,
        with: io::Result<Vec<SocketAddr>>,
    ) -> String {
        let (name, answer) = asked.recv().await.expect("the system is asked");
        answer.send(with).expect("the look-up waits");
        name
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_want_a_name_share_one_look_up() {
        let (resolver, mut asked, count) = resolver();
        let many: Vec<_> = (0..50)
            .map(|_| tokio::spawn(resolver.clone().resolve("a.test".into())))
            .collect();
        let other = tokio::spawn(resolver.clone().resolve("b.test".into()));
        let (first, hanging) = asked.recv().await.expect("one name is looked up");
        let (second, answered) = asked.recv().await.expect("the other one too");
        assert_eq!((first.as_str(), second.as_str()), ("a.test", "b.test"));
        answered.send(Ok(vec![address(2)])).expect("it waits");
        let found = other.await.expect("no panic").expect("an address");
        assert_eq!(found, [address(2)], "a name that hangs holds up no other");
        hanging.send(Ok(vec![address(1)])).expect("it waits");
        for one in many {
            assert_eq!(one.await.expect("no panic").expect("found"), [address(1)]);
        }
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_answer_serves_when_the_resolver_fails_or_hangs() {
        let (resolver, mut asked, _) = resolver();
        let first = tokio::spawn(resolver.clone().resolve("a.test".into()));
        answer(&mut asked, Ok(vec![address(1)])).await;
        first.await.expect("no panic").expect("an address");

        let failing = tokio::spawn(resolver.clone().resolve("a.test".into()));
        answer(&mut asked, Err(io::Error::other("SERVFAIL"))).await;
        let found = failing.await.expect("no panic").expect("the last good one");
        assert_eq!(found, [address(1)]);

        let hanging = tokio::spawn(resolver.clone().resolve("a.test".into()));
        let (_, late) = asked.recv().await.expect("asked again");
        let found = hanging.await.expect("no panic").expect("the last good one");
        assert_eq!(found, [address(1)]);

        // It comes late, and counts from then on.
        late.send(Ok(vec![address(9)])).expect("it still runs");
        let next = tokio::spawn(resolver.clone().resolve("a.test".into()));
        let (_, unanswered) = asked.recv().await.expect("asked again");
        let found = next.await.expect("no panic").expect("the last good one");
        assert_eq!(found, [address(9)]);
        drop(unanswered);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_gets_too_old_to_serve() {
        let (resolver, mut asked, _) = resolver();
        let first = tokio::spawn(resolver.clone().resolve("a.test".into()));
        answer(&mut asked, Ok(vec![address(1)])).await;
        first.await.expect("no panic").expect("an address");
        tokio::time::advance(MAX_STALE).await;
        let failing = tokio::spawn(resolver.clone().resolve("a.test".into()));
        answer(&mut asked, Err(io::Error::other("SERVFAIL"))).await;
        let why = failing.await.expect("no panic").expect_err("nothing known");
        assert_eq!(why.to_string(), "a.test: SERVFAIL");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_address_is_an_error() {
        let (resolver, mut asked, _) = resolver();
        let asking = tokio::spawn(resolver.resolve("a.test".into()));
        answer(&mut asked, Ok(Vec::new())).await;
        let why = asking.await.expect("no panic").expect_err("no address");
        assert_eq!(why.to_string(), "a.test: the name has no address");
    }
}
