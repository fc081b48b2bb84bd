//! The way packets go: by polling, by a WebSocket, or by the one and then the other.

use std::{collections::VecDeque, time::Instant};

use axum::{
    body::Bytes,
    extract::ws::{Message, Utf8Bytes, WebSocket},
};
use futures_util::SinkExt;
use tokio::sync::oneshot;

use super::packet;
use crate::{
    clock,
    queue::{self, Bounds},
    sockets::{session::WRITE_TIMEOUT, ws},
};

/// Bytes that may wait for the next poll before the outbox has to hold the rest.
const BACKLOG_BYTES: usize = 64 * 1024;
/// Bytes after which a client that asks and does not poll counts as gone.
const BACKLOG_LIMIT: usize = 16 * BACKLOG_BYTES;
/// HTTP requests of one client that may wait: it has one of each kind under way.
const REQUESTS: Bounds = Bounds { items: 8, bytes: 2 * ws::MAX_FRAME_BYTES };

/// What a client asks by HTTP. Whoever waits is answered, or finds that nobody will.
pub(super) enum Request {
    /// Give me what there is, as soon as there is something.
    Poll(oneshot::Sender<String>),
    /// Take these packets.
    Post(String, oneshot::Sender<()>),
    /// A WebSocket works: end the poll.
    Probed,
    /// It did not work out.
    NotUpgraded,
    /// From here on, this.
    Upgrade(Box<WebSocket>),
}

/// The transport of one client.
pub(super) struct Transport {
    requests: queue::Receiver<Request>,
    socket: Option<Box<WebSocket>>,
    poll: Option<oneshot::Sender<String>>,
    probed: bool,
    heard: VecDeque<Utf8Bytes>,
    backlog: VecDeque<String>,
    backlog_bytes: usize,
    alive: Instant,
}

/// The client is gone, or acts as if it were.
#[derive(Debug)]
pub(super) struct Gone;

impl Transport {
    /// A transport and the way requests get there.
    pub(super) fn new(socket: Option<WebSocket>) -> (Self, queue::Sender<Request>) {
        let (sender, requests) = queue::bounded(REQUESTS);
        let transport = Self {
            requests,
            socket: socket.map(Box::new),
            poll: None,
            probed: false,
            heard: VecDeque::new(),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            alive: clock::instant(),
        };
        (transport, sender)
    }

    /// When the client was last heard of.
    pub(super) fn alive(&self) -> Instant {
        self.alive
    }

    /// Whether there is room for more packets.
    pub(super) fn has_room(&self) -> bool {
        self.backlog_bytes < BACKLOG_BYTES
    }

    /// The next packet of the client; whoever takes it flushes before the next. Cancel safe.
    pub(super) async fn read(&mut self) -> Result<Utf8Bytes, Gone> {
        loop {
            if let Some(packet) = self.heard.pop_front() {
                return Ok(packet);
            }
            tokio::select! {
                request = self.requests.recv() => self.take(request),
                frame = recv(&mut self.socket) => self.take_frame(frame)?,
            }
            self.answer_poll();
        }
    }

    fn take_frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), Gone> {
        match frame {
            Some(Ok(Message::Text(packet))) => self.heard.push_back(packet),
            // Binary is an attachment of an event that is refused without looking at it.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
        }
        self.alive = clock::instant();
        Ok(())
    }

    fn take(&mut self, request: Request) {
        match request {
            // A second poll takes the place of one whose connection was lost.
            Request::Poll(poll) => {
                self.poll = Some(poll);
                self.alive = clock::instant();
            }
            Request::Post(packets, done) => {
                split(packets, |packet| self.heard.push_back(packet));
                self.alive = clock::instant();
                // The client may have hung up.
                let _ = done.send(());
            }
            Request::Probed => self.probed = true,
            Request::NotUpgraded => self.probed = false,
            Request::Upgrade(socket) => {
                self.socket = Some(socket);
                self.poll = None;
                // Nothing new, but what waits can go now.
                self.heard.push_back(packet::NOOP.into());
            }
        }
    }

    /// Queues a packet; [`Self::flush`] sees to the rest.
    pub(super) fn write(&mut self, packet: String) {
        self.backlog_bytes += packet.len();
        self.backlog.push_back(packet);
    }

    /// Sends what waits, or keeps it for the next poll.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        let Some(socket) = &mut self.socket else {
            self.answer_poll();
            return if self.backlog_bytes <= BACKLOG_LIMIT { Ok(()) } else { Err(Gone) };
        };
        if self.backlog.is_empty() {
            return Ok(());
        }
        let sent = async {
            while let Some(packet) = self.backlog.pop_front() {
                self.backlog_bytes -= packet.len();
                socket.feed(Message::Text(packet.into())).await?;
            }
            socket.flush().await
        };
        tokio::time::timeout(WRITE_TIMEOUT, sent).await.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    fn answer_poll(&mut self) {
        if self.backlog.is_empty() && !self.probed {
            return;
        }
        let Some(poll) = self.poll.take_if(|poll| !poll.is_closed()) else { return };
        if let Err(unread) = poll.send(self.payload()) {
            // Whoever asked is gone: it waits for the next poll.
            for packet in unread.rsplit(packet::SEPARATOR).filter(|packet| *packet != packet::NOOP)
            {
                self.backlog.push_front(packet.to_owned());
            }
        }
        self.backlog_bytes = self.backlog.iter().map(String::len).sum();
    }

    /// As many packets as one answer may have.
    fn payload(&mut self) -> String {
        let Some(mut payload) = self.backlog.pop_front() else { return packet::NOOP.to_owned() };
        while let Some(packet) = self.backlog.front()
            && payload.len() + packet.len() < ws::MAX_FRAME_BYTES
        {
            payload.push(packet::SEPARATOR);
            payload.push_str(packet);
            self.backlog.pop_front();
        }
        payload
    }

    /// Lets the last words arrive.
    pub(super) async fn close(&mut self) {
        if self.flush().await.is_err() {
            return;
        }
        match &mut self.socket {
            Some(socket) => {
                if socket.send(Message::Close(None)).await.is_ok() {
                    while let Some(Ok(_)) = socket.recv().await {}
                }
            }
            None => while !self.backlog.is_empty() && self.read().await.is_ok() {},
        }
    }
}

