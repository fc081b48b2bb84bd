//! What nodes say to each other beside matching: whose sessions ended, and what operators ask.

use std::collections::HashMap;

use meoww_proto::UserId;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::core::fleet::{Message, NodeId};

/// Messages of other nodes that may wait to be read.
const CAPACITY: usize = 1024;

/// An operator's question from another node.
pub(crate) struct Question {
    pub(crate) from: NodeId,
    /// Of the answer, too.
    pub(crate) id: u64,
    pub(crate) text: String,
}

/// The messages of other nodes, for the services that act on them.
pub(super) struct PeerInbox {
    pub(super) revoked: Mutex<mpsc::Receiver<UserId>>,
    pub(super) questions: Mutex<mpsc::Receiver<Question>>,
}

/// The hub's part of the talk between nodes.
pub(super) struct PeerMessages {
    revoked: mpsc::Sender<UserId>,
    questions: mpsc::Sender<Question>,
    /// Questions of this node, and where their answers go.
    asked: HashMap<u64, oneshot::Sender<String>>,
    last_id: u64,
}

impl PeerMessages {
    pub(super) fn new() -> (Self, PeerInbox) {
        let (revoked, revocations) = mpsc::channel(CAPACITY);
        let (questions, incoming) = mpsc::channel(CAPACITY);
        let inbox = PeerInbox { revoked: Mutex::new(revocations), questions: Mutex::new(incoming) };
        (Self { revoked, questions, asked: HashMap::new(), last_id: 0 }, inbox)
    }

    /// Passes on the message of another node. A message without room is dropped: the poll of the
    /// database finds revocations, and a question is not answered in time.
    pub(super) fn take(&mut self, from: NodeId, message: Message) {
        match message {
            Message::Revoked(user) => drop(self.revoked.try_send(user)),
            Message::Question { id, text } => {
                drop(self.questions.try_send(Question { from, id, text }));
            }
            Message::Answer { id, text } => {
                // The operator may have gone away.
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
