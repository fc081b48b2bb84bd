//! Faults in a fleet of real programs, one a round: users meet, talk and skip meanwhile, somebody signs
//! up, and afterwards what they saw is held against what the design promises.
//!
//! ```text
//! scripts/setup test
//! cargo run --release --workspace --bin fleet_faults -- --rounds 20 --faults matcher
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod bot;
mod check;
mod fault;
mod guest;
mod history;
mod machines;
mod report;
mod writer;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use meoww_examples::fleet::{Fleet, Layout};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    bot::{Bot, Habit},
    fault::Fault,
    history::{History, What},
    machines::Machines,
    report::Round,
};

const NODES: usize = 3;
/// Users whose session ends, one a second from the fault on.
const GUESTS: usize = 4;
/// How long it takes at most until most are in a room, at the beginning of a round.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a socket may outlive its session.
const REVOKED_WITHIN: Duration = Duration::from_secs(2);
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
    rounds: u64,
    /// Of chance in the first round; the next round has the next number
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// The faults, in turn [default: all]
    #[arg(long, value_delimiter = ',', value_name = "FAULT,...")]
    faults: Vec<Fault>,
    /// Users
    #[arg(long, value_name = "N", default_value = "40")]
    users: usize,
    /// How long the two of a room may disagree, beside what the fault and the design grant: for busy
    /// machines
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
    let mut rounds = Vec::new();
    for (seed, fault) in (args.seed..args.seed + args.rounds).zip(faults.iter().cycle()) {
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
    Ok(rounds.iter().all(Round::is_kept))
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
    let guests = guest::invite(tokens.split_off(users), &nodes, &stricken);
    let history = Arc::new(History::begin());
    let mut bots = JoinSet::new();
    for (who, token) in tokens.into_iter().enumerate() {
        let bot = Bot::new(who, habit(who), nodes.clone(), token, history.clone(), seed);
        bots.spawn(bot.run(stopped.clone()));
    }
    let mut writer = JoinSet::new();
    writer.spawn(writer::write(nodes, stopped));
    let begun = timeout(PATIENCE, until_most_have_met(&history, users));
    begun.await.context("too few meet at the beginning")?;
    sleep(WARM_UP).await;
    let injected = spawn_blocking({
        let history = history.clone();
        move || {
            let (mut struck, mut rng) = (Duration::ZERO, StdRng::seed_from_u64(seed));
            fault.inject(&mut fleet, machines.as_deref(), &mut rng, || {
                struck = history.now();
                strike.send_replace(true);
            })?;
            anyhow::Ok((fleet, struck))
        }
    });
    let (fleet, struck) = injected.await??;
    sleep(args.watch).await;
    let end = history.now();
    let outlived = guests.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    stop.send_replace(true);
    bots.join_all().await;
    let acknowledged = writer.join_all().await.concat();
    let kept = spawn_blocking(move || fleet.usernames()).await??;
    let lost_accounts = acknowledged.iter().filter(|name| !kept.contains(*name)).count();
    let mut events = history.events();
    events.retain(|event| event.at <= end);
    let matched_after =
        events.iter().find(|it| it.at > struck && matches!(it.what, What::Matched(_)));
    Ok(Round {
        seed,
        fault,
        matched_after: matched_after.map_or(end, |event| event.at) - struck,
        matches: events.iter().filter(|it| matches!(it.what, What::Matched(_))).count() / 2,
        outlived: outlived.into_iter().max().unwrap_or_default(),
        revoked_within: REVOKED_WITHIN + fault.patience() + args.patience,
        findings: check::check(&events, end, fault.patience() + args.patience),
        acknowledged: acknowledged.len(),
        lost_accounts,
    })
}

/// Starts a fleet, and makes an account for each user and guest.
fn start(layout: &Layout, users: usize) -> anyhow::Result<(Fleet, Vec<String>)> {
    let fleet = Fleet::start(layout, &[("ACCESS_TOKEN_EXPIRY", "12h")])?;
    let tokens = fleet.access_tokens(users + GUESTS)?;
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

/// Two of five stay where they are; one blocks.
fn habit(who: usize) -> Habit {
    match who {
        4 => Habit::Block,
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
