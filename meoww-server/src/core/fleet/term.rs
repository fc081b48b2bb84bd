//! Terms of office.

use serde::{Deserialize, Serialize};

use super::NodeId;

/// A term of office of one matcher. Any two terms differ, and the higher one wins: a fencing epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    /// One more than any term its matcher had heard of.
    pub round: u64,
    /// The matcher.
    pub node: NodeId,
}

impl Term {
    /// Returns the term that `node` claims where `last` is the highest it knows.
    pub fn after(last: Option<Self>, node: NodeId) -> Self {
        Self { round: last.map_or(1, |last| last.round.saturating_add(1)), node }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_ordered_by_round_and_then_by_node() {
        let [low, high] = [1, 2].map(|number| NodeId::new(number).expect("a node"));
        let first = Term::after(None, high);
        let second = Term::after(Some(first), low);
        assert!(first < second);
        assert!(second < Term::after(Some(first), high), "two claims of one round");
    }
}
