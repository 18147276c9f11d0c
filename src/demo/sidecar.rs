//! crossfade itself, as a process of its own: started, stopped and commanded as an operator would.

use super::emulator::Credentials;
use super::log_path;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Longer than the default `drain`, and than any command takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// An empty file.
const NOTHING: &str = "/dev/null";

/// The binary, its directory and, while it runs, its process; dropping it kills that.
#[derive(Debug)]
pub(super) struct Sidecar {
    binary: PathBuf,
    dir: PathBuf,
    credentials: Credentials,
    child: Option<Child>,
}

impl Sidecar {
    /// The running binary, to be started in `dir` on the `rollout.yaml` there.
    pub(super) fn new(dir: &Path, credentials: Credentials) -> io::Result<Self> {
        let binary = std::env::current_exe()?;
        Ok(Self {
            binary,
            dir: dir.to_owned(),
            credentials,
            child: None,
        })
    }

    /// The binary.
    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    /// `crossfade run`, with its output added to the log.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let log = self.log()?;
        let child = self
            .command(&["run", "--config", "rollout.yaml"])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// Whether it has ended by itself, and how.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// SIGTERM, and the exit status that follows; kills it if none does.
    pub(super) async fn terminate(&mut self) -> io::Result<ExitStatus> {
        let Some(mut child) = self.child.take() else {
            return Err(io::Error::other("crossfade does not run"));
        };
        if let Some(pid) = child.id() {
            // The shell's own `kill`: every system has one, and the standard library has none.
            let sent = Command::new("/bin/sh")
                .args(["-c", "kill -TERM \"$0\"", &pid.to_string()])
                .stderr(Stdio::null())
                .status()
                .await?;
            if !sent.success() && child.try_wait()?.is_none() {
                return Err(io::Error::other("SIGTERM could not be sent"));
            }
        }
        if let Ok(status) = tokio::time::timeout(PATIENCE, child.wait()).await {
            return status;
        }
        child.kill().await?;
        Err(io::Error::other(
            "crossfade did not stop after SIGTERM and was killed",
        ))
    }

    /// Kills it, if it runs.
    pub(super) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The only error is that it has ended.
            let _ = child.kill().await;
        }
    }

    /// Another command of the same binary, such as `rearm`.
    pub(super) async fn operate(&self, arguments: &[&str]) -> io::Result<Output> {
        let run = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        tokio::time::timeout(PATIENCE, run)
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the command did not end")))
    }

    fn log(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_path(&self.dir))
    }

    /// The environment is given, not inherited: no credential or proxy of this machine takes part.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(&self.dir)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", &self.credentials.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.credentials.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", NOTHING)
            .env("AWS_SHARED_CREDENTIALS_FILE", NOTHING)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}
