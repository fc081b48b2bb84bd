//! A whole server in this process, and clients that speak to it as any client would.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use meoww_proto::{
    UserId,
    signal::{ClientMessage, Matched, Relay, RelayPayload, ServerMessage},
};
use meoww_server::{
    config::{Config, Limits},
    mail::{Mailer, SentCode},
    server::Server,
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use crate::{
    engine,
    records::{self, Records},
};

/// Longest any awaited event may take before a test counts as hung. Never a measure of speed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PASSWORD: &str = "correct horse";

/// Waits for what must happen.
pub(crate) async fn patiently<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("it happens")
}

pub(crate) struct TestServer {
    pub(crate) url: String,
    pub(crate) app: Arc<Server>,
    http: reqwest::Client,
    mail: Mutex<mpsc::Receiver<SentCode>>,
    stop: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
    dir: tempfile::TempDir,
    /// Where its database is, if that is elsewhere.
    database: Option<String>,
}

/// An answer, taken apart.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// The bytes read as JSON, null where they are none.
    pub(crate) body: Value,
}

impl Reply {
    /// Sends a request, and waits for all of its answer.
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = patiently(request.send()).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body").to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, bytes, body }
    }

    pub(crate) fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// A cookie's value and attributes as they were set.
    pub(crate) fn set_cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all(header::SET_COOKIE).iter();
        let mut lines = cookies.filter_map(|line| line.to_str().ok());
        lines.find(|line| line.starts_with(&format!("{name}="))).map(str::to_owned)
    }

    pub(crate) fn cookie(&self, name: &str) -> String {
        let line = self.set_cookie(name).expect("the cookie is set");
        let pair = line.split(';').next().expect("a pair");
        pair.split_once('=').expect("a value").1.to_owned()
    }
}

