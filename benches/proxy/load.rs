//! Two kinds of load: as much as the proxy can take (for CPU per call), and a fixed rate well below
//! that (for latency, which under full load only says how long the queue is).

use crate::Result;
use crate::http::Connection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// One duration for each call.
#[derive(Default)]
pub(crate) struct Latencies {
    pub(crate) first: Vec<Duration>,
    pub(crate) whole: Vec<Duration>,
}

/// `connections` callers, each sending its next call when the last one is answered; `total` calls
/// in all, rounded down to a multiple of `connections`.
pub(crate) async fn closed(
    address: SocketAddr,
    request: &Arc<[u8]>,
    connections: usize,
    total: usize,
) -> Result<Latencies> {
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let request = Arc::clone(request);
        callers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut latencies = Latencies::default();
            for _ in 0..total / connections {
                latencies.add(&connection.exchange(&request, false).await?);
            }
            Ok(latencies)
        });
    }
    gather(callers).await
}

/// `rate` calls a second in all, evenly spaced, from `connections` callers.
pub(crate) async fn fixed_rate(
    address: SocketAddr,
    request: &Arc<[u8]>,
    connections: u32,
    rate: u32,
    total: usize,
) -> Result<Latencies> {
    let gap = Duration::from_secs(1) / rate;
    let mut callers = JoinSet::new();
    for number in 0..connections {
        let request = Arc::clone(request);
        callers.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut latencies = Latencies::default();
            let start = Instant::from_std(crate::now()) + gap * number;
            let mut ticks = interval_at(start, gap * connections);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for _ in 0..total / connections as usize {
                ticks.tick().await;
                latencies.add(&connection.exchange(&request, false).await?);
            }
            Ok(latencies)
        });
    }
    gather(callers).await
}

/// Opens `count` streams and reads the first bytes of each; they stay open while the result lives.
pub(crate) async fn hold(
    address: SocketAddr,
    request: &[u8],
    count: usize,
) -> Result<Vec<Connection>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = Connection::open(address).await?;
        connection.begin(request).await?;
        held.push(connection);
    }
    Ok(held)
}

async fn gather(mut callers: JoinSet<Result<Latencies>>) -> Result<Latencies> {
    let mut all = Latencies::default();
    while let Some(caller) = callers.join_next().await {
        let latencies = caller??;
        all.first.extend(latencies.first);
        all.whole.extend(latencies.whole);
    }
    Ok(all)
}

impl Latencies {
    fn add(&mut self, exchange: &crate::http::Exchange) {
        self.first.push(exchange.first);
        self.whole.push(exchange.whole);
    }
}
