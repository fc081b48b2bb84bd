//! What nodes say to each other beside matching: whose sessions ended, and what operators ask.

use std::collections::HashMap;

use meoww_proto::UserId;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::core::fleet::{Message, NodeId};

/// Words of other nodes that may wait for who heeds them.
const CAPACITY: usize = 1024;

/// An operator's question from another node.
pub(crate) struct Question {
    pub(crate) from: NodeId,
    /// Of the answer, too.
    pub(crate) id: u64,
    pub(crate) text: String,
}

/// The end of those who heed what other nodes say.
pub(super) struct Heard {
    pub(super) revoked: Mutex<mpsc::Receiver<UserId>>,
    pub(super) questions: Mutex<mpsc::Receiver<Question>>,
}

/// The hub's end.
pub(super) struct Words {
    revoked: mpsc::Sender<UserId>,
    questions: mpsc::Sender<Question>,
    /// Questions of this node and who waits for the answer.
    asked: HashMap<u64, oneshot::Sender<String>>,
    last_id: u64,
}

impl Words {
    pub(super) fn new() -> (Self, Heard) {
        let (revoked, revocations) = mpsc::channel(CAPACITY);
        let (questions, incoming) = mpsc::channel(CAPACITY);
        let heard = Heard { revoked: Mutex::new(revocations), questions: Mutex::new(incoming) };
        (Self { revoked, questions, asked: HashMap::new(), last_id: 0 }, heard)
    }

    /// Passes on what another node said. What finds no room is dropped: the poll of the database finds
    /// revocations, and who asked is not answered in time.
    pub(super) fn take(&mut self, from: NodeId, message: Message) {
        match message {
            Message::Revoked(user) => drop(self.revoked.try_send(user)),
            Message::Question { id, text } => {
                drop(self.questions.try_send(Question { from, id, text }));
            }
            Message::Answer { id, text } => {
                // Who asked may have gone away.
                self.asked.remove(&id).map(|asker| asker.send(text));
            }
            Message::Request(..)
            | Message::Order(..)
            | Message::Relay { .. }
            | Message::NotHere { .. }
            | Message::Shared(_)
            | Message::Copies(_) => {}
        }
    }

    /// Makes a question of `text`; `asker` is told the answer.
    pub(super) fn ask(&mut self, text: String, asker: oneshot::Sender<String>) -> Message {
        self.asked.retain(|_, asker| !asker.is_closed());
        self.last_id += 1;
        self.asked.insert(self.last_id, asker);
        Message::Question { id: self.last_id, text }
    }
}
