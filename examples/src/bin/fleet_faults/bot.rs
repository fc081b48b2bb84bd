//! A user without pictures: meets, talks, skips, and comes back wherever a node answers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, RESUME_QUERY, Relay, RelayPayload, ServerMessage},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{interval, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    clock,
    history::{History, What},
};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A node that answers no ping for so long is left: longer than any standstill that is tried.
const SILENCE: Duration = Duration::from_secs(7);
const TICK: Duration = Duration::from_millis(100);
const SAY_EVERY: Duration = Duration::from_millis(300);
/// How long a user whose search was refused waits before the next.
const SEARCH_AGAIN: Duration = Duration::from_millis(500);

/// A step of a user in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Stays as long as the partner does.
    Stay,
    /// Goes on to the next after a while, slowly enough not to be slowed.
    Skip,
    /// The same, and never wants to meet anyone again.
    Block,
}

pub(crate) struct Bot {
    who: usize,
    habit: Habit,
    nodes: Arc<Vec<String>>,
    token: String,
    history: Arc<History>,
    rng: StdRng,
    room: Option<RoomId>,
    leave_at: Instant,
    say_at: Instant,
    /// When to search again, as it was refused.
    search_at: Option<Instant>,
}

impl Bot {
    pub(crate) fn new(
        who: usize,
        habit: Habit,
        nodes: Arc<Vec<String>>,
        token: String,
        history: Arc<History>,
        seed: u64,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed ^ who as u64);
        let (leave_at, say_at) = (clock(), clock());
        let (room, search_at) = (None, None);
        Self { who, habit, nodes, token, history, rng, room, leave_at, say_at, search_at }
    }

    /// Until it is told to stop.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut node = self.who;
        while !*stop.borrow() {
            if let Ok(mut socket) = self.connect(node).await {
                let is_stopped = tokio::select! {
                    _lost = self.talk(&mut socket) => false,
                    _ = stop.changed() => true,
                };
                if is_stopped {
                    let _ = timeout(TICK, socket.close(None)).await;
                    return;
                }
                self.note(What::Down);
            }
            node += 1;
            sleep(Duration::from_millis(self.rng.random_range(125..250))).await;
        }
    }

    fn note(&self, what: What) {
        self.history.note(self.who, what);
    }

    async fn connect(&self, node: usize) -> anyhow::Result<Socket> {
        open(&self.nodes[node % self.nodes.len()], &self.token, self.room).await
    }

    /// Until the connection is lost.
    async fn talk(&mut self, socket: &mut Socket) -> anyhow::Result<()> {
        let (mut tick, mut heard) = (interval(TICK), clock());
        loop {
            tokio::select! {
                message = socket.next() => {
                    let message = message.context("closed")??;
                    heard = clock();
                    if let Message::Text(text) = message
                        && let Ok(message) = ServerMessage::decode(&text)
                    {
                        self.hear(message, socket).await?;
                    }
                }
                _ = tick.tick() => {
                    anyhow::ensure!(heard.elapsed() < SILENCE, "silent");
                    socket.send(Message::Ping(Default::default())).await?;
                    self.act(socket).await?;
                }
            }
        }
    }

    async fn hear(&mut self, message: ServerMessage, socket: &mut Socket) -> anyhow::Result<()> {
        match message {
            ServerMessage::Welcome(welcome) => {
                self.note(What::Up(welcome.room_id));
                if let Some(room) = self.room.filter(|room| welcome.room_id != Some(*room)) {
                    self.note(What::Forgotten(room));
                    self.room = None;
                }
                if self.room.is_none() {
                    self.search(socket).await?;
                }
            }
            ServerMessage::Matched(matched) => {
                self.note(What::Matched(matched.room_id));
                self.room = Some(matched.room_id);
                let stay = Duration::from_millis(self.rng.random_range(1500..3500));
                self.leave_at = clock() + stay;
            }
            ServerMessage::PeerDisconnected { room_id } if self.room == Some(room_id) => {
                self.note(What::Over(room_id));
                self.room = None;
                self.search(socket).await?;
            }
            ServerMessage::Chat(chat) if !chat.from_self => {
                let mut words = chat.text.split(' ');
                let said_in = words.next().unwrap_or_default().parse()?;
                let by = words.next().unwrap_or_default().parse()?;
                self.note(What::Heard { room: chat.room_id, said_in, by });
            }
            ServerMessage::Blocked { room_id } => {
                self.note(What::Blocked(room_id));
                self.search(socket).await?;
            }
            ServerMessage::Error(error) if self.room.is_none() && is_refusal(error.code) => {
                self.note(What::Refused);
                self.search_at = Some(clock() + SEARCH_AGAIN);
            }
            _ => {}
        }
        Ok(())
    }

    async fn act(&mut self, socket: &mut Socket) -> anyhow::Result<()> {
        let now = clock();
        let Some(room_id) = self.room else {
            if self.search_at.is_some_and(|at| now >= at) {
                self.search(socket).await?;
            }
            return Ok(());
        };
        if now >= self.leave_at && self.habit != Habit::Stay {
            self.room = None;
            if self.habit == Habit::Block {
                self.note(What::Blocks(room_id));
                return say(socket, ClientMessage::Block { room_id }).await;
            }
            self.note(What::Left(room_id));
            self.note(What::Searching);
            return say(socket, ClientMessage::Skip).await;
        }
        if now >= self.say_at {
            self.say_at = now + SAY_EVERY;
            let payload = RelayPayload::Chat(format!("{room_id} {}", self.who));
            return say(socket, ClientMessage::Relay(Relay { room_id, payload })).await;
        }
        Ok(())
    }

    async fn search(&mut self, socket: &mut Socket) -> anyhow::Result<()> {
        self.search_at = None;
        self.note(What::Searching);
        say(socket, ClientMessage::Search(Default::default())).await
    }
}

/// Whether an error says that a search was not done, or the skip or block before one.
fn is_refusal(code: SignalErrorCode) -> bool {
    use SignalErrorCode::{Draining, InCallElsewhere, RateLimited, TakenOver, Unknown};
    // The last one: the database did not keep a block.
    matches!(code, Draining | InCallElsewhere | RateLimited | TakenOver | Unknown)
}

/// Opens a socket at a node, to go on with a room if there is one.
pub(crate) async fn open(node: &str, token: &str, room: Option<RoomId>) -> anyhow::Result<Socket> {
    let mut url = node.replacen("http", "ws", 1) + "/ws";
    if let Some(room) = room {
        url = format!("{url}?{RESUME_QUERY}={room}");
    }
    let mut request = url.into_client_request()?;
    let cookie = HeaderValue::try_from(format!("access_token={token}"))?;
    request.headers_mut().insert("cookie", cookie);
    Ok(timeout(CONNECT_TIMEOUT, connect_async(request)).await??.0)
}

async fn say(socket: &mut Socket, message: ClientMessage) -> anyhow::Result<()> {
    Ok(socket.send(Message::text(message.encode())).await?)
}
