//! Somebody with sockets open, and requests that are hung up on.

use std::{future::poll_fn, net::SocketAddr, pin::pin, task::Poll};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{Method, header},
};
use meoww_proto::{
    UserId,
    account::{ACCESS_COOKIE, REFRESH_COOKIE},
};
use rand::RngExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::super::*;
use crate::{
    clock,
    config::Limits,
    core::{
        account::{Email, Name, Password, Username, new_user_id},
        lobby::ConnId,
        session::{ClientName, RefreshToken, Session, SessionId},
    },
    hub::Resumption,
    mail::{Mailer, SentCode},
    send_queue::{ConnectionEvent, Inbox, SendQueue},
    server,
    store::{Batch, Merge, NewSession},
    tokens::Bearer,
};

pub(super) const PASSWORD: &str = "violet-kettle-42";
/// Times a request may have been waited for before somebody hangs up: more than any has.
pub(super) const MOST_WAITS: usize = 64;

pub(super) struct World {
    pub(super) services: Arc<Services>,
    pub(super) router: Router,
    pub(super) mail: mpsc::Receiver<SentCode>,
    pub(super) password_hash: String,
    _dir: tempfile::TempDir,
}

/// A session with a socket.
pub(super) struct Window {
    pub(super) bearer: Bearer,
    pub(super) refresh: RefreshToken,
    pub(super) conn: ConnId,
    pub(super) inbox: Inbox,
}

/// Somebody with two windows open.
pub(super) struct Member {
    pub(super) email: String,
    pub(super) mine: Window,
    pub(super) other: Window,
}

impl World {
    pub(super) async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config { limits: Limits::OFF, ..Config::new(dir.path().to_owned()) };
        let (send_queue, mail) = mpsc::channel(256);
        let services =
            Services::with_mailer(config, Mailer::Memory(send_queue)).await.expect("it opens");
        let password = Password::parse(PASSWORD.to_owned()).expect("a password");
        let password_hash = services.hasher.hash(password).await.expect("hashed");
        let router = server::routes(services.clone());
        Self { services, router, mail, password_hash, _dir: dir }
    }

    pub(super) fn account(&self, is_verified: bool) -> Account {
        let id = new_user_id(clock::now(), rand::rng().random());
        Account {
            id,
            name: Name::parse("Ada").expect("a name"),
            username: Username::parse(&id.to_string()).expect("a username"),
            email: Email::parse(&format!("{id}@example.com")).expect("an address"),
            password_hash: self.password_hash.clone(),
            profile_image: String::new(),
            is_verified,
            created_at: clock::now(),
            ban: None,
        }
    }

    pub(super) async fn import(&self, account: Account) {
        let merge = Merge { into_existing: true, ..Merge::default() };
        let batch = Batch::of_accounts([(0, account)]);
        assert_eq!(self.services.store.import(batch, merge).await.expect("stored").faults, []);
    }

    pub(super) async fn member(&self) -> Member {
        let account = self.account(true);
        let (user, email) = (account.id, account.email.as_str().to_owned());
        self.import(account).await;
        Member { email, mine: self.window(user).await, other: self.window(user).await }
    }

    pub(super) async fn window(&self, user: UserId) -> Window {
        let (mut rng, now) = (rand::rng(), clock::now());
        let id = SessionId::generate(&mut rng);
        let refresh = RefreshToken::issue(id, &self.services.otp_key, &mut rng);
        let ends = now + std::time::Duration::from_secs(3600);
        let session = Session::open(user, refresh.digest(), ClientName::default(), now, ends);
        self.services.store.open_session(NewSession { id, session }).await.expect("opened");
        let (send_queue, inbox) = SendQueue::new();
        let bearer = Bearer { user, session: id };
        let connected = self
            .services
            .hub
            .connect(bearer, Resumption::Supported(None), send_queue)
            .await
            .expect("connected");
        Window { bearer, refresh, conn: connected.conn, inbox }
    }

    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        window: &Window,
        body: &Value,
    ) -> Request {
        let access = self.services.tokens.issue(window.bearer, clock::now());
        let refresh = window.refresh.as_str();
        let cookies = format!("{ACCESS_COOKIE}={access}; {REFRESH_COOKIE}={refresh}");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/auth{path}"))
            .header(header::COOKIE, cookies)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        request
    }

    /// As [`hang_up_after`], of a request.
    pub(super) async fn request_until(&self, waits: usize, request: Request) -> bool {
        hang_up_after(waits, &self.services, self.router.clone().oneshot(request)).await
    }

    pub(super) async fn is_over(&self, window: &Window) -> bool {
        let found = self.services.store.session_account(window.bearer.session, clock::now()).await;
        found.expect("read").is_none()
    }
}

/// Waits for an operation until it has been pending `waits` times, then hangs up. Says whether there
/// was an answer, once everything that goes on has ended.
pub(super) async fn hang_up_after(
    waits: usize,
    services: &Services,
    operation: impl Future,
) -> bool {
    let mut left = waits;
    let answered = {
        let mut operation = pin!(operation);
        poll_fn(|context| match operation.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await
    };
    services.background.settle().await;
    // Answered after everything that the hub was told before.
    services.hub.counts().await;
    answered
}

impl Window {
    pub(super) fn was_closed(&mut self) -> bool {
        std::iter::from_fn(|| self.inbox.try_recv())
            .any(|event| matches!(event, ConnectionEvent::Closed(_)))
    }
}
