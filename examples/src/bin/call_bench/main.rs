//! The call, measured: a server and two peers in processes of their own, some calls, one JSON
//! object.
//!
//! ```text
//! cargo run --release -p meoww-examples --bin call_bench -- --rounds 20
//! cargo run --release -p meoww-examples --bin call_bench -- --loss 0.05 --delay 40ms
//! ```
//!
//! Needs `meoww-server` built beside it (`cargo build --release --workspace`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod ears;
mod impair;
mod peer;
mod report;
mod server;

use std::{
    num::NonZeroU32,
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{impair::Impairment, peer::PeerArgs, report::PeerReport, server::Server};

/// Measures whole calls between two peers and a server on this machine; prints JSON.
#[derive(Parser)]
struct Args {
    /// Calls; figures are medians over them
    #[arg(long, default_value = "20")]
    rounds: NonZeroU32,
    /// Of each call, from connected on
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Chance that a packet is lost, each way
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Time a packet takes, each way
    #[arg(long, default_value = "0ms", value_parser = humantime::parse_duration)]
    delay: Duration,
    /// Width of the path in kbit/s, each way [default: as wide as it is]
    #[arg(long)]
    rate: Option<u32>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// One peer, told what to do on stdin (the benchmark starts two)
    #[command(hide = true)]
    Peer(PeerArgs),
}

/// A round that is not over by then never will be.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.role {
        Some(Role::Peer(peer)) => peer::run(peer).await,
        None => bench(&args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("call_bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(args: &Args) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let impairment = Impairment { loss: args.loss, delay: args.delay, rate: args.rate };
    let address = impair::between(&server.address, impairment).await?;
    let mut reports = Vec::new();
    for round in 1..=args.rounds.get() {
        let pair = timeout(PATIENCE + args.duration, call(&server, &address, args.duration));
        let pair = pair.await.with_context(|| format!("call {round} never ended"))?;
        reports.push(pair.with_context(|| format!("call {round}"))?);
        eprintln!("call {round} of {}", args.rounds);
    }
    server.stop().await?;
    let conditions = json!({
        "rounds": args.rounds,
        "secondsACall": args.duration.as_secs_f64(),
        "loss": args.loss,
        "delayMsEachWay": args.delay.as_millis(),
        "rateKbps": args.rate,
    });
    println!("{:#}", report::summary(conditions, &reports));
    Ok(())
}

/// One call: the first peer waits in the queue when the second begins to search.
async fn call(
    server: &Server,
    address: &str,
    duration: Duration,
) -> anyhow::Result<[PeerReport; 2]> {
    let mut waiting = PeerProcess::start(server, address, duration)?;
    let mut coming = PeerProcess::start(server, address, duration)?;
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
    fn start(server: &Server, address: &str, duration: Duration) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["peer", "--server", address, "--outbox"])
            .arg(server.outbox())
            .args(["--duration", &format!("{}ms", duration.as_millis())])
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

    async fn report(&mut self) -> anyhow::Result<PeerReport> {
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