/// The packets of a post, one by one and not copied.
pub(crate) fn split(packets: String, mut each: impl FnMut(Utf8Bytes)) {
    let packets = Bytes::from(packets);
    let text = std::str::from_utf8(&packets).unwrap_or_default();
    for part in text.split(packet::SEPARATOR) {
        if let Ok(packet) = Utf8Bytes::try_from(packets.slice_ref(part.as_bytes())) {
            each(packet);
        }
    }
}

async fn recv(socket: &mut Option<Box<WebSocket>>) -> Option<Result<Message, axum::Error>> {
    match socket {
        Some(socket) => socket.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn transport(packets: &[&str]) -> (Transport, queue::Sender<Request>) {
        let (mut transport, requests) = Transport::new(None);
        for packet in packets {
            transport.write((*packet).to_owned());
        }
        assert!(transport.flush().await.is_ok());
        (transport, requests)
    }

    /// Takes in the requests that wait.
    fn take(transport: &mut Transport) -> Option<Result<Utf8Bytes, Gone>> {
        futures_util::FutureExt::now_or_never(transport.read())
    }

    fn ask(requests: &queue::Sender<Request>) -> oneshot::Receiver<String> {
        let (answer, answered) = oneshot::channel();
        assert!(requests.push(Request::Poll(answer), 0).is_ok());
        answered
    }

    #[tokio::test]
    async fn a_poll_that_nobody_waits_for_takes_nothing_along() {
        let (mut transport, requests) = transport(&["42[1]", "42[2]"]).await;
        drop(ask(&requests));
        assert!(take(&mut transport).is_none());
        let answered = ask(&requests);
        assert!(take(&mut transport).is_none());
        assert_eq!(answered.await.as_deref(), Ok("42[1]\u{1e}42[2]"));
        assert!(transport.has_room() && transport.backlog_bytes == 0);
    }

    #[tokio::test]
    async fn an_answer_is_bounded_and_the_rest_comes_with_the_next() {
        let large = "x".repeat(ws::MAX_FRAME_BYTES / 2);
        let (mut transport, requests) = transport(&[&large, &large, "42[1]"]).await;
        assert!(!transport.has_room());
        for expected in [large.clone(), format!("{large}\u{1e}42[1]")] {
            let answered = ask(&requests);
            assert!(take(&mut transport).is_none());
            assert!(answered.await.is_ok_and(|answer| answer == expected));
        }
        assert!(transport.has_room());
    }

    #[tokio::test]
    async fn a_probe_ends_the_poll_and_a_post_is_read_packet_by_packet() {
        let (mut transport, requests) = transport(&[]).await;
        let answered = ask(&requests);
        assert!(requests.push(Request::Probed, 0).is_ok());
        let (done, taken) = oneshot::channel();
        assert!(requests.push(Request::Post("3\u{1e}42[\"ä\"]".into(), done), 10).is_ok());
        assert!(matches!(take(&mut transport), Some(Ok(packet)) if packet.as_str() == "3"));
        assert_eq!(answered.await.as_deref(), Ok(packet::NOOP));
        assert!(taken.await.is_ok());
        let next = take(&mut transport);
        assert!(matches!(next, Some(Ok(packet)) if packet.as_str() == "42[\"ä\"]"));
    }

    #[tokio::test]
    async fn who_asks_and_does_not_poll_is_gone() {
        let (mut transport, _requests) = transport(&[]).await;
        transport.write("x".repeat(BACKLOG_LIMIT));
        assert!(transport.flush().await.is_ok());
        transport.write("x".to_owned());
        assert!(transport.flush().await.is_err());
    }
}
