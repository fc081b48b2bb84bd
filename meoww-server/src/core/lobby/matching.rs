//! Who is matched with whom, and when.

use std::time::Instant;

use meoww_proto::{RoomId, UserId, error::SignalErrorCode, tags::MAX_TAGS};
use rand::{Rng, RngExt};

use super::{
    ConnId, Effect, Lobby, MISMATCH_WAIT, REMATCH_WAIT, SearchCriteria, StepContext,
    queue::{Phase, Queue, QueuePosition, Ticket},
    rooms::Seat,
    users::{User, UserKey, Users},
};

impl Lobby {
    /// Without criteria, by those of the user's last search; its user asked at `asked`.
    pub(super) fn search(
        &mut self,
        conn: ConnId,
        criteria: Option<SearchCriteria>,
        asked: Instant,
        context: &mut StepContext<'_, impl Rng>,
    ) {
        let Some(&key) = self.connections.get(&conn) else { return };
        match self.seat_of(key) {
            Some(Seat::Taken(seated)) if seated == conn => return,
            Some(Seat::Taken(_)) => {
                let code = SignalErrorCode::InCallElsewhere;
                return context.effects.push(Effect::Refused(conn, code));
            }
            Some(Seat::Vacant { .. }) => self.leave_partner(key, context.now, context.effects),
            None => {}
        }
        if self.draining {
            return context.effects.push(Effect::Draining(conn));
        }
        let user = &mut self.users[key];
        user.criteria = criteria.unwrap_or(user.criteria);
        if let Some(ticket) = &mut user.ticket {
            let old = std::mem::replace(&mut ticket.conn, conn);
            if old != conn {
                context.effects.push(Effect::Refused(old, SignalErrorCode::TakenOver));
            }
            if ticket.criteria == user.criteria {
                context.effects.extend((old != conn).then_some(Effect::Searching(conn)));
                return;
            }
            self.withdraw(key);
        }
        let user = &self.users[key];
        let kept = self.kept_tickets.take(user.id, context.now);
        let ticket = match kept.filter(|kept| kept.criteria == user.criteria) {
            Some(mut kept) => {
                if kept.phase == Phase::Held {
                    kept.position = self.queue.next_position();
                }
                kept.moved_to(conn)
            }
            None => {
                let since = asked + user.pace.delay(asked);
                Ticket::new(conn, user.criteria, asked, since, self.queue.next_position())
            }
        };
        self.look_around(key, ticket, context);
        if self.users[key].ticket.is_some() {
            context.effects.push(Effect::Searching(conn));
        }
    }

    /// Lets everybody look around for whom something has changed by now.
    pub(super) fn wake_due(&mut self, context: &mut StepContext<'_, impl Rng>) {
        while !self.draining
            && let Some(key) = self.queue.due(context.now)
        {
            self.look_around_again(key, context);
        }
    }

    pub(super) fn look_around_again(
        &mut self,
        key: UserKey,
        context: &mut StepContext<'_, impl Rng>,
    ) {
        if let Some(mut ticket) = self.withdraw(key) {
            if ticket.phase == Phase::Held {
                ticket.position = self.queue.next_position();
            }
            self.look_around(key, ticket, context);
        }
    }

    /// Matches a user whose ticket is in no queue, or puts it in.
    pub(super) fn look_around(
        &mut self,
        key: UserKey,
        mut ticket: Ticket,
        context: &mut StepContext<'_, impl Rng>,
    ) {
        ticket.phase = ticket.phase_at(context.now);
        let (me, users) = (&self.users[key], &self.users);
        let mut seeker = Seeker { me, ticket: &ticket, users, now: context.now, retry: None };
        let partner = match ticket.phase {
            Phase::Held => None,
            Phase::Choosy => seeker.first_sharing(&self.queue),
            Phase::Open => {
                seeker.first_sharing(&self.queue).or_else(|| seeker.first(self.queue.open()))
            }
        };
        let retry = seeker.retry;
        match partner {
            Some((_, partner)) => self.meet(key, ticket, partner, context),
            None => {
                ticket.set_alarm(retry);
                self.queue.insert(key, &ticket);
                self.users[key].ticket = Some(ticket);
            }
        }
    }

