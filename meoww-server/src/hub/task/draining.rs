//! The end of a server that drains: connections go to another node, and those that stay are told.

use std::time::Duration;

use meoww_proto::error::SignalErrorCode;

use super::{Connected, Hub};
use crate::{
    clock,
    core::lobby::{ConnId, Input},
    hub::{evacuation::Evacuation, lead::Lead},
    send_queue::ConnectionEvent,
};

impl Hub {
    pub(super) fn drain(&mut self, grace: Duration) {
        self.goes_at = Some(clock::instant() + grace);
        // Those who wait for a partner go first: here they wait for nothing from now on.
        let searching = self.lead.searching();
        self.step(Input::Drain);
        if self.lead.node().is_some() {
            self.evacuation = Some(Evacuation::new(searching, clock::instant()));
        }
        self.warn_those_that_stay();
    }

    /// Has the next connections go to another node, if it is time.
    pub(super) fn evacuate(&mut self) {
        let (lead, now) = (&self.lead, clock::instant());
        let Some(evacuation) = self.evacuation.as_mut().filter(|it| it.is_due(now)) else { return };
        let has_elsewhere = lead.has_elsewhere();
        let may_go = |conn, known: &Connected| has_elsewhere && !is_bound(lead, conn, known);
        for conn in evacuation.next_of(&self.connections, may_go, now) {
            self.warn(conn);
            // It reports by itself that it is gone, and whether it may come back.
            self.closed(conn, SignalErrorCode::ShuttingDown);
        }
        // More of them where the last other node has gone.
        self.warn_those_that_stay();
    }

    fn warn_those_that_stay(&mut self) {
        let has_elsewhere = self.lead.has_elsewhere();
        let stay = self.connections.iter().filter(|(conn, known)| {
            !known.is_warned && (!has_elsewhere || is_bound(&self.lead, **conn, known))
        });
        let stay: Vec<ConnId> = stay.map(|(conn, _)| *conn).collect();
        for conn in stay {
            self.warn(conn);
        }
    }

    /// Tells a connection that the server goes, unless it knows.
    pub(super) fn warn(&mut self, conn: ConnId) {
        let seconds = self.seconds_left();
        let Some(known) = self.connections.get_mut(&conn) else { return };
        if !std::mem::replace(&mut known.is_warned, true) {
            let _ = known.send_queue.deliver(ConnectionEvent::Draining { seconds });
        }
    }
}

/// Whether a connection would lose its room on the way to another node.
fn is_bound(lead: &Lead, conn: ConnId, known: &Connected) -> bool {
    !known.can_resume && lead.is_seated(conn)
}
