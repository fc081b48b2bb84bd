//! Nodes that drain: their clients go on elsewhere, and then they end.

use rand::{RngExt, seq::IteratorRandom};

use super::World;
use crate::core::{
    fleet::NodeId,
    lobby::{self, ConnId, Departure},
};

/// Connections that go at once.
const BATCH: usize = 3;

impl World {
    /// Has a node queue its connections no more, if another goes on.
    pub(in super::super) fn drain(&mut self, node: NodeId) {
        let goes_on = |(id, it): (&NodeId, &super::Node)| *id != node && !it.is_draining;
        let has_other = self.nodes.iter().any(goes_on);
        let Some(known) = self.nodes.get_mut(&node).filter(|it| !it.is_paused && has_other) else {
            return;
        };
        known.is_draining = true;
        for client in self.clients.iter_mut().filter(|it| it.0.node() == Some(node)) {
            // Such a client goes first, and searches where it comes to.
            client.1.goes_on_searching |= std::mem::take(&mut client.1.is_searching);
            let user = client.1.user;
            self.left_at.insert(user, self.now);
        }
        for user in self.clients.values().map(|client| client.user).collect::<Vec<_>>() {
            self.excuse(user);
        }
        self.disturb();
        self.lobby(node, lobby::Input::Drain);
        if self.rng.random() {
            self.start_node();
        }
    }

    /// Some connections of a node that drains are closed, and their clients go on at others. It ends
    /// after the last.
    pub(in super::super) fn evacuate(&mut self) {
        let draining = self.nodes.iter().filter(|(_, it)| it.is_draining && !it.is_paused);
        let Some(node) = draining.map(|(id, _)| *id).choose(&mut self.rng) else { return };
        let of_node = self.clients.iter().filter(|(conn, _)| conn.node() == Some(node));
        let mut conns: Vec<ConnId> = of_node.map(|(conn, _)| *conn).collect();
        conns.sort_by_key(|conn| !self.clients[conn].goes_on_searching);
        if conns.is_empty() {
            self.crash(node);
            self.drained += 1;
            return;
        }
        for conn in conns.into_iter().take(BATCH) {
            let client = self.clients[&conn].clone();
            self.act(conn, lobby::Input::Disconnect(conn, Departure::Lost));
            let others = self.nodes.iter().filter(|(_, it)| !it.is_draining && !it.is_paused);
            let Some(other) = others.map(|(id, _)| *id).choose(&mut self.rng) else { continue };
            let conn = self.connect(other, client.user, client.room.map(|room| room.id));
            if let Some(conn) = conn.filter(|_| client.goes_on_searching) {
                self.act(conn, lobby::Input::Search(conn, client.criteria));
            }
        }
    }
}