    fn meet(
        &mut self,
        key: UserKey,
        ticket: Ticket,
        partner: UserKey,
        context: &mut StepContext<'_, impl Rng>,
    ) {
        let Some(theirs) = self.withdraw(partner) else { return };
        let id =
            RoomId::from_uuid(uuid::Builder::from_random_bytes(context.rng.random()).into_uuid());
        let [first, second] = [(partner, theirs), (key, ticket)];
        let members = [first, second].map(|(key, ticket)| (key, ticket.conn));
        let room = self.rooms.open(id, members, context.now);
        if let Some(tentative) = &mut self.tentative {
            tentative.insert(id, [theirs, ticket]);
        }
        let (initiator, other) =
            if context.rng.random() { (first, second) } else { (second, first) };
        // An offer must not overtake the news that there is a room.
        for (is_initiator, (me, mine), (them, theirs)) in
            [(false, other, initiator), (true, initiator, other)]
        {
            self.users[me].room = Some(room);
            context.effects.push(Effect::Matched {
                conn: mine.conn,
                room: id,
                is_initiator,
                partner: theirs.conn,
                stranger: self.users[them].id,
                waited: context.now.saturating_duration_since(mine.asked),
            });
        }
    }

    /// Takes the user out of the queue.
    pub(super) fn withdraw(&mut self, key: UserKey) -> Option<Ticket> {
        let ticket = self.users[key].ticket.take()?;
        self.queue.remove(&ticket);
        Some(ticket)
    }

    /// Takes the user out of the queue, if this connection is the one that waits.
    pub(super) fn stop_waiting(&mut self, conn: ConnId) {
        let Some(&key) = self.connections.get(&conn) else { return };
        if self.users[key].ticket.is_some_and(|ticket| ticket.conn == conn) {
            self.withdraw(key);
        }
    }

    pub(super) fn block(
        &mut self,
        user: UserId,
        blocked: UserId,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.users.key_of(user) else { return };
        self.users[key].blocks.insert(blocked);
        let partner = self.users[key].room.map(|room| self.rooms[room].seen_by(key).1.user);
        if partner.is_some_and(|partner| self.users[partner].id == blocked) {
            self.leave_partner(key, now, effects);
        }
    }

    pub(super) fn unblock(
        &mut self,
        user: UserId,
        blocked: UserId,
        context: &mut StepContext<'_, impl Rng>,
    ) {
        let Some(key) = self.users.key_of(user) else { return };
        if self.users[key].blocks.remove(&blocked) && !self.draining {
            self.look_around_again(key, context);
        }
    }

    pub(super) fn keep_apart(&mut self, user: UserId, other: UserId, now: Instant) {
        if let Some(key) = self.users.key_of(user) {
            self.users[key].keep_apart(other, now + MISMATCH_WAIT);
        }
    }
}

/// One who looks around among those who wait.
struct Seeker<'a> {
    me: &'a User,
    ticket: &'a Ticket,
    users: &'a Users,
    now: Instant,
    /// When somebody passed over so far may be met after all.
    retry: Option<Instant>,
}

impl Seeker<'_> {
    /// Of those with a common interest, the first whom the seeker may meet by now.
    fn first_sharing(&mut self, queue: &Queue) -> Option<(QueuePosition, UserKey)> {
        // Each look-up misses the caches: without other work between them, they overlap.
        let mut shared = [None; MAX_TAGS];
        for (shared, interest) in shared.iter_mut().zip(self.ticket.criteria.interests()) {
            *shared = queue.sharing(*interest);
        }
        let mut first = None;
        for sharing in shared.into_iter().flatten() {
            // Who shares one interest often shares the next, and is looked at once.
            let before = sharing.iter().take_while(|one| first.is_none_or(|it| *one < it));
            first = self.first(before).or(first);
        }
        first
    }

    /// The first whom the seeker may meet by now.
    fn first(
        &mut self,
        mut candidates: impl Iterator<Item = (QueuePosition, UserKey)>,
    ) -> Option<(QueuePosition, UserKey)> {
        candidates.find(|(_, candidate)| match self.earliest_meeting(&self.users[*candidate]) {
            Some(at) if at > self.now => {
                self.retry = self.retry.into_iter().chain([at]).min();
                false
            }
            Some(_) => true,
            None => false,
        })
    }

    /// When the two may meet, if ever.
    fn earliest_meeting(&self, other: &User) -> Option<Instant> {
        let (me, since) = (self.me, self.ticket.since.max(other.ticket?.since));
        if me.blocks.contains(&other.id) || other.blocks.contains(&me.id) {
            return None;
        }
        let just_parted = me.last_partner == Some(other.id) || other.last_partner == Some(me.id);
        let since = if just_parted { since + REMATCH_WAIT } else { since };
        let apart = [me.apart_until(other.id), other.apart_until(me.id)];
        Some(apart.into_iter().flatten().fold(since, Instant::max))
    }
}
