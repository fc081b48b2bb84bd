//! The way packets go: by polling, by a WebSocket, or by the one and then the other.

use std::{collections::VecDeque, time::Instant};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt;
use meoww_proto::error::SignalErrorCode;
use tokio::sync::oneshot;

use super::{
    body::Share,
    engine::{self, Kind, Payload},
};
use crate::{
    clock,
    queue::{self, Bounds},
    sockets::{
        session::{End, WRITE_TIMEOUT},
        ws::{self, MAX_FRAME_BYTES},
    },
};

/// Bytes that may wait for the next poll. When there are more, nothing is handled that would add to
/// them: neither what the client posts, nor what waits in its outbox.
const BACKLOG_BYTES: usize = 16 * 1024;
/// Packets that a backlog keeps room for once it had them.
const KEPT: usize = 8;
/// HTTP requests of one client that may wait: it has one of each kind under way.
const REQUESTS: Bounds = Bounds { items: 8, bytes: MAX_FRAME_BYTES };

/// A request of a client by HTTP. It is refused where its answer is dropped.
pub(super) enum Request {
    /// Asks for what there is, as soon as there is something.
    Poll(oneshot::Sender<String>),
    /// Packets of the client.
    Post(Post),
    /// A body that is none of the protocol: the client is given up.
    Malformed,
    /// A WebSocket works: polls are to end.
    Probed,
    /// It did not work out.
    NotUpgraded,
    /// The transport from here on.
    Upgrade(Box<WebSocket>),
}

/// A body, of which some packets are still to be handled.
pub(super) struct Post {
    pub(super) packets: Payload,
    /// Answered when all of them were.
    pub(super) done: oneshot::Sender<()>,
    /// Held for as long as the packets are.
    pub(super) _share: Share,
}

/// The transport of one client.
pub(super) struct Transport {
    requests: queue::Receiver<Request>,
    socket: Option<Box<WebSocket>>,
    poll: Option<oneshot::Sender<String>>,
    post: Option<Box<Post>>,
    probed: bool,
    backlog: VecDeque<String>,
    backlog_bytes: usize,
    alive: Instant,
    pings: u64,
    pongs: u64,
}

impl Transport {
    /// Returns a transport and the way requests get there.
    pub(super) fn new(socket: Option<WebSocket>) -> (Self, queue::Sender<Request>) {
        let (sender, requests) = queue::bounded(REQUESTS);
        let transport = Self {
            requests,
            socket: socket.map(Box::new),
            poll: None,
            post: None,
            probed: false,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            alive: clock::instant(),
            pings: 0,
            pongs: 0,
        };
        (transport, sender)
    }

    /// Returns when the client gave a sign of life last.
    pub(super) fn alive(&self) -> Instant {
        self.alive
    }

    /// Returns whether there is room for more packets.
    pub(super) fn has_room(&self) -> bool {
        self.backlog_bytes < BACKLOG_BYTES
    }

    /// Returns the next message of the client, or `None` if there is none and a flush is due.
    /// Cancel safe.
    pub(super) async fn read(&mut self) -> Result<Option<Utf8Bytes>, End> {
        loop {
            if let Some(message) = self.next_posted()? {
                return Ok(Some(message));
            }
            tokio::select! {
                request = self.requests.recv() => {
                    let upgraded = matches!(request, Request::Upgrade(_));
                    self.take(request)?;
                    if upgraded {
                        return Ok(None);
                    }
                }
                frame = recv(&mut self.socket) => {
                    if let Some(message) = self.take_frame(frame?)? {
                        return Ok(Some(message));
                    }
                }
            }
            self.answer_poll();
        }
    }

