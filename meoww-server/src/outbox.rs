//! What a connection is to be told: a bounded queue that whoever cannot keep up is cut from.

use meoww_proto::{RoomId, error::SignalErrorCode, signal::Relay};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

/// Deliveries that may wait for a connection: more than a partner may send at once, so that only a
/// reader who stays behind is cut.
const CAPACITY: usize = 512;

/// News for one connection.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// The connection is known, and perhaps back in a room.
    Welcome(Option<Present>),
    /// It is in the queue.
    Searching,
    /// It is in a room.
    Matched { room: RoomId, is_initiator: bool, partner: Outbox },
    /// Its partner is now elsewhere.
    PartnerMoved { room: RoomId, partner: Outbox },
    /// A room is over.
    RoomOver { room: RoomId },
    /// Something was not done, or is no longer.
    Refused(SignalErrorCode),
    /// Another connection took its place.
    Displaced,
    /// From the partner, who believed to share this room.
    Relay(Relay),
}

/// The room a connection is in, and the way to the partner unless that one is away for a moment.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) room: RoomId,
    pub(crate) partner: Option<Outbox>,
}

/// The way to one connection.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Delivery>,
    cut: CancellationToken,
}

impl Outbox {
    /// A fresh queue and the end its connection reads.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Delivery>) {
        let (queue, inbox) = mpsc::channel(CAPACITY);
        (Self { queue, cut: CancellationToken::new() }, inbox)
    }

    /// Queues a delivery, never waiting: a connection whose queue is full is cut. Says whether it
    /// was queued.
    pub(crate) fn deliver(&self, delivery: Delivery) -> bool {
        match self.queue.try_send(delivery) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.cut.cancel();
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Completes when the connection has been cut.
    pub(crate) async fn cut(&self) {
        self.cut.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn who_stays_behind_is_cut() {
        let (outbox, mut inbox) = Outbox::new();
        for _ in 0..CAPACITY {
            assert!(outbox.deliver(Delivery::Searching));
        }
        assert!(outbox.cut().now_or_never().is_none(), "a full queue is not yet too much");
        assert!(!outbox.deliver(Delivery::Searching));
        assert!(outbox.cut().now_or_never().is_some());
        assert!(inbox.recv().await.is_some());
        drop(inbox);
        assert!(!outbox.deliver(Delivery::Searching), "gone");
    }
}
