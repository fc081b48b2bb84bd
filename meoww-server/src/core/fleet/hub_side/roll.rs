//! The roll: all that this node holds, for a new matcher.

use std::{collections::BTreeSet, time::Instant};

use meoww_proto::UserId;

use super::{Away, HubSide, LocalUser};
use crate::core::{
    fleet::{MAX_BLOCKS, MAX_ENTRIES, Request, RollEntry, RollSeat, message::millis},
    lobby::ConnId,
};

impl HubSide {
    /// Returns the requests that make up the roll: who waits first, then who is in a room, then the
    /// others, and what is known of their users.
    pub(in crate::core::fleet) fn roll(&self, now: Instant) -> Vec<Request> {
        let mut conns: Vec<ConnId> = self.conns.keys().copied().collect();
        conns.sort_unstable();
        let mut reports: Vec<_> =
            conns.into_iter().filter_map(|conn| self.report(conn, now)).collect();
        reports.sort_by_key(|report| match report.seat {
            RollSeat::Waiting { .. } => 0,
            RollSeat::Seated { .. } => 1,
            RollSeat::Resuming { .. } | RollSeat::Idle => 2,
        });
        let (mut entries, mut told) = (Vec::new(), BTreeSet::new());
        for report in reports {
            entries.push(RollEntry::Conn(report));
            if told.insert(report.user)
                && let Some(user) = self.users.get(&report.user)
            {
                entries.extend(user.entries(report.user, now));
            }
        }
        entries.extend(self.away.iter().map(|(room, away)| {
            let Away { user, stranger, until } = *away;
            RollEntry::Away { room: *room, user, stranger, left_ms: millis(until, now) }
        }));
        let parts = entries.chunks(MAX_ENTRIES).map(|part| Request::Roll(part.to_vec()));
        [Request::RollBegin].into_iter().chain(parts).chain([Request::RollEnd]).collect()
    }
}

impl LocalUser {
    fn entries(&self, user: UserId, now: Instant) -> Vec<RollEntry> {
        let owed = u32::try_from(self.pace.owed(now).as_millis()).unwrap_or(u32::MAX);
        let mut entries = Vec::new();
        if owed > 0 || self.last_partner.is_some() {
            let last_partner = self.last_partner;
            entries.push(RollEntry::User { user, owed_ms: owed, last_partner });
        }
        let blocks: Vec<UserId> = self.blocks.iter().copied().collect();
        let parts = blocks.chunks(MAX_BLOCKS);
        entries.extend(parts.map(|part| RollEntry::Blocks { user, blocked: part.to_vec() }));
        let apart = self.apart.iter().filter(|(_, until)| *until > now);
        entries.extend(apart.map(|(other, until)| RollEntry::Apart {
            user,
            other: *other,
            left_ms: millis(*until, now),
        }));
        entries
    }
}
