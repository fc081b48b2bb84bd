//! The socket to the server: connects, and connects again, to another node where there are several,
//! until it is dropped.

mod connect;
mod silence;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, ServerMessage, SignalError},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

use self::{
    connect::{Socket, connect},
    silence::{ANSWER_TIMEOUT, Due, PROBE_TIMEOUT, Silence, WATCHED_TIMEOUT},
};
use crate::{api::Api, core::backoff, error::Error, interfaces, text::SafeText};

const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was up for less is tried again ever more slowly, like one that never was: a
/// server may take connections only to send them away.
const STEADY: Duration = Duration::from_secs(10);
const QUEUE: usize = 256;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(1500);

/// What the link reports.
#[derive(Debug)]
pub enum LinkEvent {
    /// The server said something.
    Message(ServerMessage),
    /// The connection is gone; it is tried again after this long.
    Down {
        /// Until then.
        retry_in: Duration,
    },
    /// It will not be tried again.
    Lost(Error),
}

/// The room or the turn that the user would lose with the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stake {
    /// The call to take up again on the next connection.
    pub room: Option<RoomId>,
    /// Whether a dead server is to be found out soon: there is a call, or a place in the queue.
    pub is_urgent: bool,
}

/// What the link is told.
#[derive(Debug)]
pub enum Order {
    /// Say this to the server. While the link is down, it is lost.
    Say(ClientMessage),
    /// Hang up and connect anew: to another node, or to wherever the address leads by then.
    Reconnect,
    /// Look whether the connection still stands, as this machine has another network or slept.
    NetworkChanged,
}

/// A link that is kept up until it is closed or dropped.
pub struct Link {
    /// To the link.
    pub orders: mpsc::Sender<Order>,
    /// From the server.
    pub events: mpsc::Receiver<LinkEvent>,
    task: JoinHandle<()>,
}

impl Link {
    /// Tries each node once, so that a wrong address or a stale session is an error at once; from then
    /// on it reconnects by itself.
    pub async fn open(api: Arc<Api>, stake: watch::Receiver<Stake>) -> Result<Self, Error> {
        let socket = connect_to_any(&api).await?;
        let (orders, outgoing) = mpsc::channel(QUEUE);
        let (incoming, events) = mpsc::channel(QUEUE);
        let worker = Worker { api, stake, outgoing, incoming, attempt: 0 };
        #[expect(clippy::disallowed_methods, reason = "the link is owned by whoever holds it")]
        let task = tokio::spawn(worker.run(socket));
        Ok(Self { orders, events, task })
    }

