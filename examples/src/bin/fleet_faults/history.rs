//! The events that users saw, and when.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use meoww_proto::RoomId;

/// One user's view of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// Since the history began.
    pub(crate) at: Duration,
    /// The number of the user.
    pub(crate) who: usize,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A connection is welcomed, with the room that it takes up again.
    Up(Option<RoomId>),
    /// The connection is gone.
    Down,
    /// A partner is asked for.
    Searching,
    /// The server says that it does not search for this user.
    Refused,
    /// A partner is found.
    Matched(RoomId),
    /// The user leaves the room.
    Left(RoomId),
    /// The server says that the room is over.
    Over(RoomId),
    /// A new connection was welcomed without the room of the last one.
    Forgotten(RoomId),
    /// A line of the partner came, which names the room and the user it was said by.
    Heard { room: RoomId, said_in: RoomId, by: usize },
    /// The user asks never to meet the partner again.
    Blocks(RoomId),
    /// And that is so.
    Blocked(RoomId),
}

/// Where all users write.
pub(crate) struct History {
    began: Instant,
    events: Mutex<Vec<Event>>,
}

impl History {
    pub(crate) fn begin() -> Self {
        Self { began: crate::clock(), events: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn note(&self, who: usize, what: What) {
        let mut events = self.events.lock().expect("no writer panics");
        events.push(Event { at: self.now(), who, what });
    }

    /// In the order in which they happened.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no writer panics").clone()
    }

    /// How many matches there were so far, counted once for each side.
    pub(crate) fn matches(&self) -> usize {
        let events = self.events.lock().expect("no writer panics");
        events.iter().filter(|event| matches!(event.what, What::Matched(_))).count()
    }
}
