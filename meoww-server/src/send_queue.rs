//! What a connection is to be told: a bounded queue that whoever cannot keep up is cut from.

use std::{sync::Arc, time::Duration};

use meoww_proto::{
    RoomId, UserId,
    error::SignalErrorCode,
    signal::{Presence, Relay, RelayPayload},
};
use tokio::sync::Notify;

pub(crate) use crate::queue::NotQueued;
use crate::{
    core::lobby::ConnId,
    queue::{self, Bounds},
};

/// Events that may wait for a connection: more than a partner may send at once, so that only a
/// reader who stays behind is cut.
const CAPACITY: usize = 512;
/// Bytes of relays among them: many times what two clients say to set up a call.
const CAPACITY_BYTES: usize = 1024 * 1024;
/// How long the last words may take, whatever waits before them: a client that takes in a little
/// now and then would stay for as long as it likes.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// News for one connection.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    /// The connection is known, and perhaps back in a room.
    Welcome(Option<CurrentRoom>),
    /// It is in the queue.
    Searching,
    /// It is in a room.
    Matched { room: RoomId, is_initiator: bool, stranger: UserId, partner: Partner },
    /// Its partner is now elsewhere.
    PartnerMoved { room: RoomId, partner: Partner },
    /// Its partner, on another node, cannot be reached for the time being.
    PartnerAway { room: RoomId },
    /// A room is over.
    RoomOver { room: RoomId },
    /// Something was not done, or is no longer.
    Refused(SignalErrorCode),
    /// It is over, and the hub has already forgotten it: nothing comes after this.
    Closed(SignalErrorCode),
    /// How many there are.
    Presence(Presence),
    /// From the operator to everybody.
    Notice(Arc<str>),
    /// The server goes after so many seconds, and matches nobody until then.
    Draining { seconds: u32 },
    /// From the partner, who believed to share this room.
    Relay(Relay),
}

/// The room a connection is in, and the way to the partner unless that one is away for a moment.
#[derive(Debug)]
pub(crate) struct CurrentRoom {
    pub(crate) room: RoomId,
    /// Who the partner is. Never told to the client.
    pub(crate) stranger: UserId,
    pub(crate) partner: Option<Partner>,
}

/// The way to a partner.
#[derive(Debug, Clone)]
pub(crate) enum Partner {
    /// To one on this server.
    Here(SendQueue),
    /// To one on another node, through the hub.
    There { from: ConnId, to: ConnId, relays: queue::Sender<RemoteRelay> },
}

/// What a connection of this node relays to a partner on another.
#[derive(Debug)]
pub(crate) struct RemoteRelay {
    pub(crate) from: ConnId,
    pub(crate) to: ConnId,
    pub(crate) relay: Relay,
}

impl Partner {
    /// Queues a relay, never waiting.
    pub(crate) fn deliver(&self, relay: Relay) -> Result<(), NotQueued> {
        match self {
            Self::Here(send_queue) => send_queue.deliver(ConnectionEvent::Relay(relay)),
            Self::There { from, to, relays } => {
                let bytes = relay_bytes(&relay);
                relays.push(RemoteRelay { from: *from, to: *to, relay }, bytes)
            }
        }
    }
}

impl RemoteRelay {
    /// Where all relays of a node wait for its hub: more than it does in a second.
    pub(crate) fn queue() -> (queue::Sender<Self>, queue::Receiver<Self>) {
        queue::bounded(Bounds { items: 64 * CAPACITY, bytes: 16 * CAPACITY_BYTES })
    }
}

/// What a partner may make as large as the bounds of a relay allow.
pub(crate) fn relay_bytes(relay: &Relay) -> usize {
    match &relay.payload {
        RelayPayload::Offer(json) | RelayPayload::Answer(json) | RelayPayload::Candidate(json) => {
            json.get().len()
        }
        RelayPayload::Chat(text) => text.len(),
    }
}

impl ConnectionEvent {
    /// See [`relay_bytes`].
    fn bytes(&self) -> usize {
        match self {
            Self::Relay(relay) => relay_bytes(relay),
            Self::Welcome(_)
            | Self::Searching
            | Self::Matched { .. }
            | Self::PartnerMoved { .. }
            | Self::PartnerAway { .. }
            | Self::RoomOver { .. }
            | Self::Refused(_)
            | Self::Presence(_)
            | Self::Notice(_)
            | Self::Draining { .. }
            | Self::Closed(_) => 0,
        }
    }
}

