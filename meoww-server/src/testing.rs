//! A server for tests in virtual time. Its connections are pipes in memory: on a real network time
//! would pass while bytes are on their way.

#[path = "../tests/parts/nats.rs"]
pub(crate) mod nats;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use meoww_proto::{UserId, account::ACCESS_COOKIE, signal::ServerMessage};
use time::OffsetDateTime;
use tokio::{
    io::DuplexStream,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use crate::{
    clock,
    config::{Config, Limits},
    core::{
        account::{Account, Email, Name, Username},
        session::{ClientName, Session, SessionId, TokenDigest},
    },
    listener::speak_http,
    mail::Mailer,
    server,
    services::Services,
    store::{Batch, Merge, NewSession},
    tokens::Bearer,
};

/// Longer than anything in the server takes.
const LONG: Duration = Duration::from_secs(3600);

/// Who has an account and a session.
const MEMBERS: u8 = 3;

/// Room in a connection for what its reader has not read, if it reads.
pub(crate) const ROOMY: usize = 64 * 1024;

pub(crate) type Socket = WebSocketStream<DuplexStream>;

pub(crate) struct Pipes {
    pub(crate) services: Arc<Services>,
    pub(crate) router: Router,
    cookies: Vec<String>,
    _dir: tempfile::TempDir,
}

impl Pipes {
    /// Nothing but timers makes time pass from here on.
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config { limits: Limits::OFF, ..Config::new(dir.path().to_owned()) };
        let mailer = Mailer::Memory(mpsc::channel(1).0);
        let services = Services::with_mailer(config, mailer).await.expect("it opens");
        let mut cookies = Vec::new();
        for n in 0..MEMBERS {
            cookies.push(log_in(&services, n).await);
        }
        // Not before: waiting for the disk, it would run away.
        tokio::time::pause();
        Self { router: server::routes(services.clone()), services, cookies, _dir: dir }
    }

    /// The `Cookie` of the member `n`.
    pub(crate) fn cookie(&self, n: u8) -> &str {
        &self.cookies[usize::from(n)]
    }

    /// A connection that holds so many bytes each way.
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    pub(crate) fn dial(&self, bytes: usize) -> DuplexStream {
        let (client, server) = tokio::io::duplex(bytes);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        tokio::spawn(speak_http(server, peer, self.router.clone(), self.services.closing.clone()));
        client
    }

    /// A WebSocket of the member `n`, over a connection that holds so many bytes each way.
    pub(crate) async fn socket(&self, n: u8, path: &str, bytes: usize) -> Socket {
        self.try_socket(n, path, bytes).await.expect("a socket")
    }

    /// Likewise, where the server may refuse.
    pub(crate) async fn try_socket(
        &self,
        n: u8,
        path: &str,
        bytes: usize,
    ) -> Result<Socket, tungstenite::Error> {
        let mut request = format!("ws://localhost{path}").into_client_request()?;
        let cookie = self.cookie(n).parse().expect("a value");
        request.headers_mut().insert("cookie", cookie);
        let opening = tokio_tungstenite::client_async(request, self.dial(bytes));
        Ok(opening.await?.0)
    }

    /// How long it takes from `start` until nobody is connected.
    pub(crate) async fn deserted(&self, start: Instant) -> Duration {
        let empty = async {
            while self.services.hub.counts().await.connections > 0 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(LONG, empty).await.expect("nobody stays");
        start.elapsed()
    }
}

async fn log_in(services: &Services, n: u8) -> String {
    let (now, bearer) = (clock::now(), bearer(n));
    let mut batch = Batch::of_accounts([(0, account(n, now))]);
    let (current, client) = (TokenDigest::of(&n.to_string()), ClientName::default());
    let ends = now + Duration::from_secs(24 * 3600);
    let session = Session::open(bearer.user, current, client, now, ends);
    batch.add_session(&NewSession { id: bearer.session, session });
    let merge = Merge { into_existing: true, ..Merge::default() };
    assert!(services.store.import(batch, merge).await.expect("stored").faults.is_empty());
    format!("{ACCESS_COOKIE}={}", services.tokens.issue(bearer, now))
}

pub(crate) fn account(n: u8, now: OffsetDateTime) -> Account {
    Account {
        id: bearer(n).user,
        name: Name::parse("Ada").expect("a name"),
        username: Username::parse(&format!("user{n}")).expect("a username"),
        email: Email::parse(&format!("{n}@example.com")).expect("an address"),
        password_hash: String::new(),
        profile_image: String::new(),
        is_verified: true,
        created_at: now,
        ban: None,
    }
}

/// Whom the cookie of the member `n` speaks for.
pub(crate) fn bearer(n: u8) -> Bearer {
    let session = SessionId::from_slice(&[n; 16]).expect("an id");
    Bearer { user: UserId::from_bytes([n; 12]), session }
}

/// The next text, with whatever WebSocket says by itself answered on the way.
pub(crate) async fn next_text(socket: &mut Socket) -> Option<String> {
    loop {
        match timeout(LONG, futures_util::StreamExt::next(socket)).await.expect("something") {
            Some(Ok(Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return None,
        }
    }
}

/// The next event of `/ws` but how many there are.
pub(crate) async fn next_event(socket: &mut Socket) -> ServerMessage {
    loop {
        let text = next_text(socket).await.expect("an event");
        match ServerMessage::decode(&text).expect("an event") {
            ServerMessage::Presence(_) => {}
            event => return event,
        }
    }
}
