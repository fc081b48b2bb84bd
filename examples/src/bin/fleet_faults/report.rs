//! The results of the rounds.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    time::Duration,
};

use crate::{check::Findings, fault::Fault};

/// One round.
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) fault: Fault,
    /// Time from the fault to the next match.
    pub(crate) matched_after: Duration,
    pub(crate) matches: usize,
    pub(crate) findings: Findings,
    /// Longest time for which a socket outlived its session, and how long it may.
    pub(crate) outlived: Duration,
    pub(crate) revoked_within: Duration,
    /// Sign-ups.
    pub(crate) acknowledged: usize,
    /// Of these, those that are not there afterwards.
    pub(crate) lost_accounts: usize,
}

impl Round {
    /// Whether everything was as the design promises.
    pub(crate) fn is_kept(&self) -> bool {
        let keeps_calls = self.findings.lost_calls.is_empty() || !self.fault.keeps_calls();
        let is_revoked = self.outlived <= self.revoked_within;
        self.findings.broken.is_empty() && self.lost_accounts == 0 && keeps_calls && is_revoked
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, fault, matches, acknowledged, lost_accounts, .. } = self;
        let Findings { broken, lost_calls, gap } = &self.findings;
        let lost = lost_calls.len();
        let [next, gap, outlived] =
            [self.matched_after, *gap, self.outlived].map(|time| time.as_millis());
        write!(
            f,
            "{seed}: {fault}: next match after {next} ms, longest gap {gap} ms, {matches} matches, \
             {lost} lost calls, {acknowledged} sign-ups, {lost_accounts} lost, sockets closed within \
             {outlived} ms"
        )?;
        lost_calls.iter().try_for_each(|call| write!(f, "\n    LOST: {call}"))?;
        broken.iter().try_for_each(|promise| write!(f, "\n    BROKEN: {promise}"))
    }
}

/// By fault, for docs/scaling.md.
pub(crate) fn table(rounds: &[Round]) -> String {
    let mut by_fault: BTreeMap<Fault, Vec<&Round>> = BTreeMap::new();
    for round in rounds {
        by_fault.entry(round.fault).or_default().push(round);
    }
    let mut text = "\n| fault | rounds | next match: median, longest | lost calls | sign-ups, lost | sockets closed within | broken |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for (fault, rounds) in by_fault {
        let mut after: Vec<u128> = rounds.iter().map(|it| it.matched_after.as_millis()).collect();
        after.sort_unstable();
        let (median, longest) = (after[after.len() / 2], after[after.len() - 1]);
        let sum = |count: fn(&Round) -> usize| rounds.iter().map(|it| count(it)).sum::<usize>();
        let calls = sum(|round| round.findings.lost_calls.len());
        let (signed, lost) = (sum(|round| round.acknowledged), sum(|round| round.lost_accounts));
        let broken = sum(|round| round.findings.broken.len());
        let outlived = rounds.iter().map(|round| round.outlived).max().unwrap_or_default();
        let (count, outlived) = (rounds.len(), outlived.as_millis());
        let _ = writeln!(
            text,
            "| {fault} | {count} | {median}, {longest} ms | {calls} | {signed}, {lost} | {outlived} ms | {broken} |"
        );
    }
    text
}