    /// Says goodbye and ends. A server that does not take it within a few seconds is left without.
    pub async fn close(self) {
        let Self { orders, events, mut task } = self;
        drop((orders, events));
        if timeout(GOODBYE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Worker {
    api: Arc<Api>,
    stake: watch::Receiver<Stake>,
    outgoing: mpsc::Receiver<Order>,
    incoming: mpsc::Sender<LinkEvent>,
    /// Attempts to connect since a connection was steady.
    attempt: u32,
}

/// Why a connection was left.
enum Left {
    Broken,
    /// By order, for the next server.
    Asked,
    /// To come back would be in vain, or would only displace whoever displaced us.
    Closed(Error),
    Finished,
}

impl Worker {
    #[expect(clippy::disallowed_methods, reason = "the link keeps the time")]
    async fn run(mut self, mut socket: Socket) {
        loop {
            let opened = Instant::now();
            let left = self.carry(&mut socket).await;
            if opened.elapsed() >= STEADY {
                self.attempt = 0;
            }
            match left {
                Left::Finished => {
                    let _ = timeout(WRITE_TIMEOUT, socket.close(None)).await;
                    return;
                }
                Left::Closed(error) => {
                    let _ = self.incoming.send(LinkEvent::Lost(error)).await;
                    return;
                }
                Left::Asked => _ = timeout(WRITE_TIMEOUT, socket.close(None)).await,
                Left::Broken => {}
            }
            match self.reconnect().await {
                Some(fresh) => socket = fresh,
                None => return,
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the link keeps the time")]
    async fn carry(&mut self, socket: &mut Socket) -> Left {
        let mut reason = None;
        let mut silence = Silence::new(Instant::now());
        loop {
            let (at, due) = silence.next(self.stake.borrow_and_update().is_urgent);
            let left = tokio::select! {
                // Frames that have come count, however late they are read.
                biased;
                order = self.outgoing.recv() => match order {
                    Some(order) => self.carry_out(order, socket, &mut silence).await,
                    None => Some(Left::Finished),
                },
                incoming = socket.next() => {
                    silence.broken(Instant::now());
                    match incoming {
                        Some(Ok(message)) => self.take_in(message, &mut reason).await,
                        Some(Err(_)) | None => Some(Left::Broken),
                    }
                }
                Ok(()) = self.stake.changed() => None,
                () = sleep_until(at) => match due {
                    Due::Ping => ask(socket, &mut silence, WATCHED_TIMEOUT).await,
                    Due::GiveUp => Some(Left::Broken),
                },
            };
            if let Some(left) = left {
                return left;
            }
        }
    }

    /// Does what the link is told; returns why the connection is left, if it is.
    #[expect(clippy::disallowed_methods, reason = "the link keeps the time")]
    async fn carry_out(
        &mut self,
        order: Order,
        socket: &mut Socket,
        silence: &mut Silence,
    ) -> Option<Left> {
        match order {
            Order::Say(message) => {
                let is_asked = silence.is_asked();
                let said = timeout(WRITE_TIMEOUT, say(socket, message, is_asked)).await;
                if !matches!(said, Ok(Ok(()))) {
                    return Some(Left::Broken);
                }
                if !is_asked {
                    silence.asked(Instant::now(), ANSWER_TIMEOUT);
                }
                None
            }
            Order::Reconnect => Some(Left::Asked),
            Order::NetworkChanged => {
                self.attempt = 0;
                if is_cut_off(socket) {
                    return Some(Left::Broken);
                }
                ask(socket, silence, PROBE_TIMEOUT).await
            }
        }
    }

    /// Passes on what the server says; returns why the connection is left, if it is.
    async fn take_in(&self, message: Message, reason: &mut Option<SignalError>) -> Option<Left> {
        match message {
            Message::Text(text) => {
                // A newer server may say what this version does not know.
                let message = ServerMessage::decode(&text).ok()?;
                if let ServerMessage::Error(error) = &message {
                    *reason = Some(error.clone());
                }
                let passed_on = self.incoming.send(LinkEvent::Message(message)).await;
                passed_on.is_err().then_some(Left::Finished)
            }
            Message::Close(Some(frame)) if frame.code == CloseCode::Policy => {
                Some(Left::Closed(self.closed(reason.take())))
            }
            Message::Close(_) => Some(Left::Broken),
            _ => None,
        }
    }

    /// The last error before a closing says why.
    fn closed(&self, reason: Option<SignalError>) -> Error {
        match reason {
            Some(SignalError { code: SignalErrorCode::SessionEnded, .. }) => {
                Error::SessionExpired(self.api.server().to_string())
            }
            Some(SignalError { code: SignalErrorCode::Banned, message }) => {
                Error::Banned(SafeText::new(&message).to_string())
            }
            Some(_) | None => Error::Displaced,
        }
    }

    async fn reconnect(&mut self) -> Option<Socket> {
        loop {
            self.api.leave_server();
            // As long as the first time for each node: only the whole round is repeated more slowly.
            let nodes = u32::try_from(self.api.servers().iter().len()).unwrap_or(u32::MAX);
            let retry_in = backoff::delay(self.attempt / nodes, rand::random());
            self.attempt = self.attempt.saturating_add(1);
            self.incoming.send(LinkEvent::Down { retry_in }).await.ok()?;
            if !self.wait(retry_in).await {
                return None;
            }
            let room = self.stake.borrow().room;
            match connect(&self.api, room, self.attempt as usize).await {
                Ok(socket) => return Some(socket),
                Err(error) if is_final(&error) => {
                    let _ = self.incoming.send(LinkEvent::Lost(error)).await;
                    return None;
                }
                Err(_) => {}
            }
        }
    }

    /// Waits, dropping what nobody can hear; whether anybody still wants the link.
    async fn wait(&mut self, retry_in: Duration) -> bool {
        let over = sleep(retry_in);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                order = self.outgoing.recv() => match order {
                    // The way there may be open by now.
                    Some(Order::NetworkChanged) => {
                        self.attempt = 0;
                        return true;
                    }
                    Some(Order::Say(_) | Order::Reconnect) => {}
                    None => return false,
                },
            }
        }
    }
}

/// The first connection, to the first node that takes it.
async fn connect_to_any(api: &Api) -> Result<Socket, Error> {
    let mut tried = connect(api, None, 0).await;
    for _ in 1..api.servers().iter().len() {
        match tried {
            Err(error) if !is_final(&error) => {
                api.leave_server();
                tried = connect(api, None, 0).await;
            }
            connected => return connected,
        }
    }
    tried
}

/// Whether all nodes would say the same.
fn is_final(error: &Error) -> bool {
    matches!(error, Error::SessionExpired(_) | Error::NotLoggedIn(_) | Error::Banned(_))
}

/// Whether the address that the connection goes out from is none of this machine any more.
fn is_cut_off(socket: &Socket) -> bool {
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream,
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0,
        _ => return false,
    };
    let local = stream.local_addr().map(|local| local.ip().to_canonical());
    local.is_ok_and(|local| !local.is_loopback() && !interfaces::addresses().contains(&local))
}

/// Pings the server; returns why the connection is left, if it is.
#[expect(clippy::disallowed_methods, reason = "the link keeps the time")]
async fn ask(socket: &mut Socket, silence: &mut Silence, patience: Duration) -> Option<Left> {
    let sent = timeout(WRITE_TIMEOUT, socket.send(Message::Ping(Bytes::new()))).await;
    silence.asked(Instant::now(), patience);
    (!matches!(sent, Ok(Ok(())))).then_some(Left::Broken)
}

/// Says it, and asks for a sign of life unless one is due already.
async fn say(
    socket: &mut Socket,
    message: ClientMessage,
    is_asked: bool,
) -> Result<(), tungstenite::Error> {
    socket.feed(Message::text(message.encode())).await?;
    if !is_asked {
        socket.feed(Message::Ping(Bytes::new())).await?;
    }
    socket.flush().await
}

#[cfg(test)]
mod tests;
