//! The faults.

use std::{fmt, path::Path, thread::sleep, time::Duration};

use anyhow::Context;
use clap::ValueEnum;
use meoww_examples::fleet::Fleet;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use crate::machines::{Machines, Way};

/// How long what was killed stays away.
const AWAY: Duration = Duration::from_secs(3);
/// How long a network is cut.
const CUT: Duration = Duration::from_secs(4);
/// How far a clock is ahead: less than a node refuses to start with, and more.
const SKEW: &str = "+1.5s";
const BIG_SKEW: &str = "+3s";
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// kill -9 of a node that does not match
    Node,
    /// kill -9 of the node that matches
    Matcher,
    /// kill -9 of a server of NATS
    Nats,
    /// A server of NATS stands still for 3 s
    StopNats,
    /// kill -9 of the primary of PostgreSQL; the standby is promoted
    Database,
    /// The primary of PostgreSQL stands still; the standby is promoted
    StopDatabase,
    /// kill -9 of the standby of PostgreSQL, which comes back
    Standby,
    /// A node stands still for 0.3 s
    #[value(name = "stop-0.3s")]
    StopShort,
    /// A node stands still for 1 s
    #[value(name = "stop-1s")]
    Stop,
    /// A node stands still for 5 s
    #[value(name = "stop-5s")]
    StopLong,
    /// The node that matches stands still for 1 s
    StopMatcher,
    /// A node and its server of NATS are cut off from the others for 4 s
    Cut,
    /// The same, in one direction: it hears nothing
    CutIn,
    /// The same, in the other: it is not heard
    CutOut,
    /// kill -9 of a node, which comes back with a clock that is 1.5 s ahead
    Skew,
    /// The same with a clock that is 3 s ahead: it is refused, and comes back with the right one
    #[value(name = "skew-3s")]
    BigSkew,
}

impl Fault {
    /// How long the two of a room may disagree for it, beside what the design grants.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Self::Cut | Self::CutIn | Self::CutOut => CUT + Duration::from_secs(3),
            // As a network in parts, though all in one part hear each other.
            Self::StopNats => AWAY + Duration::from_secs(3),
            Self::StopLong => Duration::from_secs(5),
            Self::Stop | Self::StopMatcher => Duration::from_secs(1),
            _ => Duration::ZERO,
        }
    }

    /// How long it may be that several users search and none is matched.
    pub(crate) fn matches_within(self) -> Duration {
        match self {
            // Another node has to find out, to claim the term, and to hear of all who wait.
            Self::Matcher
            | Self::StopMatcher
            | Self::StopNats
            | Self::Cut
            | Self::CutIn
            | Self::CutOut => Duration::from_secs(2),
            // Messages on their way are sent again.
            Self::Nats => Duration::from_millis(500),
            // Matching goes on.
            Self::Node
            | Self::Database
            | Self::StopDatabase
            | Self::Standby
            | Self::StopShort
            | Self::Stop
            | Self::StopLong
            | Self::Skew
            | Self::BigSkew => Duration::from_secs(1),
        }
    }

    /// Whether users keep their calls: everything but a network in parts.
    pub(crate) fn keeps_calls(self) -> bool {
        !matches!(self, Self::Cut | Self::CutIn | Self::CutOut)
    }

    pub(crate) fn needs_machines(self) -> bool {
        !self.keeps_calls()
    }

    /// Returns what it needs that is missing here, if it cannot be tried.
    pub(crate) fn needs(self) -> &'static str {
        if self.needs_machines() { "network namespaces, as root" } else { "faketime" }
    }

    /// Whether it can be tried here.
    pub(crate) fn is_possible(self) -> bool {
        !matches!(self, Self::Skew | Self::BigSkew) || Path::new(FAKETIME).exists()
    }

    /// Has it happen, and be over. `strikes` is called when it begins. Returns the promise that is
    /// broken in it, if one is.
    pub(crate) fn inject(
        self,
        fleet: &mut Fleet,
        machines: Option<&Machines>,
        rng: &mut StdRng,
        strikes: impl FnOnce(),
    ) -> anyhow::Result<Option<String>> {
        // A node that stood still on a busy machine leaves it to another.
        let matcher = fleet.matcher().unwrap_or(0);
        let others: Vec<usize> = (0..fleet.nodes.len()).filter(|node| *node != matcher).collect();
        let other = *others.choose(rng).context("one node alone")?;
        strikes();
        match self {
            Self::Node => kill(fleet, other, &[])?,
            Self::Matcher => kill(fleet, matcher, &[])?,
            Self::Skew => kill(fleet, other, &ahead(SKEW))?,
            Self::BigSkew => return be_refused(fleet, other),
            Self::Nats => {
                let server = rng.random_range(0..fleet.nats.len());
                fleet.nats[server].kill();
                sleep(AWAY);
                fleet.nats[server].restart()?;
            }
            Self::StopNats => {
                let server = rng.random_range(0..fleet.nats.len());
                fleet.nats[server].set_stopped(true);
                sleep(AWAY);
                fleet.nats[server].set_stopped(false);
            }
            Self::Database => {
                fleet.databases[0].kill();
                fleet.databases[1].promote()?;
            }
            Self::StopDatabase => {
                // It stays so: what promotes a standby sees to it that the primary does not go on.
                fleet.databases[0].set_stopped(true);
                fleet.databases[1].promote()?;
            }
            Self::Standby => {
                fleet.databases[1].kill();
                sleep(AWAY);
                fleet.databases[1].restart()?;
            }
            Self::StopShort => stop(fleet, other, 300),
            Self::Stop => stop(fleet, other, 1000),
            Self::StopLong => stop(fleet, other, 5000),
            Self::StopMatcher => stop(fleet, matcher, 1000),
            Self::Cut => cut(machines, other, Way::Both)?,
            Self::CutIn => cut(machines, other, Way::In)?,
            Self::CutOut => cut(machines, other, Way::Out)?,
        }
        Ok(None)
    }
}

/// Settings with which a clock of the day is ahead.
fn ahead(by: &str) -> [(&str, &str); 3] {
    [("LD_PRELOAD", FAKETIME), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
}

/// Kills a node, and starts it with a clock with which it must not, and then with the right one.
fn be_refused(fleet: &mut Fleet, node: usize) -> anyhow::Result<Option<String>> {
    let broken = match kill(fleet, node, &ahead(BIG_SKEW)) {
        Ok(()) => Some(format!("a node with a clock {BIG_SKEW} off was not refused")),
        Err(said) if said.to_string().contains("clock") => None,
        Err(said) => Some(format!("a node with a clock {BIG_SKEW} off says: {said:#}")),
    };
    fleet.nodes[node].restart(&[])?;
    Ok(broken)
}

fn kill(fleet: &mut Fleet, node: usize, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    fleet.nodes[node].kill();
    sleep(AWAY);
    fleet.nodes[node].restart(settings)
}

fn stop(fleet: &Fleet, node: usize, millis: u64) {
    fleet.nodes[node].set_stopped(true);
    sleep(Duration::from_millis(millis));
    fleet.nodes[node].set_stopped(false);
}

fn cut(machines: Option<&Machines>, node: usize, way: Way) -> anyhow::Result<()> {
    let machines = machines.context("a network can only be cut between namespaces")?;
    machines.cut(node, way)?;
    sleep(CUT);
    machines.heal()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("?", |value| value.get_name()))
    }
}
