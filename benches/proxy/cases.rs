//! What is measured: the shapes of calls, and how many of them.

use crate::Result;
use crate::load::{self, Latencies};
use crate::mock::{DELTAS, Manner};
use crate::peers::{MAPPED_MODEL, OTHER_MODEL, Peer};
use std::net::SocketAddr;
use std::sync::Arc;

/// One shape of call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// Which crossfade takes part.
    pub(crate) crossfade: Peer,
    /// How crossfade is asked to treat it; the others do not read the model.
    model: &'static str,
    /// The answer that is asked for.
    pub(crate) manner: Manner,
    /// Body bytes, about.
    size: usize,
    /// How calls follow each other.
    load: Load,
    /// Calls in one measurement.
    pub(crate) calls: usize,
}

/// How calls follow each other.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// Each caller sends its next call when the last one is answered.
    Closed { connections: usize },
    /// 500 calls a second, far below what any of the proxies can take.
    Fixed,
}

const SMALL: usize = 200;
const MIDDLE: usize = 8 * 1024;
const LARGE: usize = 200 * 1024;

/// S1 and S2 are forwarded, S3 and S4 translated. Their bare counterpart is the same call.
pub(crate) const CASES: [Case; 13] = [
    short("S1 200 B", Peer::CrossfadeOff, MAPPED_MODEL, SMALL, 20_000),
    short("S1 8 KiB", Peer::CrossfadeOff, MAPPED_MODEL, MIDDLE, 12_000),
    short("S1 200 KiB", Peer::CrossfadeOff, MAPPED_MODEL, LARGE, 2_000),
    short(
        "S1 8 KiB, read and kept",
        Peer::CrossfadeFull,
        OTHER_MODEL,
        MIDDLE,
        12_000,
    ),
    fixed("S1 200 B at 500/s", Peer::CrossfadeOff),
    burst("S2 burst", Peer::CrossfadeOff),
    paced("S2 paced", Peer::CrossfadeOff),
    short("S3 200 B", Peer::CrossfadeFull, MAPPED_MODEL, SMALL, 12_000),
    short("S3 8 KiB", Peer::CrossfadeFull, MAPPED_MODEL, MIDDLE, 8_000),
    short(
        "S3 200 KiB",
        Peer::CrossfadeFull,
        MAPPED_MODEL,
        LARGE,
        1_000,
    ),
    fixed("S3 200 B at 500/s", Peer::CrossfadeFull),
    burst("S4 burst", Peer::CrossfadeFull),
    paced("S4 paced", Peer::CrossfadeFull),
];

const fn short(
    name: &'static str,
    crossfade: Peer,
    model: &'static str,
    size: usize,
    calls: usize,
) -> Case {
    let (manner, load) = (Manner::Short, Load::Closed { connections: 16 });
    Case {
        name,
        crossfade,
        model,
        manner,
        size,
        load,
        calls,
    }
}

const fn fixed(name: &'static str, crossfade: Peer) -> Case {
    let (model, manner, load) = (MAPPED_MODEL, Manner::Short, Load::Fixed);
    Case {
        name,
        crossfade,
        model,
        manner,
        size: SMALL,
        load,
        calls: 1_000,
    }
}

const fn burst(name: &'static str, crossfade: Peer) -> Case {
    Case {
        name,
        crossfade,
        model: MAPPED_MODEL,
        manner: Manner::Burst,
        size: SMALL,
        load: Load::Closed { connections: 16 },
        calls: 2_000,
    }
}

/// A second of 400 streams: 20,000 deltas.
const fn paced(name: &'static str, crossfade: Peer) -> Case {
    Case {
        name,
        crossfade,
        model: MAPPED_MODEL,
        manner: Manner::Paced,
        size: SMALL,
        load: Load::Closed { connections: 400 },
        calls: 400,
    }
}

impl Case {
    /// How many units of work one call is: deltas where they are paced, else the call itself.
    pub(crate) const fn units(&self) -> usize {
        match self.manner {
            Manner::Short | Manner::Burst | Manner::Hold => 1,
            Manner::Paced => DELTAS,
        }
    }

    /// What [`units`](Self::units) counts.
    pub(crate) const fn unit(&self) -> &'static str {
        match self.manner {
            Manner::Short => "call",
            Manner::Burst | Manner::Hold => "stream",
            Manner::Paced => "delta",
        }
    }

    /// Calls before the measurement; none for those that are slow by design.
    pub(crate) fn warm_up(&self, calls: usize) -> usize {
        match (self.manner, self.load) {
            (Manner::Short | Manner::Burst, Load::Closed { connections }) => {
                (calls / 10).max(connections)
            }
            (Manner::Short | Manner::Burst, Load::Fixed) | (Manner::Paced | Manner::Hold, _) => 0,
        }
    }

    /// Runs `calls` calls.
    pub(crate) async fn load(
        &self,
        address: SocketAddr,
        request: &Arc<[u8]>,
        calls: usize,
    ) -> Result<Latencies> {
        match self.load {
            Load::Closed { connections } => {
                load::closed(address, request, connections, calls.max(connections)).await
            }
            Load::Fixed => load::fixed_rate(address, request, 10, 500, calls).await,
        }
    }

    /// Whether crossfade must have asked Bedrock.
    pub(crate) fn translated(&self) -> bool {
        self.crossfade == Peer::CrossfadeFull && self.model == MAPPED_MODEL
    }

    /// The request as the SDKs send it, roughly.
    pub(crate) fn request(&self, address: SocketAddr) -> Arc<[u8]> {
        request(address, self.model, self.manner, self.size)
    }
}

/// A stream that stays open after its first delta.
pub(crate) fn holding(address: SocketAddr) -> Arc<[u8]> {
    request(address, MAPPED_MODEL, Manner::Hold, SMALL)
}

/// The smallest call.
pub(crate) fn shortest(address: SocketAddr) -> Arc<[u8]> {
    request(address, MAPPED_MODEL, Manner::Short, SMALL)
}

/// A chat call of about `size` body bytes.
fn request(address: SocketAddr, model: &str, manner: Manner, size: usize) -> Arc<[u8]> {
    let stream = if manner == Manner::Short {
        ""
    } else {
        r#","stream":true"#
    };
    let word = manner.word();
    let mut body = format!(
        r#"{{"model":"{model}","max_tokens":256,"temperature":0.5{stream},"messages":[{{"role":"system","content":"You are terse."}},{{"role":"user","content":"{word} "#
    );
    let end = r#""}]}"#;
    // Text as it is in prompts: words, and an escape here and there.
    const TEXT: &str = r"What a proxy adds is measured in microseconds.\n";
    while body.len() + end.len() + TEXT.len() <= size {
        body.push_str(TEXT);
    }
    body.push_str(end);
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\naccept: application/json\r\nauthorization: Bearer bench\r\nuser-agent: bench\r\nx-stainless-retry-count: 0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
    .into()
}