    fn next_posted(&mut self) -> Result<Option<Utf8Bytes>, End> {
        while self.has_room()
            && let Some(post) = &mut self.post
        {
            let Some(packet) = post.packets.next() else {
                self.finish_post();
                continue;
            };
            let message = self.take_packet(packet)?;
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    fn finish_post(&mut self) {
        if let Some(post) = self.post.take() {
            // The client may have hung up.
            let _ = post.done.send(());
        }
    }

    fn take_frame(&mut self, frame: Message) -> Result<Option<Utf8Bytes>, End> {
        self.alive = clock::instant();
        match frame {
            Message::Text(packet) => self.take_packet(packet),
            // Binary is an attachment of an event that is refused without looking at it.
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) => Ok(None),
            Message::Close(_) => Err(End::Goodbye),
        }
    }

    /// Returns the packet if it is a message.
    fn take_packet(&mut self, packet: Utf8Bytes) -> Result<Option<Utf8Bytes>, End> {
        match engine::kind(&packet).ok_or(End::Lost)? {
            Kind::Message => return Ok(Some(packet)),
            Kind::Pong => self.pongs = self.pings.min(self.pongs + 1),
            Kind::Close => return Err(End::Goodbye),
            Kind::Ignored => {}
        }
        Ok(None)
    }

    fn take(&mut self, request: Request) -> Result<(), End> {
        match request {
            Request::Poll(poll) => {
                self.alive = clock::instant();
                if let Some(open) = self.poll.take_if(|open| !open.is_closed()) {
                    // Two clients, or one that lost count: neither can know what it has missed.
                    let _ = open.send(engine::CLOSE.to_owned());
                    return Err(End::Lost);
                }
                self.poll = Some(poll);
            }
            Request::Post(post) => {
                self.alive = clock::instant();
                if self.post.is_some() {
                    return Err(End::Lost);
                }
                self.post = Some(Box::new(post));
            }
            Request::Malformed => return Err(End::Lost),
            Request::Probed => self.probed = true,
            Request::NotUpgraded => self.probed = false,
            Request::Upgrade(socket) => {
                self.end_poll();
                self.socket = Some(socket);
            }
        }
        Ok(())
    }

    /// Queues a ping and returns its number.
    pub(super) fn ping(&mut self) -> u64 {
        self.write(engine::PING.to_owned());
        self.pings += 1;
        self.pings
    }

    /// Returns whether the ping of this number was answered. Pongs come in the order of pings, so
    /// the client has also read what was written before it.
    pub(super) fn has_answered(&self, ping: u64) -> bool {
        self.pongs >= ping
    }

    /// Queues a packet; [`Self::flush`] sees to the rest.
    pub(super) fn write(&mut self, packet: String) {
        self.backlog_bytes += weight(&packet);
        self.backlog.push_back(packet);
    }

    /// Sends what waits, or keeps it for the next poll.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let Some(socket) = &mut self.socket else {
            self.answer_poll();
            return Ok(());
        };
        if self.backlog.is_empty() {
            return Ok(());
        }
        let sent = async {
            while let Some(packet) = self.backlog.pop_front() {
                self.backlog_bytes -= weight(&packet);
                socket.feed(Message::Text(packet.into())).await?;
            }
            socket.flush().await
        };
        let sent = tokio::time::timeout(WRITE_TIMEOUT, sent).await;
        self.shrink();
        sent.map_err(|_| End::Lost)?.map_err(|_| End::Lost)
    }

    fn answer_poll(&mut self) {
        if self.backlog.is_empty() && !self.probed {
            return;
        }
        let Some(poll) = self.poll.take_if(|poll| !poll.is_closed()) else { return };
        if let Err(unread) = poll.send(self.payload()) {
            // The client has hung up: it waits for the next poll.
            for packet in unread.rsplit(engine::SEPARATOR).filter(|packet| *packet != engine::NOOP)
            {
                self.backlog.push_front(packet.to_owned());
            }
        }
        self.backlog_bytes = self.backlog.iter().map(weight).sum();
        self.shrink();
    }

    /// Ends a poll with nothing.
    fn end_poll(&mut self) {
        if let Some(poll) = self.poll.take() {
            let _ = poll.send(engine::NOOP.to_owned());
        }
    }

    /// Returns as many packets as one answer may have.
    fn payload(&mut self) -> String {
        let Some(mut payload) = self.backlog.pop_front() else { return engine::NOOP.to_owned() };
        while let Some(packet) = self.backlog.front()
            && payload.len() + packet.len() < MAX_FRAME_BYTES
        {
            payload.push(engine::SEPARATOR);
            payload.push_str(packet);
            self.backlog.pop_front();
        }
        payload
    }

    fn shrink(&mut self) {
        if self.backlog.is_empty() && self.backlog.capacity() > KEPT {
            self.backlog = VecDeque::new();
        }
    }

    /// Ends what the client still waits for after it said goodbye.
    pub(super) async fn part(&mut self) {
        self.finish_post();
        self.end_poll();
        if let Some(socket) = &mut self.socket {
            ws::answer_goodbye(socket).await;
        }
    }

    /// Lets what was written arrive, and closes.
    pub(super) async fn close(&mut self, reason: SignalErrorCode) {
        if self.flush().await.is_err() {
            return;
        }
        match &mut self.socket {
            Some(socket) => ws::hang_up(socket, reason).await,
            None => {
                self.finish_post();
                let polled =
                    async { while !self.backlog.is_empty() && self.read().await.is_ok() {} };
                let _ = tokio::time::timeout(ws::LINGER, polled).await;
            }
        }
    }
}

/// Bytes that a packet takes while it waits.
fn weight(packet: &String) -> usize {
    packet.capacity() + size_of::<String>()
}

async fn recv(socket: &mut Option<Box<WebSocket>>) -> Result<Message, End> {
    match socket {
        Some(socket) => ws::read(socket).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
