//! Exhaustive search of a small fleet: two hubs, three connections, and a matcher that a second one
//! follows. Packets of different nodes come in any order, and some are lost or overtaken.
//!
//! States are told apart by a hash of all nodes and of all packets on their way.

mod state;

use std::{collections::HashSet, rc::Rc};

use self::state::{Action, Budget, Pairing, State};

/// How a search ended.
#[derive(Debug, Default)]
struct Found {
    states: usize,
    /// States in which no packet is on its way.
    quiet: usize,
    faults: usize,
    /// The first fault, and how it came about.
    first: Option<String>,
}

/// Explores all states depth first, as that holds few of them at once.
fn explore(start: State) -> Found {
    let mut found = Found::default();
    let (mut seen, mut open) = (HashSet::from([start.fingerprint()]), vec![start]);
    while let Some(state) = open.pop() {
        found.states += 1;
        found.quiet += usize::from(state.is_quiet());
        if let Err(fault) = state.check() {
            found.faults += 1;
            found.first.get_or_insert_with(|| format!("{fault} after {}", state.path));
            continue;
        }
        for action in state.actions() {
            let next = state.after(action);
            if seen.insert(next.fingerprint()) {
                open.push(next);
            }
        }
    }
    found
}

/// The actions that led to a state, last first.
#[derive(Default)]
struct Path(Option<(Action, Rc<Self>)>);

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some((action, before)) => write!(f, "{before}\n  {action:?}"),
            None => Ok(()),
        }
    }
}

/// How often clients ask for something: searches that end in seconds, or those of a soak.
fn asks() -> u8 {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    if cases.is_some_and(|cases: u32| cases >= 2560) { 3 } else { 2 }
}

fn strands_nobody(budget: Budget) {
    let found = explore(State::new(budget, Pairing::InTwoSteps));
    println!("{budget:?}: {found:?}");
    assert!(found.first.is_none(), "{}", found.first.unwrap_or_default());
    assert!(found.states > 1000 && found.quiet > 10, "{found:?}");
}

#[test]
fn a_second_matcher_strands_no_seat() {
    strands_nobody(Budget { asks: asks(), handovers: 1, ..Budget::default() });
}

#[test]
fn a_second_matcher_after_a_crash_strands_no_seat() {
    strands_nobody(Budget { asks: asks(), crashes: 1, ..Budget::default() });
}

#[test]
fn lost_and_overtaken_packets_strand_no_seat() {
    strands_nobody(Budget { asks: asks(), losses: 1, overtakes: 1, waits: 1, ..Budget::default() });
}

/// The search finds the fault of a matcher that opens a room when one of its members is held.
#[test]
fn a_room_that_opens_early_is_found() {
    let budget = Budget { asks: asks(), ..Budget::default() };
    let found = explore(State::new(budget, Pairing::InOneStep));
    println!("{budget:?}: {found:?}");
    assert!(found.faults > 0, "{found:?}");
}
