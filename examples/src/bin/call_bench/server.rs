//! The server under test: the real program, on a data folder that is deleted afterwards.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(crate) struct Server {
    pub(crate) address: String,
    data: TempDir,
    process: Child,
}

impl Server {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("meoww-server");
        ensure!(program.exists(), "build the server first: cargo build --release --workspace");
        let data = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
        for limit in ["SIGNUP", "LOGIN", "VERIFY", "RESEND", "TURN"] {
            command.env(format!("MEOWW_LIMIT_{limit}"), "off");
        }
        let mut process = command
            .env("MEOWW_STUN_URL", "")
            .env("MEOWW_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("no stdout")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let line = line.context("the server ended before it listened")?;
        let address = line.strip_prefix("listening on ").context("an odd first line")?.to_owned();
        Ok(Self { address, data, process })
    }

    /// Where its mail goes.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.data.path().join("outbox")
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }
}
