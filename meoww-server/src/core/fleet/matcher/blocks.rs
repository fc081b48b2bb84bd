//! Blocks: the lobby has the last list of each user, in whatever order nodes tell them.

use std::collections::BTreeSet;

use meoww_proto::UserId;
use rand::Rng;

use super::{Matcher, Step};
use crate::core::{
    fleet::{BlockPart, NodeId, Order},
    lobby,
    safety::BlockList,
};

impl Matcher {
    /// Takes a part of the blocks of a user, and the list once it is complete.
    pub(super) fn take_blocks(
        &mut self,
        node: NodeId,
        part: BlockPart,
        step: &mut Step<'_, impl Rng>,
    ) {
        let user = part.user;
        if let Some(list) = self.partial_lists.add(node, part) {
            self.renew_blocks(node, user, &list, step);
        }
    }

    /// Brings the lobby to the blocks of a user, unless it has those of a later version: nodes read
    /// them on their own, and what they tell comes in any order. Other nodes of the user are told, as
    /// their rolls tell it to the next matcher.
    fn renew_blocks(
        &mut self,
        node: NodeId,
        user: UserId,
        list: &BlockList,
        step: &mut Step<'_, impl Rng>,
    ) {
        let known: BTreeSet<UserId> = self.lobby.blocks_of(user).collect();
        if !self.lobby.renews_blocks(user, list.version) || known == list.blocked {
            return;
        }
        for blocked in list.blocked.difference(&known).copied() {
            self.undo_between(user, blocked, step);
            self.input(lobby::Input::Block { user, blocked }, step);
        }
        for blocked in known.difference(&list.blocked).copied() {
            self.input(lobby::Input::Unblock { user, blocked }, step);
        }
        let conns = self.lobby.connections_of(user).iter();
        let others: BTreeSet<NodeId> = conns.filter_map(|conn| conn.node()).collect();
        for other in others.into_iter().filter(|other| *other != node) {
            let parts = BlockPart::all_of(user, list).into_iter();
            step.orders.extend(parts.map(|part| (other, Order::Blocks(part))));
        }
    }
}
