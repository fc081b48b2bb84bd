//! The task that owns the [`Lobby`](crate::core::lobby::Lobby), or this node's part of a fleet. It hands
//! the requests of connections to the lobby, and carries out its effects. Relays between connections of
//! this server do not pass through the hub: each match gives either connection a way to the other.

mod evacuation;
pub(crate) mod lead;
mod message;
mod nodes;
mod task;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use time::OffsetDateTime;
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot};

use self::{
    lead::Lead,
    message::HubMessage,
    nodes::{PeerInbox, PeerMessages},
};
pub(crate) use self::{
    message::{ConnectionSelector, OpenRoom, Resumption, RoomsAfter, Standing},
    nodes::Question,
};
use crate::{
    core::{
        fleet::NodeId,
        lobby::{ConnId, Counts, Departure, Input},
        safety::{Block, BlockList},
        session::SessionId,
    },
    metrics::Sockets,
    send_queue::SendQueue,
    store::{Arrival, Store, StoreError},
    tokens::Bearer,
};

/// Reports that may wait; beyond it connections wait with theirs.
const CAPACITY: usize = 1024;

/// How connections reach the hub. It ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct HubHandle {
    messages: mpsc::Sender<HubMessage>,
    next_conn: Arc<AtomicU64>,
    pub(crate) metrics: Arc<Sockets>,
    /// Where it is kept who is never to meet whom.
    store: Store,
    block_order: Arc<BlockOrder>,
    /// This node of a fleet, if it is one.
    node: Option<NodeId>,
    peer_inbox: Arc<PeerInbox>,
}

/// Keeps the lobby's blocks of a user in the order of those on disk: each reading or writing of them
/// is reported before the next begins. Users share a lock with one in so many.
struct BlockOrder([Mutex<()>; 64]);

impl BlockOrder {
    async fn of(&self, user: UserId) -> MutexGuard<'_, ()> {
        let Self(locks) = self;
        // The end of an id counts up or is random.
        let [.., last] = user.as_bytes();
        locks[usize::from(*last) % locks.len()].lock().await
    }
}

/// A connection the hub knows of.
pub(crate) struct Connected {
    pub(crate) conn: ConnId,
    /// When its session ends unless it is refreshed; `None` if it has ended by now.
    pub(crate) session_end: Option<OffsetDateTime>,
}

