//! One call between two peers in processes of their own.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{control::Control, report::PeerOutput, scene::Scene, server::Server};

/// A call that is not over so long after its time never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the peers call each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallPlan {
    /// From connected on.
    pub(crate) duration: Duration,
    pub(crate) scene: Scene,
    pub(crate) estimator: Control,
}

/// Has one call over the server at `address`.
///
/// # Errors
///
/// When a peer fails, or the call never ends.
pub(crate) async fn call(
    server: &Server,
    address: &str,
    plan: CallPlan,
) -> anyhow::Result<[PeerOutput; 2]> {
    let ended = timeout(PATIENCE + plan.duration, converse(server, address, plan));
    ended.await.context("it never ended")?
}

/// The first peer waits in the queue when the second begins to search.
async fn converse(
    server: &Server,
    address: &str,
    plan: CallPlan,
) -> anyhow::Result<[PeerOutput; 2]> {
    let mut waiting = PeerProcess::start(server, address, plan)?;
    let mut coming = PeerProcess::start(server, address, plan)?;
    waiting.expect("ready").await?;
    coming.expect("ready").await?;
    waiting.tell("search").await?;
    waiting.expect("searching").await?;
    coming.tell("search").await?;
    let reports = [waiting.report().await?, coming.report().await?];
    waiting.leave().await?;
    coming.leave().await?;
    Ok(reports)
}

struct PeerProcess {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl PeerProcess {
    fn start(server: &Server, address: &str, plan: CallPlan) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["peer", "--server", address, "--outbox"])
            .arg(server.outbox())
            .args(["--duration", &format!("{}ms", plan.duration.as_millis())])
            .args(["--scene", plan.scene.name(), "--estimator", plan.estimator.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = process.stdin.take().context("no stdin")?;
        let stdout = process.stdout.take().context("no stdout")?;
        Ok(Self { process, stdin, lines: BufReader::new(stdout).lines() })
    }

    async fn tell(&mut self, word: &str) -> anyhow::Result<()> {
        Ok(self.stdin.write_all(format!("{word}\n").as_bytes()).await?)
    }

    async fn expect(&mut self, word: &str) -> anyhow::Result<()> {
        let line = self.lines.next_line().await?.context("a peer ended early")?;
        ensure!(line == word, "a peer said {line:?} instead of {word:?}");
        Ok(())
    }

    async fn report(&mut self) -> anyhow::Result<PeerOutput> {
        loop {
            let line = self.lines.next_line().await?.context("a peer ended without a report")?;
            if line.starts_with('{') {
                return Ok(serde_json::from_str(&line)?);
            }
        }
    }

    async fn leave(mut self) -> anyhow::Result<()> {
        self.tell("leave").await?;
        ensure!(self.process.wait().await?.success(), "a peer failed");
        Ok(())
    }
}
