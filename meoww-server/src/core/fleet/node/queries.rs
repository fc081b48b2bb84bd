//! Queries: the state of this node, and presence on all nodes.

use meoww_proto::UserId;

use super::{Fleet, clamp};
use crate::core::{
    fleet::{NodeId, Term, matcher::Matcher, packet::Count},
    lobby::{ConnId, Counts, RoomInfo},
};

impl Fleet {
    /// Returns the id of this node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    /// Returns the connections of a user to this node, oldest first.
    pub fn connections_of(&self, user: UserId) -> &[ConnId] {
        self.hub.connections_of(user)
    }

    /// Returns the number of users on all nodes, as far as this one knows.
    pub fn presence(&self) -> Count {
        let own = Count { online: clamp(self.hub.users()), searching: 0 };
        self.count.unwrap_or(own)
    }

    /// Returns the counts of this node alone.
    pub fn counts(&self) -> Counts {
        self.hub.counts()
    }

    /// Returns the number of this node's connections.
    pub fn connections(&self) -> usize {
        self.hub.connections()
    }

    /// Returns the highest term that this node follows.
    pub fn term(&self) -> Option<Term> {
        self.election.promised()
    }

    /// Returns whether this node is the matcher and has the rolls of all hubs.
    pub fn is_matching(&self) -> bool {
        self.matcher.as_ref().is_some_and(Matcher::has_begun)
    }

    /// Returns the rooms with a member on this node; twice where both members are.
    pub fn rooms(&self) -> impl Iterator<Item = RoomInfo> {
        self.hub.rooms()
    }

    /// Returns whether a connection of this node is in a room.
    pub fn is_seated(&self, conn: ConnId) -> bool {
        self.hub.is_seated(conn)
    }

    /// Returns whether a connection of this node is in a room, or asks whether it still is.
    pub fn has_seated(&self) -> bool {
        self.hub.has_seated()
    }

    /// Returns whether this node keeps the seat of a connection that was lost.
    pub fn has_away(&self) -> bool {
        self.hub.has_away()
    }

    /// Returns the connections of this node that are in the queue, in no order.
    pub fn searching(&self) -> impl Iterator<Item = ConnId> {
        self.hub.searching()
    }

    /// Returns the other nodes: those that are up, and those that went silent lately without a word.
    pub fn known_nodes(&self) -> impl Iterator<Item = NodeId> {
        let known = self.links.iter().filter(|(_, link)| link.is_up() || !link.is_leaving);
        known.map(|(node, _)| *node)
    }

    /// Returns the other nodes that are up, and whether each is draining.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, bool)> {
        let up = self.links.iter().filter(|(_, link)| link.is_up());
        up.map(|(node, link)| (*node, link.is_leaving))
    }
}