impl HubHandle {
    /// Makes a connection known, and whom its user is never to meet; `None` if it cannot be.
    pub(crate) async fn connect(
        &self,
        bearer: Bearer,
        resumption: Resumption,
        send_queue: SendQueue,
    ) -> Option<Connected> {
        let conn = ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed));
        self.messages
            .send(HubMessage::Connected { conn, bearer, resumption, send_queue })
            .await
            .ok()?;
        let Bearer { user, session } = bearer;
        let _order = self.block_order.of(user).await;
        // Not before: what is decided from now on reaches the lobby by itself.
        match self.store.arrival(user, session).await {
            Ok(Arrival { session_end, blocks }) => {
                if blocks != BlockList::default() {
                    self.send(HubMessage::Blocks { user, list: blocks }).await;
                }
                Some(Connected { conn, session_end })
            }
            Err(error) => {
                tracing::error!(%error, "store could not read the blocks of a user");
                self.send_input(Input::Disconnect(conn, Departure::Lost)).await;
                None
            }
        }
    }

    /// Keeps a user for ever from meeting another: on disk first, then in the lobby.
    pub(crate) async fn block(&self, user: UserId, block: Block) -> Result<(), StoreError> {
        let _order = self.block_order.of(user).await;
        self.store.add_block(user, block).await?;
        self.tell_blocks(user).await
    }

    /// Takes back the block a user made in this room; `false` if there is none.
    pub(crate) async fn unblock(&self, user: UserId, room: RoomId) -> Result<bool, StoreError> {
        let _order = self.block_order.of(user).await;
        let is_removed = self.store.remove_block(user, room).await?.is_some();
        self.tell_blocks(user).await?;
        Ok(is_removed)
    }

    /// Brings the lobby's blocks of a user to what the database has.
    pub(crate) async fn renew_blocks(&self, user: UserId) -> Result<(), StoreError> {
        let _order = self.block_order.of(user).await;
        self.tell_blocks(user).await
    }

    /// Reads the blocks of a user, in whose order this is, and reports them.
    async fn tell_blocks(&self, user: UserId) -> Result<(), StoreError> {
        let list = self.store.block_list(user).await?;
        self.send(HubMessage::Blocks { user, list }).await;
        Ok(())
    }

    /// Reports what a connection did.
    pub(crate) async fn send_input(&self, input: Input) {
        self.send(HubMessage::Happened(input)).await;
    }

    /// Reports what a connection asked for, and returns whether the lobby did it. What the client is
    /// told of it comes to its outbox as always.
    pub(crate) async fn ask(&self, conn: ConnId, input: Input) -> Result<(), SignalErrorCode> {
        let (answer, answered) = oneshot::channel();
        self.send(HubMessage::Asked(conn, input, answer)).await;
        // A hub that has failed takes the server down with it.
        answered.await.unwrap_or(Err(SignalErrorCode::ShuttingDown))
    }

    /// Closes connections and says why. Their rooms are over at once.
    pub(crate) async fn close(&self, selector: ConnectionSelector, reason: SignalErrorCode) {
        self.send(HubMessage::Close { selector, reason }).await;
    }

    /// Closes connections of a user to this node whose session is none of these.
    pub(crate) async fn close_all_but(
        &self,
        user: UserId,
        live: Vec<SessionId>,
        reason: SignalErrorCode,
    ) {
        self.send(HubMessage::CloseAllBut { user, live, reason }).await;
    }

    /// Returns the next user of whom another node says that sessions ended. One task may ask.
    pub(crate) async fn next_revoked(&self) -> Option<UserId> {
        self.peer_inbox.revoked.lock().await.recv().await
    }

    /// Those of these users who have a connection to this server.
    pub(crate) async fn of_these(&self, users: BTreeSet<UserId>) -> BTreeSet<UserId> {
        if users.is_empty() {
            return users;
        }
        self.inquire(|answer| HubMessage::OfThese(users, answer)).await
    }

    /// This node of a fleet; `None` of a server that runs alone.
    pub(crate) fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// The other nodes that were heard of lately.
    pub(crate) async fn other_nodes(&self) -> Vec<NodeId> {
        self.inquire(HubMessage::ListNodes).await
    }

    /// Asks another node, and waits for its answer however long it takes; `None` if the hub is gone.
    pub(crate) async fn ask_node(&self, node: NodeId, text: String) -> Option<String> {
        let (answer, answered) = oneshot::channel();
        self.send(HubMessage::AskNode(node, text, answer)).await;
        answered.await.ok()
    }

    /// Returns the next question of another node. One task may ask.
    pub(crate) async fn next_question(&self) -> Option<Question> {
        self.peer_inbox.questions.lock().await.recv().await
    }

    /// Answers the question of another node.
    pub(crate) async fn answer_node(&self, question: Question, text: String) {
        self.send(HubMessage::AnswerNode(question, text)).await;
    }

    /// Says something to everybody.
    pub(crate) async fn broadcast(&self, text: String) {
        self.send(HubMessage::Broadcast(text.into())).await;
    }

    /// Matches nobody from now on, and tells everybody that the server goes after `grace`. Where there
    /// is another node to go to, connections are told and closed a few at a time; one that cannot take
    /// up its room there is told at once, and closed when its room is over.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.send(HubMessage::Drain(grace)).await;
    }

    /// How many there are on this server; nothing if the hub is gone.
    pub(crate) async fn counts(&self) -> Counts {
        self.inquire(HubMessage::Count).await
    }

    /// How things stand with this node; of a server that runs alone, only whether it has rooms.
    pub(crate) async fn standing(&self) -> Standing {
        self.inquire(HubMessage::Describe).await
    }

    /// Rooms with a member on this server.
    pub(crate) async fn rooms(&self, which: RoomsAfter) -> Vec<OpenRoom> {
        self.inquire(|answer| HubMessage::ListRooms(which, answer)).await
    }

    /// Makes the hub's task panic.
    #[cfg(test)]
    pub(crate) async fn fail(&self) {
        self.send(HubMessage::Fail).await;
    }

    async fn inquire<T: Default>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> HubMessage,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        self.send(question(answer)).await;
        answered.await.unwrap_or_default()
    }

    /// Returns when the hub's task has ended by a panic; matching has stopped then.
    pub(crate) async fn failed(&self) {
        self.messages.closed().await;
    }

    /// Returns whether the hub's task has ended.
    pub(crate) fn has_failed(&self) -> bool {
        self.messages.is_closed()
    }

    /// The hub outlives every connection, except when its task has failed; then there is nobody left
    /// to tell.
    async fn send(&self, message: HubMessage) {
        let _ = self.messages.send(message).await;
    }
}

/// Starts the hub's task.
#[expect(clippy::disallowed_methods, reason = "the hub's one task; it ends with its last handle")]
pub(crate) fn start(store: Store, lead: Lead) -> HubHandle {
    let (messages, inbox) = mpsc::channel(CAPACITY);
    let (peer_messages, peer_inbox) = PeerMessages::new();
    let metrics = Arc::<Sockets>::default();
    let next_conn = Arc::new(AtomicU64::new(lead.first_conn()));
    let node = lead.node();
    tokio::spawn(task::Hub::new(lead, peer_messages, metrics.clone()).run(inbox));
    let block_order = Arc::new(BlockOrder([const { Mutex::const_new(()) }; 64]));
    HubHandle {
        messages,
        next_conn,
        metrics,
        store,
        block_order,
        node,
        peer_inbox: Arc::new(peer_inbox),
    }
}

#[cfg(test)]
mod tests;
