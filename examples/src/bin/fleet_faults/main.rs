//! Faults in a fleet of real programs, one a round: users meet, talk, skip and block meanwhile, accounts
//! change, and afterwards what users saw and what the database has are held against what the design
//! promises.
//!
//! ```text
//! scripts/setup test
//! cargo run --release --workspace --bin fleet_faults -- --rounds 20 --faults matcher
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod account;
mod bot;
mod change;
mod check;
mod fault;
mod guest;
mod history;
mod machines;
mod report;
mod waits;
mod writer;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use meoww_examples::fleet::{Fleet, Layout, Node};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    bot::{Bot, Habit},
    change::{Change, Kept},
    fault::Fault,
    history::{Event, History, What},
    machines::Machines,
    report::{Bounds, Round},
    writer::Writer,
};

const NODES: usize = 3;
/// Users whose session ends, one a second from the fault on.
const GUESTS: usize = 4;
/// How long it takes at most until most are in a room, at the beginning of a round.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long all goes well before the fault.
const WARM_UP: Duration = Duration::from_secs(2);

/// Breaks a fleet of three nodes, three servers of NATS and two of PostgreSQL, once a round, and checks
/// what users see of it. As root, the network can be cut as well.
#[derive(Parser)]
#[command(
    after_help = "Exit codes: 0 every promise was kept, 1 it could not be run, 2 usage, 3 one was broken."
)]
struct Args {
    /// Rounds
    #[arg(long, value_name = "N", default_value = "20")]
    rounds: usize,
    /// Rounds of each fault, instead
    #[arg(long, value_name = "N", conflicts_with = "rounds")]
    each: Option<usize>,
    /// Of chance in the first round; the next round has the next number
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// The faults, in turn [default: all]
    #[arg(long, value_delimiter = ',', value_name = "FAULT,...")]
    faults: Vec<Fault>,
    /// Users
    #[arg(long, value_name = "N", default_value = "40")]
    users: usize,
    /// How much longer everything may take than the design and the fault grant: for busy machines
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// How long users are watched after a fault
    #[arg(long, value_name = "TIME", default_value = "6s", value_parser = humantime::parse_duration)]
    watch: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // First, while this is one thread.
    let has_machines = machines::enter();
    match run(&args, has_machines) {
        Ok(is_kept) => ExitCode::from(if is_kept { 0 } else { 3 }),
        Err(error) => {
            eprintln!("fleet_faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: &Args, has_machines: bool) -> anyhow::Result<bool> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let machines = has_machines.then(|| Machines::start(NODES)).transpose()?.map(Arc::new);
    let faults: Vec<Fault> = match &args.faults[..] {
        [] => Fault::value_variants().to_vec(),
        named => named.to_vec(),
    };
    let count = args.each.map_or(args.rounds, |each| each * faults.len());
    let mut rounds = Vec::new();
    for (seed, fault) in (args.seed..).zip(faults.iter().cycle()).take(count) {
        if fault.needs_machines() && machines.is_none() || !fault.is_possible() {
            println!("{seed}: {fault}: NOT RUN: {}", fault.needs());
            continue;
        }
        let round = one_round(args, *fault, seed, machines.clone()).await;
        let round = round.with_context(|| format!("round {seed}: {fault}"))?;
        println!("{round}");
        rounds.push(round);
    }
    print!("{}", report::table(&rounds));
    let broken: Vec<&Round> = rounds.iter().filter(|round| !round.is_kept()).collect();
    for Round { seed, fault, .. } in &broken {
        eprintln!("Broken. Again: fleet_faults --rounds 1 --seed {seed} --faults {fault}");
    }
    Ok(broken.is_empty())
}

async fn one_round(
    args: &Args,
    fault: Fault,
    seed: u64,
    machines: Option<Arc<Machines>>,
) -> anyhow::Result<Round> {
    let (users, layout) = (args.users, layout(machines.as_deref()));
    let (mut fleet, mut tokens) = spawn_blocking(move || start(&layout, users)).await??;
    let nodes: Arc<Vec<String>> = Arc::new(fleet.nodes.iter().map(|it| it.url.clone()).collect());
    let (stop, stopped) = watch::channel(false);
    let (strike, stricken) = watch::channel(false);
    let operators = fleet.nodes.iter().map(Node::operator).collect();
    let http = account::client(writer::TIMEOUT);
    let writer = Writer { http, nodes: nodes.clone(), operators, stop: stopped.clone() };
    let writers = writer.clone().start(tokens.split_off(users + GUESTS)).await?;
    let guests = guest::invite(tokens.split_off(users), &nodes, &stricken);
    let history = Arc::new(History::begin());
    let mut bots = JoinSet::new();
    for (who, token) in tokens.into_iter().enumerate() {
        let bot = Bot::new(who, habit(who), nodes.clone(), token, history.clone(), seed);
        bots.spawn(bot.run(stopped.clone()));
    }
    let begun = timeout(PATIENCE, until_most_have_met(&history, users));
    begun.await.context("too few meet at the beginning")?;
    let met = history.now();
    sleep(WARM_UP).await;
    let injected = spawn_blocking({
        let history = history.clone();
        move || {
            let (mut struck, mut rng) = (Duration::ZERO, StdRng::seed_from_u64(seed));
            let broken = fault.inject(&mut fleet, machines.as_deref(), &mut rng, || {
                struck = history.now();
                strike.send_replace(true);
            })?;
            anyhow::Ok((fleet, struck, broken))
        }
    });
    let (fleet, struck, broken) = injected.await??;
    sleep(args.watch).await;
    let end = history.now();
    let outlived = guests.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    stop.send_replace(true);
    bots.join_all().await;
    let mut events = history.events();
    events.retain(|event| event.at <= end);
    let mut changes = writers.join_all().await.concat();
    changes.extend(blocks(&events));
    let (kept, _fleet) = spawn_blocking(move || anyhow::Ok((Kept::read(&fleet)?, fleet))).await??;
    let lost_changes = change::lost(&changes, &kept, &writer.http, &nodes).await?;
    let matched_after =
        events.iter().find(|it| it.at > struck && matches!(it.what, What::Matched(_)));
    let mut findings = check::check(&events, met, end, fault.patience() + args.patience);
    findings.broken.extend(broken);
    Ok(Round {
        seed,
        fault,
        matched_after: matched_after.map_or(end, |event| event.at) - struck,
        matches: events.iter().filter(|it| matches!(it.what, What::Matched(_))).count() / 2,
        outlived: outlived.into_iter().max().unwrap_or_default(),
        bounds: Bounds::of(fault, args.patience),
        findings,
        changes,
        lost_changes,
    })
}

fn blocks(events: &[Event]) -> impl Iterator<Item = Change> {
    events.iter().filter_map(|event| match event.what {
        What::Blocked(room) => Some(Change::Blocked { room }),
        _ => None,
    })
}

/// Starts a fleet, and makes an account for each user and guest, and those for changes.
fn start(layout: &Layout, users: usize) -> anyhow::Result<(Fleet, Vec<String>)> {
    let fleet = Fleet::start(layout, &[("ACCESS_TOKEN_EXPIRY", "12h")])?;
    let tokens = fleet.access_tokens(users + GUESTS + writer::ACCOUNTS)?;
    Ok((fleet, tokens))
}

async fn until_most_have_met(history: &History, users: usize) {
    while history.matches() < users / 2 {
        sleep(Duration::from_millis(50)).await;
    }
}

fn layout(machines: Option<&Machines>) -> Layout {
    machines.map_or_else(|| Layout::here(NODES, NODES, 2), Machines::layout)
}

/// Two of five stay where they are; one of ten blocks.
fn habit(who: usize) -> Habit {
    match who {
        _ if who % 10 == 4 => Habit::Block,
        _ if who % 5 < 2 => Habit::Stay,
        _ => Habit::Skip,
    }
}

#[expect(clippy::disallowed_methods, reason = "it watches real programs")]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
