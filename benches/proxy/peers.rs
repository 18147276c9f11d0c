//! The proxies that are compared, each a process of its own on a core of its own.

use crate::{PROXY_CORE, Result, now};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The model name that crossfade sends to Bedrock.
pub(crate) const MAPPED_MODEL: &str = "bench-mapped";
/// A model name that stays with the original.
pub(crate) const OTHER_MODEL: &str = "bench-other";

/// One proxy under measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// hyper and nothing else.
    Bare,
    /// nginx with one worker.
    Nginx,
    /// crossfade at 0 %.
    CrossfadeOff,
    /// crossfade at 0 %, without its log line for each call.
    CrossfadeQuiet,
    /// crossfade at 100 %.
    CrossfadeFull,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] = [
        Self::Bare,
        Self::Nginx,
        Self::CrossfadeOff,
        Self::CrossfadeQuiet,
        Self::CrossfadeFull,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Nginx => "nginx",
            Self::CrossfadeOff => "crossfade 0%",
            Self::CrossfadeQuiet => "  without log",
            Self::CrossfadeFull => "crossfade 100%",
        }
    }

    /// Whether this machine has it.
    pub(crate) fn available(self) -> bool {
        match self {
            Self::Bare | Self::CrossfadeOff | Self::CrossfadeQuiet | Self::CrossfadeFull => true,
            Self::Nginx => Command::new("nginx")
                .arg("-v")
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

/// Where the mock providers listen.
#[derive(Clone, Copy)]
pub(crate) struct Providers {
    pub(crate) openai: SocketAddr,
    pub(crate) bedrock: SocketAddr,
}

/// A started proxy; ended when dropped.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddr,
    child: Child,
    _files: TempDir,
}

impl Running {
    /// Starts a proxy without waiting for its listener.
    pub(crate) fn start(peer: Peer, providers: Providers) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let address = free_address()?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", PROXY_CORE]);
        match peer {
            Peer::Bare => {
                command.arg(std::env::current_exe()?).args([
                    "bare".to_owned(),
                    address.to_string(),
                    providers.openai.to_string(),
                ]);
            }
            Peer::Nginx => {
                let config = nginx_config(files.path(), address, providers.openai);
                let path = files.path().join("nginx.conf");
                std::fs::write(&path, config)?;
                command
                    .arg("nginx")
                    .arg("-p")
                    .arg(files.path())
                    .arg("-c")
                    .arg(path);
            }
            Peer::CrossfadeOff | Peer::CrossfadeQuiet | Peer::CrossfadeFull => {
                let percent = if peer == Peer::CrossfadeFull { 100 } else { 0 };
                let log = if peer == Peer::CrossfadeQuiet {
                    "warn"
                } else {
                    "info"
                };
                let path = files.path().join("rollout.yaml");
                std::fs::write(&path, crossfade_config(address, providers, percent)?)?;
                command
                    .arg(env!("CARGO_BIN_EXE_crossfade"))
                    .args(["run", "--config"])
                    .arg(path);
                command.current_dir(files.path());
                command
                    .env("AWS_ACCESS_KEY_ID", "bench")
                    .env("AWS_SECRET_ACCESS_KEY", "bench");
                command
                    .env("AWS_EC2_METADATA_DISABLED", "true")
                    .env("CROSSFADE_LOG", log);
            }
        }
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            peer,
            address,
            child,
            _files: files,
        })
    }

    /// Waits until the listener accepts, at most 10 s.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let deadline = now() + Duration::from_secs(10);
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended at its start: {status}", self.peer.name()).into());
            }
            if now() > deadline {
                return Err(format!("{} does not listen", self.peer.name()).into());
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        Ok(())
    }

    /// The process: `taskset` becomes the proxy, and nginx runs without a master.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing can be done about a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that was free a moment ago: the proxies are told their port, so that the time from the
/// start to the first answer can be measured from outside.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn crossfade_config(listen: SocketAddr, providers: Providers, percent: u8) -> Result<String> {
    let admin = free_address()?;
    let Providers { openai, bedrock } = providers;
    Ok(format!(
        "listen: {listen}
admin: {admin}
original:
  url: http://{openai}
bedrock:
  region: us-east-1
  endpoint: http://{bedrock}
  models:
    {MAPPED_MODEL}: amazon.nova-lite-v1:0
rollout:
  percent: {percent}
state: crossfade.state.json
"
    ))
}

fn nginx_config(files: &Path, listen: SocketAddr, upstream: SocketAddr) -> String {
    let files = files.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {files}/nginx.pid;
error_log {files}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {files}/body;
  proxy_temp_path {files}/proxy;
  fastcgi_temp_path {files}/fastcgi;
  uwsgi_temp_path {files}/uwsgi;
  scgi_temp_path {files}/scgi;
  client_max_body_size 32m;
  keepalive_requests 1000000000;
  upstream original {{
    server {upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen};
    tcp_nodelay on;
    location / {{
      proxy_pass http://original;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
      proxy_request_buffering off;
    }}
  }}
}}
"
    )
}
