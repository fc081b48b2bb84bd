//! Strangers who meet, of whom one blocks the other, whom an operator then bans.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::{SinkExt, StreamExt};
use meoww_proto::{
    RoomId,
    signal::{ClientMessage, Search, ServerMessage},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{super::crowd::members::Members, disk::Disk};

/// Meetings there are members for; after the last one nobody meets any more.
const MEETINGS: usize = 500;

pub(super) struct Outcasts {
    members: Members,
    socket: PathBuf,
    met: usize,
    /// Who blocked somebody, and where they had met.
    pub(super) blocks: Vec<(usize, RoomId)>,
    pub(super) banned: Vec<usize>,
}

/// The server is gone.
struct Gone;

impl Outcasts {
    pub(super) async fn create(data: &Path) -> Self {
        let members = Members::create(data, MEETINGS * 2).await;
        let socket = data.join("admin.sock");
        Self { members, socket, met: 0, blocks: Vec::new(), banned: Vec::new() }
    }

    pub(super) fn environment(&self) -> [(&'static str, &'static str); 2] {
        self.members.environment()
    }

    pub(super) async fn meet_until_gone(&mut self, url: &str, answers: &AtomicUsize) {
        while self.met < MEETINGS {
            // Whoever is in doubt meets nobody again.
            let (one, other) = (self.met * 2, self.met * 2 + 1);
            self.met += 1;
            let Ok(room) = self.block(url, one, other).await else { return };
            self.blocks.push((one, room));
            answers.fetch_add(1, Ordering::Relaxed);
            let Ok(()) = self.ban(other).await else { return };
            self.banned.push(other);
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn block(&self, url: &str, one: usize, other: usize) -> Result<RoomId, Gone> {
        let tags = vec![format!("pair-{one}").parse().expect("a tag")];
        let search = Search { tags, wait_seconds: Some(120) };
        let mut peers = Vec::new();
        for n in [one, other] {
            let mut peer = Socket::open(url, &self.members.access(n)).await?;
            peer.send(ClientMessage::Search(search.clone())).await?;
            peers.push(peer);
        }
        let room_id = peers[0].matched().await?;
        assert_eq!(peers[1].matched().await?, room_id, "by their tag");
        peers[0].send(ClientMessage::Block { room_id }).await?;
        loop {
            match peers[0].next().await? {
                ServerMessage::Blocked { room_id: blocked } => {
                    assert_eq!(blocked, room_id);
                    return Ok(room_id);
                }
                ServerMessage::Presence(_) => {}
                other => panic!("not blocked: {other:?}"),
            }
        }
    }

    async fn ban(&self, n: usize) -> Result<(), Gone> {
        let mut stream = UnixStream::connect(&self.socket).await.map_err(|_| Gone)?;
        let named = json!({ "user": format!("member{n}") });
        let of = json!({ "named": named, "until": null, "reason": "rude" });
        let request = json!({ "version": 1, "ask": "user ban", "of": of });
        stream.write_all(format!("{request}\n").as_bytes()).await.map_err(|_| Gone)?;
        let line = BufReader::new(stream).lines().next_line().await;
        let reply: Value = serde_json::from_str(&line.map_err(|_| Gone)?.ok_or(Gone)?)
            .expect("a reply is written at once");
        assert!(reply["answer"].is_object(), "{reply}");
        Ok(())
    }

    /// What was promised is on disk.
    pub(super) fn compare(&self, disk: &Disk) {
        for (n, room) in &self.blocks {
            assert!(disk.has_block(self.members.user(*n), *room), "{n} {room}");
        }
        for n in &self.banned {
            assert!(disk.is_banned(self.members.user(*n)), "{n}");
        }
    }
}

/// One that may end at any moment.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(url: &str, access: &str) -> Result<Self, Gone> {
        let url = format!("{}/ws", url.replace("http", "ws"));
        let mut request = url.into_client_request().expect("a URL");
        let bearer = format!("Bearer {access}").parse().expect("a value");
        request.headers_mut().insert("authorization", bearer);
        let opened = tokio_tungstenite::connect_async(request).await;
        opened.map(|(socket, _)| Self(socket)).map_err(|_| Gone)
    }

    async fn send(&mut self, message: ClientMessage) -> Result<(), Gone> {
        self.0.send(Message::Text(message.encode().into())).await.map_err(|_| Gone)
    }

    async fn next(&mut self) -> Result<ServerMessage, Gone> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(ServerMessage::decode(&text).expect("an event"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("no event: {other:?}"),
                Some(Err(_)) | None => return Err(Gone),
            }
        }
    }

    async fn matched(&mut self) -> Result<RoomId, Gone> {
        loop {
            match self.next().await? {
                ServerMessage::Matched(matched) => return Ok(matched.room_id),
                ServerMessage::Welcome(_)
                | ServerMessage::Searching
                | ServerMessage::Presence(_) => {}
                other => panic!("not matched: {other:?}"),
            }
        }
    }
}
