//! The socket to the server: connects, and connects again, to another node where there are several,
//! until it is dropped.

mod connect;

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
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream,
    tungstenite::{self, Message, protocol::frame::coding::CloseCode},
};

use self::connect::{Socket, connect};
use crate::{api::Api, core::backoff, error::Error, interfaces, text::SafeText};

/// The server pings three times in this long.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// What is said is followed by a ping, which a server that lives answers in less than this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Likewise after the network changed, when it is likely that nothing answers.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
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
    /// on it reconnects by itself. `room` is the call to take up again then.
    pub async fn open(api: Arc<Api>, room: watch::Receiver<Option<RoomId>>) -> Result<Self, Error> {
        let socket = connect_to_any(&api).await?;
        let (orders, outgoing) = mpsc::channel(QUEUE);
        let (incoming, events) = mpsc::channel(QUEUE);
        let worker = Worker { api, room, outgoing, incoming, attempt: 0 };
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
    room: watch::Receiver<Option<RoomId>>,
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
        // Counts from what was last heard, and not from what was last said.
        let silence = sleep(SILENCE_TIMEOUT);
        tokio::pin!(silence);
        let mut is_asked = false;
        loop {
            tokio::select! {
                outgoing = self.outgoing.recv() => {
                    let message = match outgoing {
                        Some(Order::Say(message)) => message,
                        Some(Order::Reconnect) => return Left::Asked,
                        Some(Order::NetworkChanged) => {
                            self.attempt = 0;
                            let probed = timeout(WRITE_TIMEOUT, probe(socket)).await;
                            if is_cut_off(socket) || !matches!(probed, Ok(Ok(()))) {
                                return Left::Broken;
                            }
                            let answer_by = Instant::now() + PROBE_TIMEOUT;
                            let deadline = silence.deadline().min(answer_by);
                            silence.as_mut().reset(deadline);
                            continue;
                        }
                        None => return Left::Finished,
                    };
                    if !matches!(timeout(WRITE_TIMEOUT, say(socket, message, is_asked)).await, Ok(Ok(()))) {
                        return Left::Broken;
                    }
                    if !std::mem::replace(&mut is_asked, true) {
                        let answer_by = Instant::now() + ANSWER_TIMEOUT;
                        let deadline = silence.deadline().min(answer_by);
                        silence.as_mut().reset(deadline);
                    }
                }
                incoming = socket.next() => {
                    is_asked = false;
                    silence.as_mut().reset(Instant::now() + SILENCE_TIMEOUT);
                    match incoming {
                        Some(Ok(Message::Text(text))) => {
                            // A newer server may say what this version does not know.
                            let Ok(message) = ServerMessage::decode(&text) else { continue };
                            if let ServerMessage::Error(error) = &message {
                                reason = Some(error.clone());
                            }
                            if self.incoming.send(LinkEvent::Message(message)).await.is_err() {
                                return Left::Finished;
                            }
                        }
                        Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Policy => {
                            return Left::Closed(self.closed(reason));
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Left::Broken,
                        Some(Ok(_)) => {}
                    }
                }
                () = &mut silence => return Left::Broken,
            }
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
            let room = *self.room.borrow();
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

async fn probe(socket: &mut Socket) -> Result<(), tungstenite::Error> {
    socket.send(Message::Ping(Bytes::new())).await
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
