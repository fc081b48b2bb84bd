//! Load on the `/ws` of a server or of the nodes of one, from one process and one thread.
//!
//! ```text
//! meoww-server user create --count 1000 --verified --tokens >tokens
//! load --server http://127.0.0.1:5000 --tokens tokens --pid "$(pidof meoww-server)"
//! ```

mod heard;
mod output;
mod pace;
mod phases;
mod socket;
mod swarm;
mod tally;
mod target;
mod tokens;
mod usage;

use std::{
    io::{IsTerminal, stdout},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};
use meoww_cli::config::{ServerUrl, Servers};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    output::Report,
    swarm::Swarm,
    tally::{CONNECTS, MATCHES, Phase, RELAYS, Tally},
    target::Target,
    tokens::Cookie,
    usage::Usage,
};

/// Connects many users to a server, lets them meet, skip and talk, and tells how long it takes and
/// what it costs.
#[derive(Parser)]
#[command(after_help = AFTER_HELP)]
struct Args {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5000")]
    server: ServerUrl,
    /// Its nodes instead, to which connections go in turn; only pairs across two of them relay
    #[arg(long, value_name = "URL,...", conflicts_with_all = ["server", "accounts"])]
    nodes: Option<Servers>,
    /// Whose connections: a `Cookie` header or an access token a line, one account each
    #[arg(long, value_name = "FILE", required_unless_present = "accounts")]
    tokens: Option<PathBuf>,
    /// Sign up so many accounts instead, whose codes are mailed to --outbox
    #[arg(long, value_name = "N", conflicts_with = "tokens", requires = "outbox")]
    accounts: Option<usize>,
    /// The server's mail folder (DATA_DIR/outbox)
    #[arg(long, value_name = "DIR")]
    outbox: Option<PathBuf>,
    /// Connections [default: one for every token]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// What to do once they are connected, in this order
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "PHASE,...",
        default_value = "search,skip,relay"
    )]
    phases: Vec<Step>,
    /// How long skip and relay go on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Chat lines a second, over all
    #[arg(long, value_name = "N", default_value = "1000", value_parser = rate)]
    rate: f64,
    /// Skips a second, over all; each makes about one match
    #[arg(long, value_name = "N", default_value = "200", value_parser = rate)]
    skip_rate: f64,
    /// Connects under way at a time
    #[arg(long, value_name = "N", default_value = "100")]
    concurrency: usize,
    /// The server's process, to tell what it used; of a fleet, all whose use is to be added up
    #[arg(long, value_name = "PID,...", value_delimiter = ',')]
    pid: Vec<u32>,
    /// Figures as JSON [default: unless stdout is a terminal]
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Latencies count from when something was due, not from when it was sent; a match has two ends, and
waits count for each. Costs are CPU seconds of the server for 1000 connects, 1000 matches and 100000
relayed lines.

Exit codes: 0 all went well, 1 it could not be run, 2 usage, 3 connections or lines were lost,
130 interrupted (what was measured by then is printed).";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// All look for a partner at once
    Search,
    /// All look for a partner at once, each for the next, of a fleet on the next node
    Pair,
    /// One after the other skips
    Skip,
    /// One after the other says something
    Relay,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(report) => {
            output::report(&report, args.json || !stdout().is_terminal());
            ExitCode::from(verdict(&report))
        }
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Report> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second time it ends the program, whatever it waits for.
        signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone())?;
        signal_hook::flag::register(signal, interrupted.clone())?;
    }
    Usage::of_all(&args.pid).context("--pid")?;
    let servers = args.nodes.clone().unwrap_or_else(|| args.server.clone().into());
    let targets = servers.iter().map(Target::of).collect::<anyhow::Result<Vec<_>>>()?;
    let cookies = cookies(args)?;
    allow_sockets(cookies.len())?;
    let mut swarm = Swarm::new(targets, interrupted)?;
    let phases = measure(args, &mut swarm, &cookies)?;
    let interrupted = swarm.is_interrupted();
    swarm.close();
    let (server, connections) = (servers.to_string(), cookies.len());
    Ok(Report { server, connections, interrupted, phases })
}

fn cookies(args: &Args) -> anyhow::Result<Vec<Cookie>> {
    let mut cookies = match (&args.tokens, args.accounts, &args.outbox) {
        (Some(file), ..) => tokens::from_file(file)?,
        (None, Some(count), Some(outbox)) => tokens::sign_up(&args.server, count, outbox)?,
        (None, ..) => Vec::new(),
    };
    if let Some(count) = args.connections {
        ensure!(cookies.len() >= count, "there are only {} tokens", cookies.len());
        cookies.truncate(count);
    }
    ensure!(!cookies.is_empty(), "there is no token");
    Ok(cookies)
}

/// A process may have 1024 files by default.
fn allow_sockets(count: usize) -> anyhow::Result<()> {
    let wanted = count as u64 + 64;
    // `None` is no limit.
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Some(hard) = maximum.filter(|hard| *hard < wanted) {
        bail!("{count} connections need more files than `ulimit -Hn` allows ({hard})");
    }
    if current.is_some_and(|soft| soft < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    }
    Ok(())
}

fn measure(args: &Args, swarm: &mut Swarm, cookies: &[Cookie]) -> anyhow::Result<Vec<Phase>> {
    let mut tally = Tally::start("connect", CONNECTS, &args.pid);
    phases::connect(swarm, cookies, args.concurrency, &mut tally)?;
    let mut done = vec![tally.finish()];
    for step in &args.phases {
        if swarm.is_interrupted() {
            break;
        }
        let (name, unit) = match step {
            Step::Search => ("search", MATCHES),
            Step::Pair => ("pair", MATCHES),
            Step::Skip => ("skip", MATCHES),
            Step::Relay => ("relay", RELAYS),
        };
        let mut tally = Tally::start(name, unit, &args.pid);
        match step {
            Step::Search => phases::search(swarm, &mut tally)?,
            Step::Pair => phases::pair(swarm, &mut tally)?,
            Step::Skip => phases::skip(swarm, args.skip_rate, args.duration, &mut tally)?,
            Step::Relay => phases::relay(swarm, args.rate, args.duration, &mut tally)?,
        }
        done.push(tally.finish());
    }
    Ok(done)
}

fn verdict(report: &Report) -> u8 {
    let failed = |phase: &Phase| {
        !phase.problems.is_empty() || phase.counts.get("lost").is_some_and(|lost| *lost > 0)
    };
    match report {
        Report { interrupted: true, .. } => 130,
        Report { phases, .. } if phases.iter().any(failed) => 3,
        Report { .. } => 0,
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("a number above 0, at most 1000000".into()),
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this program does")]
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