/// The way to one connection.
#[derive(Debug, Clone)]
pub(crate) struct SendQueue {
    queue: queue::Sender<ConnectionEvent>,
    end: Arc<End>,
}

/// The end a connection reads.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: queue::Receiver<ConnectionEvent>,
    end: Arc<End>,
}

/// Kept for whoever waits for it later.
#[derive(Debug, Default)]
struct End {
    cut: Notify,
    closed: Notify,
}

impl Inbox {
    /// The next delivery; it takes as long as it takes. Cancel safe.
    pub(crate) async fn recv(&mut self) -> ConnectionEvent {
        self.queue.recv().await
    }

    /// The next delivery, if one waits.
    pub(crate) fn try_recv(&mut self) -> Option<ConnectionEvent> {
        self.queue.try_recv()
    }

    /// What completes when the connection has been cut, or was closed and is still there; one of
    /// them may be waited for at a time.
    pub(crate) fn cut(&self) -> impl Future<Output = ()> + use<> {
        let end = self.end.clone();
        async move {
            let overdue = async {
                end.closed.notified().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                () = end.cut.notified() => {}
                () = overdue => {}
            }
        }
    }
}

impl SendQueue {
    /// A fresh queue and the end its connection reads.
    pub(crate) fn new() -> (Self, Inbox) {
        let (queue, inbox) = queue::bounded(Bounds { items: CAPACITY, bytes: CAPACITY_BYTES });
        let end = Arc::new(End::default());
        (Self { queue, end: end.clone() }, Inbox { queue: inbox, end })
    }

    /// Queues a delivery, never waiting: a connection whose queue is full is cut.
    pub(crate) fn deliver(&self, event: ConnectionEvent) -> Result<(), NotQueued> {
        let bytes = event.bytes();
        if matches!(event, ConnectionEvent::Closed(_)) {
            self.end.closed.notify_one();
        }
        let queued = self.queue.push(event, bytes);
        if queued == Err(NotQueued::Full) {
            self.end.cut.notify_one();
        }
        queued
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn who_stays_behind_is_cut() {
        let (send_queue, mut inbox) = SendQueue::new();
        for _ in 0..CAPACITY {
            assert!(send_queue.deliver(ConnectionEvent::Searching).is_ok());
        }
        assert!(inbox.cut().now_or_never().is_none(), "a full queue is not yet too much");
        assert_eq!(send_queue.deliver(ConnectionEvent::Searching), Err(NotQueued::Full));
        assert!(inbox.cut().now_or_never().is_some());
        inbox.recv().await;
        drop(inbox);
        assert_eq!(send_queue.deliver(ConnectionEvent::Searching), Err(NotQueued::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_closed_and_does_not_take_it_in_is_cut() {
        let (send_queue, inbox) = SendQueue::new();
        let mut cut = std::pin::pin!(inbox.cut());
        assert!(send_queue.deliver(ConnectionEvent::Searching).is_ok());
        assert!(tokio::time::timeout(LAST_WORDS, &mut cut).await.is_err(), "a connection lasts");
        assert!(send_queue.deliver(ConnectionEvent::Closed(SignalErrorCode::TakenOver)).is_ok());
        assert!((&mut cut).now_or_never().is_none(), "it is told first");
        assert!(tokio::time::timeout(LAST_WORDS * 4, &mut cut).await.is_ok(), "it stays");
    }

    #[tokio::test]
    async fn few_but_large_deliveries_are_too_much_as_well() {
        let room_id = RoomId::from_uuid(uuid::Uuid::nil());
        let large = |bytes| {
            let payload = RelayPayload::Chat("x".repeat(bytes));
            ConnectionEvent::Relay(Relay { room_id, payload })
        };
        let (send_queue, mut inbox) = SendQueue::new();
        for round in 0..3 {
            for _ in 0..4 {
                assert!(send_queue.deliver(large(CAPACITY_BYTES / 4)).is_ok(), "{round}");
            }
            assert!(
                send_queue.deliver(ConnectionEvent::Searching).is_ok(),
                "our own words weigh nothing"
            );
            for _ in 0..5 {
                inbox.recv().await;
            }
        }
        assert!(send_queue.deliver(large(CAPACITY_BYTES)).is_ok());
        assert!(inbox.cut().now_or_never().is_none(), "a full queue is not yet too much");
        assert_eq!(send_queue.deliver(large(1)), Err(NotQueued::Full));
        assert!(inbox.cut().now_or_never().is_some());
    }
}
