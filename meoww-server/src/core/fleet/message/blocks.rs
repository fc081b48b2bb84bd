//! The blocks of a user on their way between nodes: whole lists, in parts.

use std::collections::BTreeMap;

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};

use crate::core::safety::BlockList;

/// Users in one part of a list. As many parts as a roll has entries fit into a packet.
pub const MAX_BLOCKS: usize = 32;

/// A part of a [`BlockList`]. The parts of a list are sent one right after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockPart {
    /// The user who blocks.
    pub user: UserId,
    /// The version of the list.
    pub version: u64,
    /// At most [`MAX_BLOCKS`] blocked users.
    pub blocked: Vec<UserId>,
    /// Whether the list is complete with this part.
    pub is_last: bool,
}

impl BlockPart {
    /// Returns the parts of a user's list: at least one.
    pub(in crate::core::fleet) fn all_of(user: UserId, list: &BlockList) -> Vec<Self> {
        let blocked: Vec<UserId> = list.blocked.iter().copied().collect();
        let part = |blocked: &[UserId]| Self {
            user,
            version: list.version,
            blocked: blocked.to_vec(),
            is_last: false,
        };
        let mut parts: Vec<Self> = blocked.chunks(MAX_BLOCKS).map(part).collect();
        match parts.last_mut() {
            Some(last) => last.is_last = true,
            None => parts.push(Self { is_last: true, ..part(&[]) }),
        }
        parts
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.blocked.len() <= MAX_BLOCKS
    }
}

/// Lists of which not all parts have come, by who sends them.
#[derive(Debug, Clone, Hash)]
pub(in crate::core::fleet) struct PartialLists<S>(BTreeMap<(S, UserId), BlockList>);

impl<S> Default for PartialLists<S> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<S: Ord + Copy> PartialLists<S> {
    /// Adds a part; returns the list if it is complete. A list that is not completed gives way to one
    /// of another version.
    pub(in crate::core::fleet) fn add(&mut self, sender: S, part: BlockPart) -> Option<BlockList> {
        let BlockPart { user, version, blocked, is_last } = part;
        let begun = self.0.remove(&(sender, user)).filter(|list| list.version == version);
        let mut list = begun.unwrap_or(BlockList { version, ..BlockList::default() });
        list.blocked.extend(blocked);
        if is_last {
            return Some(list);
        }
        self.0.insert((sender, user), list);
        None
    }

    /// Forgets the lists of a sender that will not be completed.
    pub(in crate::core::fleet) fn forget(&mut self, sender: S) {
        self.0.retain(|(from, _), _| *from != sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(size: usize, version: u64) -> BlockList {
        let user = |n: usize| {
            let mut bytes = [0; 12];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            UserId::from_bytes(bytes)
        };
        BlockList { version, blocked: (0..size).map(user).collect() }
    }

    #[test]
    fn a_list_comes_together_from_its_parts() {
        let user = UserId::from_bytes([9; 12]);
        for (size, parts) in [(0, 1), (1, 1), (MAX_BLOCKS, 1), (MAX_BLOCKS + 1, 2), (1000, 32)] {
            let list = list(size, 7);
            let all = BlockPart::all_of(user, &list);
            assert_eq!(all.len(), parts);
            assert!(all.iter().all(BlockPart::is_bounded));
            let mut lists = PartialLists::default();
            let whole = all.into_iter().filter_map(|part| lists.add((), part));
            assert_eq!(whole.collect::<Vec<_>>(), [list]);
        }
    }

    /// A link was reset in the middle of a list, or another sender goes on.
    #[test]
    fn half_a_list_is_part_of_no_other() {
        let user = UserId::from_bytes([9; 12]);
        let half = BlockPart::all_of(user, &list(MAX_BLOCKS + 1, 7)).swap_remove(0);
        let other = |version| BlockPart::all_of(user, &list(1, version)).swap_remove(0);
        let mut lists = PartialLists::default();
        assert_eq!(lists.add(1, half.clone()), None);
        assert_eq!(lists.add(2, other(7)), Some(list(1, 7)));
        assert_eq!(lists.add(1, other(8)), Some(list(1, 8)));
        assert_eq!(lists.add(1, half), None);
        lists.forget(1);
        assert_eq!(lists.add(1, other(7)), Some(list(1, 7)));
    }
}
