//! The roll: the state of all connections and users of this node, for a new matcher.

use std::{collections::BTreeSet, time::Instant};

use meoww_proto::UserId;

use super::{Away, HubSide, LocalUser};
use crate::core::{
    fleet::{BlockPart, MAX_ENTRIES, Request, RollEntry, RollSeat, message::millis},
    lobby::ConnId,
    safety::BlockList,
};

impl HubSide {
    /// Returns the requests that make up the roll: waiters first, then members of rooms, then the
    /// others; at last the copies of rooms of other nodes. The state of a user follows the first
    /// connection of the user, and each one that waits for its room.
    pub(in crate::core::fleet) fn roll(
        &self,
        copies: Vec<RollEntry>,
        now: Instant,
    ) -> Vec<Request> {
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
            let is_resuming = matches!(report.seat, RollSeat::Resuming { .. });
            if (told.insert(report.user) || is_resuming)
                && let Some(user) = self.users.get(&report.user)
            {
                entries.extend(user.entries(report.user, now));
            }
        }
        entries.extend(self.away.iter().map(|(&(room, user), away)| {
            let Away { stranger, until } = *away;
            RollEntry::Away { room, user, stranger, left_ms: millis(until, now) }
        }));
        entries.extend(copies);
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
        if self.blocks != BlockList::default() {
            let parts = BlockPart::all_of(user, &self.blocks);
            entries.extend(parts.into_iter().map(RollEntry::Blocks));
        }
        let apart = self.apart.iter().filter(|(_, until)| *until > now);
        entries.extend(apart.map(|(other, until)| RollEntry::Apart {
            user,
            other: *other,
            left_ms: millis(*until, now),
        }));
        entries
    }
}
