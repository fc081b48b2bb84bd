//! The call, measured: a server and two peers in processes of their own, some calls, one JSON
//! object.
//!
//! ```text
//! cargo run --release -p meoww-examples --bin call_bench -- --rounds 20
//! cargo run --release -p meoww-examples --bin call_bench -- --net loss-5 --scene camera
//! ```
//!
//! Needs `meoww-server` built beside it (`cargo build --release --workspace`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod ears;
mod impair;
mod path;
mod peer;
mod report;
mod scene;
mod server;

use std::{
    num::NonZeroU32,
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{
    Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use meoww_examples::network::{Conditions, PROFILES, Profile};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    impair::{Impaired, Impairment},
    peer::PeerArgs,
    report::{CallReport, PeerReport},
    scene::Scene,
    server::Server,
};

/// Measures whole calls between two peers and a server on this machine; prints JSON.
#[derive(Parser)]
struct Args {
    /// Calls; figures are medians over them
    #[arg(long, default_value = "20")]
    rounds: NonZeroU32,
    /// Of each call, from connected on
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// The scene that the peers film, and how much of it they show
    #[arg(long, value_enum, default_value_t)]
    scene: Scene,
    /// A bad network between the peers, by name
    #[arg(long, value_parser = profile(), conflicts_with_all = ["loss", "delay", "rate"])]
    net: Option<Profile>,
    /// Of chance in the network of the first call; the next call has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
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

fn profile() -> impl TypedValueParser<Value = Profile> {
    let values =
        PROFILES.iter().map(|profile| PossibleValue::new(profile.name).help(profile.about));
    PossibleValuesParser::new(values).map(|name| Profile::named(&name).expect("it is possible"))
}

impl Args {
    /// `None` when nothing is to be impaired.
    fn impairment(&self) -> Option<Impairment> {
        let rate = self.rate.map(|kbps| kbps.saturating_mul(1000));
        let asked = Conditions { loss: self.loss, rate, ..Conditions::after(self.delay) };
        let is_asked = asked != Conditions::after(Duration::ZERO);
        let profile = self.net.or(is_asked.then_some(Profile::steady(asked)))?;
        Some(Impairment { profile, seed: self.seed })
    }
}

async fn bench(args: &Args) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let network = match args.impairment() {
        Some(impairment) => Some(Impaired::open(&server.address, impairment).await?),
        None => None,
    };
    let address = network.as_ref().map_or(&server.address, |network| &network.address);
    let mut reports = Vec::new();
    for round in 1..=args.rounds.get() {
        let pair = timeout(PATIENCE + args.duration, call(&server, address, args));
        let peers = pair.await.with_context(|| format!("call {round} never ended"))?;
        let peers = peers.with_context(|| format!("call {round}"))?;
        reports.push(CallReport { peers, network: network.as_ref().and_then(Impaired::report) });
        eprintln!("call {round} of {}", args.rounds);
    }
    server.stop().await?;
    let conditions = json!({
        "rounds": args.rounds,
        "secondsACall": args.duration.as_secs_f64(),
        "scene": args.scene,
        "net": args.net.map(|profile| profile.name),
        "seed": args.seed,
        "loss": args.loss,
        "delayMsEachWay": args.delay.as_millis(),
        "rateKbps": args.rate,
    });
    println!("{:#}", report::summary(conditions, &reports));
    Ok(())
}

/// One call: the first peer waits in the queue when the second begins to search.
async fn call(server: &Server, address: &str, args: &Args) -> anyhow::Result<[PeerReport; 2]> {
    let mut waiting = PeerProcess::start(server, address, args)?;
    let mut coming = PeerProcess::start(server, address, args)?;
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
    fn start(server: &Server, address: &str, args: &Args) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["peer", "--server", address, "--outbox"])
            .arg(server.outbox())
            .args(["--duration", &format!("{}ms", args.duration.as_millis())])
            .args(["--scene", args.scene.name()])
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