/// Somebody with a verified account and a session.
pub(crate) struct Member {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config.limits = Limits::OFF).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let (outbox, mail) = mpsc::channel(256);
        Self::with_mailer(adjust, Mailer::Memory(outbox), mail).await
    }

    pub(crate) async fn with_mailer(
        adjust: impl FnOnce(&mut Config),
        mailer: Mailer,
        mail: mpsc::Receiver<SentCode>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let is_elsewhere =
            std::env::var("MEOWW_TEST_DATABASE").is_ok_and(|engine| engine == "postgres");
        let database = if is_elsewhere { Some(engine::fresh_database().await) } else { None };
        Self::open_in((dir, database), adjust, mailer, mail).await
    }

    async fn open_in(
        (dir, database): (tempfile::TempDir, Option<String>),
        adjust: impl FnOnce(&mut Config),
        mailer: Mailer,
        mail: mpsc::Receiver<SentCode>,
    ) -> Self {
        let mut config = Config::new(dir.path().join("data"));
        config.database = database.as_deref().map(engine::url);
        adjust(&mut config);
        let app: Arc<Server> = Server::with_mailer(config, mailer).await.expect("it opens");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(app.clone().serve(listener, stop.clone().cancelled_owned()));
        let http = reqwest::Client::new();
        Self { url, app, http, mail: Mutex::new(mail), stop, serving, dir, database }
    }

    /// A folder of its data directory.
    pub(crate) fn folder(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("data").join(name)
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) async fn stop(self) -> std::io::Result<()> {
        self.stop.cancel();
        patiently(self.serving).await.expect("it does not panic")
    }

    /// Stops, lets somebody at the records, and starts again without limits.
    pub(crate) async fn restarted(mut self, meanwhile: impl FnOnce(&mut Records)) -> Self {
        let Some(url) = self.database.take() else {
            return self
                .reopened(|db| {
                    let before = records::of_sled(db);
                    let mut after = before.clone();
                    meanwhile(&mut after);
                    records::write_sled(db, &before, &after);
                })
                .await;
        };
        self.stop.cancel();
        patiently(self.serving).await.expect("it does not panic").expect("it stops");
        drop(self.app);
        let client = engine::client(&url).await;
        let before = records::of_postgres(&client).await;
        let mut after = before.clone();
        meanwhile(&mut after);
        records::write_postgres(&client, &before, &after).await;
        Self::anew(self.dir, Some(url)).await
    }

    /// Stops, lets somebody at the embedded database, and starts again without limits.
    pub(crate) async fn reopened(self, meanwhile: impl FnOnce(&sled::Db)) -> Self {
        self.stop.cancel();
        patiently(self.serving).await.expect("it does not panic").expect("it stops");
        drop(self.app);
        let path = self.dir.path().join("data/db");
        let db = patiently(unlocked(&path)).await;
        meanwhile(&db);
        db.flush().expect("flushed");
        drop(db);
        patiently(unlocked(&path)).await;
        Self::anew(self.dir, None).await
    }

    async fn anew(dir: tempfile::TempDir, database: Option<String>) -> Self {
        let (outbox, mail) = mpsc::channel(256);
        let adjust = |config: &mut Config| config.limits = Limits::OFF;
        Self::open_in((dir, database), adjust, Mailer::Memory(outbox), mail).await
    }

    /// A request with any headers and body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::to(request).await
    }

    /// A request without a body, and its answer as it is.
    pub(crate) async fn send_for_text(&self, method: Method, path: &str) -> (StatusCode, String) {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let response = patiently(request.send()).await.expect("an answer");
        (response.status(), response.text().await.expect("a body"))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        let json = [("content-type", "application/json")];
        self.send(Method::POST, path, &json, body.to_string()).await
    }

    pub(crate) async fn post_with_cookie(&self, path: &str, cookie: &str) -> Reply {
        self.send(Method::POST, path, &[("cookie", cookie)], "").await
    }

    pub(crate) async fn get_as(&self, path: &str, access: &str) -> Reply {
        let bearer = format!("Bearer {access}");
        self.send(Method::GET, path, &[("authorization", &bearer)], "").await
    }

    pub(crate) async fn send_as(
        &self,
        method: Method,
        path: &str,
        access: &str,
        body: Value,
    ) -> Reply {
        let bearer = format!("Bearer {access}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, path, &headers, body.to_string()).await
    }

    pub(crate) async fn sign_up(&self, name: &str) -> Reply {
        self.post("/api/auth/signup", signup(name)).await
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Reply {
        self.post("/api/auth/login", json!({ "email": email, "password": password })).await
    }

    pub(crate) async fn verify(&self, user: &str, otp: &str) -> Reply {
        self.post("/api/auth/verify", json!({ "userId": user, "otp": otp })).await
    }

    /// The next code that was sent.
    pub(crate) async fn next_code(&self) -> SentCode {
        patiently(self.mail.lock().await.recv()).await.expect("mail")
    }

    /// Whether a code was sent that nobody has read.
    pub(crate) async fn mail_is_waiting(&self) -> bool {
        !self.mail.lock().await.is_empty()
    }

    /// Signs up, reads the mail and sends the code back.
    pub(crate) async fn member(&self, name: &str) -> Member {
        let user = self.sign_up(name).await.body["userId"].as_str().expect("an id").to_owned();
        let sent = self.next_code().await;
        let reply = self.verify(&user, &sent.code).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        Member {
            id: user.parse().expect("an id"),
            email: sent.to,
            access: reply.cookie("access_token"),
            refresh: reply.cookie("refresh_token"),
        }
    }

    /// Opens a socket with any query and headers.
    pub(crate) async fn open(
        &self,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Peer, tungstenite::Error> {
        self.open_at(&format!("/ws{query}"), headers).await
    }

    pub(crate) async fn open_at(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Peer, tungstenite::Error> {
        Peer::at(&format!("{}{path}", self.url), headers).await
    }

    pub(crate) async fn connect(&self, member: &Member, query: &str) -> Peer {
        let bearer = format!("Bearer {}", member.access);
        self.open(query, &[("authorization", &bearer)]).await.expect("a socket")
    }

    /// A socket whose system takes in little that its owner does not read.
    pub(crate) async fn connect_with_little_room(&self, member: &Member) -> Peer {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a smaller buffer");
        let address = self.url.trim_start_matches("http://").parse().expect("an address");
        let stream = socket.connect(address).await.expect("connected");
        Peer::over(&self.url, stream, &member.access).await
    }

    /// A new member with a socket that was welcomed.
    pub(crate) async fn peer(&self, name: &str) -> (Member, Peer) {
        let member = self.member(name).await;
        let mut peer = self.connect(&member, "").await;
        let ServerMessage::Welcome(welcome) = peer.next().await else { panic!("no welcome") };
        assert_eq!((welcome.user_id, welcome.room_id), (member.id, None));
        (member, peer)
    }
}

pub(crate) fn signup(name: &str) -> Value {
    let email = format!("{name}@example.com");
    json!({ "name": name, "username": name, "email": email, "password": PASSWORD })
}

/// A socket.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Peer {
    /// Opens a socket at an address of HTTP.
    pub(crate) async fn at(
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = url.replace("http", "ws").into_client_request()?;
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().expect("a header");
            request.headers_mut().insert(name, value.parse().expect("a value"));
        }
        let (socket, _) = patiently(tokio_tungstenite::connect_async(request)).await?;
        Ok(Self { socket })
    }

    /// Opens a socket on a connection that is there already.
    pub(crate) async fn over(url: &str, stream: TcpStream, access: &str) -> Self {
        let url = format!("{}/ws", url.replace("http", "ws"));
        let mut request = url.into_client_request().expect("a URL");
        let bearer = format!("Bearer {access}").parse().expect("a value");
        request.headers_mut().insert("authorization", bearer);
        let opening = tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream));
        let (socket, _) = patiently(opening).await.expect("a socket");
        Self { socket }
    }

    /// The next event, if there is one within so long.
    pub(crate) async fn next_within(&mut self, wait: Duration) -> Option<ServerMessage> {
        tokio::time::timeout(wait, self.next()).await.ok()
    }

    pub(crate) async fn send(&mut self, message: ClientMessage) {
        self.send_text(message.encode()).await;
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<tungstenite::Utf8Bytes>) {
        patiently(self.socket.send(Message::Text(text.into()))).await.expect("sent");
    }

    pub(crate) async fn relay(&mut self, room: meoww_proto::RoomId, payload: RelayPayload) {
        self.send(ClientMessage::Relay(Relay { room_id: room, payload })).await;
    }

    pub(crate) async fn say(&mut self, room: meoww_proto::RoomId, text: &str) {
        self.relay(room, RelayPayload::Chat(text.to_owned())).await;
    }

    /// The next message that is no ping.
    pub(crate) async fn next_raw(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        patiently(async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return other,
                }
            }
        })
        .await
    }

    /// The next event but how many there are, which may come at any time.
    pub(crate) async fn next(&mut self) -> ServerMessage {
        loop {
            match self.next_event().await {
                ServerMessage::Presence(_) => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn next_event(&mut self) -> ServerMessage {
        match self.next_raw().await {
            Some(Ok(Message::Text(text))) => ServerMessage::decode(&text).expect("an event"),
            other => panic!("no event: {other:?}"),
        }
    }

    pub(crate) async fn next_matched(&mut self) -> Matched {
        match self.next().await {
            ServerMessage::Matched(matched) => matched,
            other => panic!("not matched: {other:?}"),
        }
    }

    /// The next event must be this chat line.
    pub(crate) async fn expect_chat(&mut self, expected: &str, self_said: bool) {
        match self.next().await {
            ServerMessage::Chat(chat) => {
                assert_eq!((chat.text.as_str(), chat.from_self), (expected, self_said));
            }
            other => panic!("no chat: {other:?}"),
        }
    }

    /// The next event must be an error with this code.
    pub(crate) async fn expect_error(&mut self, code: meoww_proto::error::SignalErrorCode) {
        match self.next().await {
            ServerMessage::Error(error) => assert_eq!(error.code, code, "{}", error.message),
            other => panic!("no error: {other:?}"),
        }
    }
}

/// The flushing thread lets go of the database a moment after its last client.
async fn unlocked(path: &Path) -> sled::Db {
    loop {
        match sled::open(path) {
            Ok(db) => return db,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// The attributes of a `Set-Cookie` line, lower-cased names.
pub(crate) fn attributes(line: &str) -> HashMap<String, String> {
    let parts = line.split(';').skip(1).map(|part| {
        let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
        (name.to_ascii_lowercase(), value.to_owned())
    });
    parts.collect()
}
