//! Everything that runs in the demo, and what can be seen of it.

use super::Failed;
use super::app::{KEY, Target};
use super::emulator::{BedrockEmulator, Credentials, OpenAiEmulator, Settings};
use super::load::{Load, Tally};
use super::sidecar::Sidecar;
use super::status::{Admin, Status};
use crate::config::secret::Secret;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the emulated models talk.
pub(super) const TALK: Settings = Settings {
    first_token_ms: 120,
    gap_ms: 12,
    clock_offset_s: 0,
};

/// The time between two calls of the app.
const PACE: Duration = Duration::from_millis(30);

/// crossfade's default ports; if they are taken, the demo tries others, below those that the system
/// gives to clients.
const PORTS: (u16, u16) = (8787, 8788);

/// How often something is looked at.
pub(super) const GLANCE: Duration = Duration::from_millis(250);

/// The providers, crossfade, the app.
#[derive(Debug)]
pub(super) struct Stage {
    /// The directory of this demo.
    pub(super) dir: PathBuf,
    /// The original.
    pub(super) openai: OpenAiEmulator,
    /// Bedrock.
    pub(super) bedrock: BedrockEmulator,
    /// crossfade.
    pub(super) sidecar: Sidecar,
    /// The app; none before crossfade is ready.
    pub(super) load: Option<Load>,
    listen: SocketAddr,
    admin_addr: SocketAddr,
    admin: Admin,
}

/// One look at everything.
#[derive(Debug)]
pub(super) struct Glance {
    /// What crossfade says; an error says why it says nothing.
    pub(super) status: Result<Status, String>,
    /// What the app saw.
    pub(super) tally: Tally,
    /// How many requests Bedrock received.
    pub(super) bedrock_calls: u64,
}

impl Stage {
    /// Starts the emulators and writes `rollout.yaml`; crossfade is not started yet.
    pub(super) async fn build(percent: u8) -> Result<Self, Failed> {
        Self::try_build(percent)
            .await
            .map_err(|error| Failed::Setup(error.to_string()))
    }

    async fn try_build(percent: u8) -> io::Result<Self> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let credentials = Credentials::default();
        let openai = OpenAiEmulator::start(anywhere).await?;
        let bedrock = BedrockEmulator::start(anywhere, credentials.clone()).await?;
        openai.set(TALK);
        bedrock.set(TALK);
        let name = format!(
            "crossfade-demo-{:x}-{}",
            crate::clock::unix_ms(),
            std::process::id()
        );
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir)?;
        let (listen, admin_addr) = free_ports()?;
        let stage = Self {
            openai,
            bedrock,
            sidecar: Sidecar::new(&dir, credentials)?,
            load: None,
            admin: Admin::new(format!("http://{admin_addr}")),
            dir,
            listen,
            admin_addr,
        };
        stage.write_config(percent)?;
        Ok(stage)
    }

    /// The file that the demo edits.
    pub(super) fn config_path(&self) -> PathBuf {
        self.dir.join("rollout.yaml")
    }

    /// The app's base URL, without a path.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// crossfade's admin port.
    pub(super) fn admin_url(&self) -> String {
        format!("http://{}", self.admin_addr)
    }

    /// Saves `rollout.yaml` with another share, as an editor does: a new file in the old one's
    /// place.
    pub(super) fn write_config(&self, percent: u8) -> io::Result<()> {
        let ports = if (self.listen.port(), self.admin_addr.port()) == PORTS {
            String::new()
        } else {
            format!("listen: {}\nadmin: {}\n", self.listen, self.admin_addr)
        };
        let (openai, bedrock) = (self.openai.base_url(), self.bedrock.base_url());
        let text = format!(
            "# Written by `crossfade demo`. What is not here has its default.\n\
             {ports}\
             original:\n  \
               url: {openai}\n\
             bedrock:\n  \
               region: us-east-1\n  \
               endpoint: {bedrock}\n  \
               models:\n    \
                 gpt-4o-mini: amazon.nova-lite-v1:0\n    \
                 gpt-4o: amazon.nova-pro-v1:0\n\
             rollout:\n  \
               percent: {percent}\n"
        );
        let new = self.dir.join(".rollout.yaml.new");
        fs::write(&new, text)?;
        fs::rename(&new, self.config_path())
    }

    /// Looks at everything.
    pub(super) async fn glance(&self) -> Glance {
        let status = self.admin.status().await;
        Glance {
            status,
            tally: self.load.as_ref().map(Load::tally).unwrap_or_default(),
            bedrock_calls: self.bedrock.count(),
        }
    }

    /// Whether crossfade serves.
    pub(super) async fn ready(&self) -> bool {
        self.admin.ready().await
    }

    /// Starts the app's load.
    pub(super) fn start_load(&mut self) {
        let target = Target {
            base_url: format!("{}/v1", self.base_url()),
            key: Secret::new(KEY),
        };
        self.load = Some(Load::start(target, PACE));
    }

    /// Ends everything that runs. The directory stays: it is what the demo can be examined by.
    pub(super) async fn clear(mut self) {
        self.load = None;
        self.sidecar.kill().await;
        self.openai.stop().await;
        self.bedrock.stop().await;
    }
}

/// Two ports that nobody listens on.
fn free_ports() -> io::Result<(SocketAddr, SocketAddr)> {
    let mut pairs = (0..50_u16).map(|nth| (PORTS.0 + 10 * nth, PORTS.1 + 10 * nth));
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let free = |port| TcpListener::bind(local(port)).is_ok();
    pairs
        .find(|&(listen, admin)| free(listen) && free(admin))
        .map(|(listen, admin)| (local(listen), local(admin)))
        .ok_or_else(|| io::Error::other("no two free ports from 8787 up"))
}

/// The path as it is shown.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
