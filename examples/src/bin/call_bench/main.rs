//! The call, measured: a server and two peers in processes of their own, some calls, and a JSON object
//! or a row of a table for each network.
//!
//! ```text
//! cargo build --release --workspace --bin call_bench --bin meoww-server
//! target/release/call_bench --rounds 20
//! target/release/call_bench --net loss-1,loss-5,step --scene camera --table
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod call;
mod control;
mod ears;
mod impair;
mod path;
mod peer;
mod report;
mod scene;
mod server;
mod table;

use std::{num::NonZeroU32, process::ExitCode, time::Duration};

use anyhow::ensure;
use clap::{
    Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use meoww_examples::network::{Conditions, PROFILES, Profile};
use serde_json::{Value, json};

use crate::{
    call::{CallPlan, call},
    control::Control,
    impair::{Impaired, Impairment},
    peer::PeerArgs,
    report::CallReport,
    scene::Scene,
    server::Server,
};

/// Measures whole calls between two peers and a server on this machine; prints JSON, one object a
/// network.
#[derive(Parser)]
struct Args {
    /// Calls; figures are medians over them
    #[arg(long, default_value = "20")]
    rounds: NonZeroU32,
    /// Of each call, from connected on [default: as long as it takes until all of the network has been
    /// met; 5s without one]
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// The scene that the peers film, and how much of it they show
    #[arg(long, value_enum, default_value_t)]
    scene: Scene,
    /// The congestion control that decides how much is sent
    #[arg(long, value_enum, default_value_t)]
    estimator: Control,
    /// Bad networks between the peers, by name, one after the other: loss-1,loss-5
    #[arg(long, value_parser = profile(), value_delimiter = ',', conflicts_with_all = ["loss", "delay", "rate"])]
    net: Vec<Profile>,
    /// Prints rows of a Markdown table: medians, and in brackets the worst
    #[arg(long)]
    table: bool,
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

/// Of a call without a network.
const DURATION: Duration = Duration::from_secs(5);

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
    /// The networks to measure; `None` where nothing is made worse.
    fn networks(&self) -> Vec<Option<Profile>> {
        if !self.net.is_empty() {
            return self.net.iter().copied().map(Some).collect();
        }
        let rate = self.rate.map(|kbps| kbps.saturating_mul(1000));
        let asked = Conditions { loss: self.loss, rate, ..Conditions::after(self.delay) };
        let is_asked = asked != Conditions::after(Duration::ZERO);
        vec![is_asked.then_some(Profile::steady(asked))]
    }

    fn plan(&self, network: Option<Profile>) -> CallPlan {
        let usual = network.map_or(DURATION, |profile| profile.length());
        let duration = self.duration.unwrap_or(usual);
        CallPlan { duration, scene: self.scene, estimator: self.estimator }
    }

    fn conditions(&self, network: Option<Profile>) -> Value {
        let name = network.map(|profile| profile.name).filter(|name| !name.is_empty());
        json!({
            "rounds": self.rounds,
            "secondsACall": self.plan(network).duration.as_secs_f64(),
            "scene": self.scene,
            "estimator": self.estimator,
            "net": name,
            "seed": self.seed,
            "loss": self.loss,
            "delayMsEachWay": self.delay.as_millis(),
            "rateKbps": self.rate,
        })
    }
}

/// # Errors
///
/// When a call failed; the figures of the others are printed before.
async fn bench(args: &Args) -> anyhow::Result<()> {
    let server = Server::start().await?;
    if args.table {
        println!("{}", table::header());
    }
    let mut failed = 0;
    for network in args.networks() {
        let calls = measure(&server, args, network).await?;
        let failed_here = args.rounds.get() as usize - calls.len();
        let summary = report::summary(args.conditions(network), &calls, failed_here);
        match args.table {
            true => println!("{}", table::row(network.map_or("", |one| one.name), &summary)),
            false => println!("{summary:#}"),
        }
        failed += failed_here;
    }
    server.stop().await?;
    ensure!(failed == 0, "{failed} calls failed");
    Ok(())
}

/// Has the calls over one network, and leaves out those that fail.
async fn measure(
    server: &Server,
    args: &Args,
    network: Option<Profile>,
) -> anyhow::Result<Vec<CallReport>> {
    let impaired = match network {
        Some(profile) => {
            let impairment = Impairment { profile, seed: args.seed };
            Some(Impaired::open(&server.address, impairment).await?)
        }
        None => None,
    };
    let address = impaired.as_ref().map_or(&server.address, |network| &network.address);
    let mut calls = Vec::new();
    for round in 1..=args.rounds.get() {
        match call(server, address, args.plan(network)).await {
            Ok(peers) => {
                let path = impaired.as_ref().and_then(Impaired::report);
                calls.push(CallReport::new(peers, path));
                eprintln!("call {round} of {}", args.rounds);
            }
            Err(error) => eprintln!("call {round} of {} failed: {error:#}", args.rounds),
        }
    }
    Ok(calls)
}
