//! The results of the rounds.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    time::Duration,
};

use crate::{change::Change, check::Findings, fault::Fault};

/// How long it takes until users search again, where matching goes on.
const NEXT_WITHIN: Duration = Duration::from_secs(2);
/// How long a search may be passed by later ones.
const PASSED_WITHIN: Duration = Duration::from_secs(2);
/// How long a socket may outlive its session.
const REVOKED_WITHIN: Duration = Duration::from_secs(2);

/// One round.
pub(crate) struct Round {
    pub(crate) seed: u64,
    pub(crate) fault: Fault,
    /// Time from the fault to the next match.
    pub(crate) matched_after: Duration,
    pub(crate) matches: usize,
    pub(crate) findings: Findings,
    /// Longest time for which a socket outlived its session.
    pub(crate) outlived: Duration,
    pub(crate) bounds: Bounds,
    /// Changes of accounts that were acknowledged.
    pub(crate) changes: Vec<Change>,
    /// Of these, those that are not there afterwards.
    pub(crate) lost_changes: Vec<Change>,
}

/// How long things may take in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Without a match, while there are enough users who search.
    pub(crate) gap: Duration,
    /// Until the next match.
    pub(crate) next: Duration,
    /// For which a search may be passed by later ones.
    pub(crate) passed: Duration,
    /// For which a socket may outlive its session.
    pub(crate) outlived: Duration,
}

impl Bounds {
    /// Those of a fault, and `patience` more for a busy machine.
    pub(crate) fn of(fault: Fault, patience: Duration) -> Self {
        let gap = fault.matches_within();
        let own = fault.patience() + patience;
        Self {
            gap: gap + patience,
            next: gap.max(NEXT_WITHIN) + patience,
            passed: PASSED_WITHIN + own,
            outlived: REVOKED_WITHIN + own,
        }
    }
}

impl Round {
    /// Whether everything was as the design promises.
    pub(crate) fn is_kept(&self) -> bool {
        self.broken().is_empty()
    }

    /// The promises that were broken.
    fn broken(&self) -> Vec<String> {
        let Findings { gap, passed, lost_calls, .. } = &self.findings;
        let mut broken = self.findings.broken.clone();
        let search = format!("the search of {} at {:?} was passed for", passed.who, passed.since);
        for (what, time, bound) in [
            ("the next match came after", self.matched_after, self.bounds.next),
            ("the longest gap in matching was", *gap, self.bounds.gap),
            (&search, passed.time, self.bounds.passed),
            ("a socket outlived its session by", self.outlived, self.bounds.outlived),
        ] {
            if time > bound {
                broken.push(format!("{what} {time:?}, more than {bound:?}"));
            }
        }
        if self.fault.keeps_calls() {
            broken.extend(lost_calls.iter().map(|call| format!("neither has left: {call}")));
        }
        broken.extend(self.lost_changes.iter().map(|it| format!("acknowledged, and gone: {it:?}")));
        broken
    }

    /// How many changes there were of each kind, in the order in which they are listed.
    fn counts(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.kind()).or_default() += 1;
        }
        let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        counts.join(", ")
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, fault, matches, lost_changes, .. } = self;
        let Findings { lost_calls, gap, passed, .. } = &self.findings;
        let (lost, counts, gone) = (lost_calls.len(), self.counts(), lost_changes.len());
        let [next, gap, passed, outlived] =
            [self.matched_after, *gap, passed.time, self.outlived].map(|time| time.as_millis());
        write!(
            f,
            "{seed}: {fault}: next match after {next} ms, longest gap {gap} ms, a search passed for \
             {passed} ms, {matches} matches, {lost} lost calls, {counts}: {gone} lost, \
             sockets closed within {outlived} ms"
        )?;
        if !self.fault.keeps_calls() {
            lost_calls.iter().try_for_each(|call| write!(f, "\n    LOST: {call}"))?;
        }
        self.broken().iter().try_for_each(|promise| write!(f, "\n    BROKEN: {promise}"))
    }
}

/// By fault, for docs/scaling.md.
pub(crate) fn table(rounds: &[Round]) -> String {
    let mut by_fault: BTreeMap<Fault, Vec<&Round>> = BTreeMap::new();
    for round in rounds {
        by_fault.entry(round.fault).or_default().push(round);
    }
    let mut text = "\n| fault | rounds | next match: median, longest | longest gap | a search passed for | lost calls | changes of accounts, lost | sockets closed within | broken |\n\
                    |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (fault, rounds) in by_fault {
        let mut after: Vec<u128> = rounds.iter().map(|it| it.matched_after.as_millis()).collect();
        after.sort_unstable();
        let (median, longest) = (after[after.len() / 2], after[after.len() - 1]);
        let sum = |count: fn(&Round) -> usize| rounds.iter().map(|it| count(it)).sum::<usize>();
        let calls = sum(|round| round.findings.lost_calls.len());
        let (changes, lost) = (sum(|it| it.changes.len()), sum(|it| it.lost_changes.len()));
        let (count, broken) = (rounds.len(), sum(|round| round.broken().len()));
        let longest_of = |time: fn(&Round) -> Duration| {
            rounds.iter().map(|it| time(it).as_millis()).max().unwrap_or_default()
        };
        let outlived = longest_of(|round| round.outlived);
        let gap = longest_of(|round| round.findings.gap);
        let passed = longest_of(|round| round.findings.passed.time);
        let _ = writeln!(
            text,
            "| {fault} | {count} | {median}, {longest} ms | {gap} ms | {passed} ms | {calls} | {changes}, {lost} | {outlived} ms \
             | {broken} |"
        );
    }
    text
}
