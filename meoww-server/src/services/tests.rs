//! Requests cut off at every await point: an operation happens with all its consequences or not at
//! all.

mod changes;

use std::{future::poll_fn, net::SocketAddr, pin::pin, task::Poll, time::Duration};

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
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;
use crate::{
    clock,
    config::Limits,
    core::{
        account::{Email, Name, Password, Username, new_user_id},
        lobby::{ConnId, Input, SearchCriteria},
        otp::{Challenge, Code, Presenter, Subject},
        recent_partners::{Encounter, Transcript},
        session::{ClientName, RefreshToken, Session, SessionId},
    },
    mail::{Letter, Mailer, SentCode},
    send_queue::{ConnectionEvent, Inbox, SendQueue},
    server,
    store::{Batch, Merge, NewSession},
    tokens::Bearer,
};

const PASSWORD: &str = "violet-kettle-42";
/// Times a request may have been waited for before somebody hangs up: more than any has.
const MOST_WAITS: usize = 64;

struct World {
    services: Arc<Services>,
    router: Router,
    mail: mpsc::Receiver<SentCode>,
    password_hash: String,
    _dir: tempfile::TempDir,
}

/// A session with a socket.
struct Window {
    bearer: Bearer,
    refresh: RefreshToken,
    conn: ConnId,
    inbox: Inbox,
}

/// Somebody with two windows open.
struct Member {
    email: String,
    mine: Window,
    other: Window,
}

impl World {
    async fn open() -> Self {
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

    fn account(&self, is_verified: bool) -> Account {
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

    async fn import(&self, account: Account) {
        let merge = Merge { into_existing: true, ..Merge::default() };
        let batch = Batch::of_accounts([(0, account)]);
        assert_eq!(self.services.store.import(batch, merge).await.expect("stored").faults, []);
    }

    async fn member(&self) -> Member {
        let account = self.account(true);
        let (user, email) = (account.id, account.email.as_str().to_owned());
        self.import(account).await;
        Member { email, mine: self.window(user).await, other: self.window(user).await }
    }

    async fn window(&self, user: UserId) -> Window {
        let (mut rng, now) = (rand::rng(), clock::now());
        let id = SessionId::generate(&mut rng);
        let refresh = RefreshToken::issue(id, &self.services.otp_key, &mut rng);
        let ends = now + std::time::Duration::from_secs(3600);
        let session = Session::open(user, refresh.digest(), ClientName::default(), now, ends);
        self.services.store.open_session(NewSession { id, session }).await.expect("opened");
        let (send_queue, inbox) = SendQueue::new();
        let bearer = Bearer { user, session: id };
        let connected =
            self.services.hub.connect(bearer, None, send_queue).await.expect("connected");
        Window { bearer, refresh, conn: connected.conn, inbox }
    }

    fn request(&self, method: Method, path: &str, window: &Window, body: &Value) -> Request {
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
    async fn request_until(&self, waits: usize, request: Request) -> bool {
        hang_up_after(waits, &self.services, self.router.clone().oneshot(request)).await
    }

    async fn is_over(&self, window: &Window) -> bool {
        let found = self.services.store.session_account(window.bearer.session, clock::now()).await;
        found.expect("read").is_none()
    }
}

/// Waits for an operation until it has been pending `waits` times, then hangs up. Says whether there
/// was an answer, once everything that goes on has ended.
async fn hang_up_after(waits: usize, services: &Services, operation: impl Future) -> bool {
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
    fn was_closed(&mut self) -> bool {
        std::iter::from_fn(|| self.inbox.try_recv())
            .any(|event| matches!(event, ConnectionEvent::Closed(_)))
    }
}

/// Has each request cut off after every number of waits. A session is over exactly if its socket was
/// closed, and that it was over without an answer happened, or the test would show nothing.
async fn sessions_end_with_their_sockets(
    world: &World,
    what: &str,
    request: impl AsyncFn(&World, &Member) -> Request,
) {
    let mut done_unheard = 0;
    for waits in 0..MOST_WAITS {
        let mut member = world.member().await;
        let request = request(world, &member).await;
        let answered = world.request_until(waits, request).await;
        let mut over = 0;
        for window in [&mut member.mine, &mut member.other] {
            let is_over = world.is_over(window).await;
            assert_eq!(window.was_closed(), is_over, "{what}, hung up after {waits} waits");
            over += usize::from(is_over);
        }
        if answered {
            assert!(over > 0, "{what} did nothing");
            assert!(done_unheard > 0, "{what} was never cut off after it had begun");
            return;
        }
        done_unheard += over;
    }
    panic!("{what} was never answered");
}

#[tokio::test]
async fn sockets_close_with_their_sessions_whoever_hangs_up() {
    let world = World::open().await;
    let ends = async |what: &str, request: fn(&World, &Member) -> Request| {
        let request = async |world: &World, member: &Member| request(world, member);
        sessions_end_with_their_sockets(&world, what, request).await;
    };
    ends("ending other sessions", |world, member| {
        world.request(Method::DELETE, "/sessions", &member.mine, &json!({}))
    })
    .await;
    ends("ending a session", |world, member| {
        let path = format!("/sessions/{}", member.other.bearer.session);
        world.request(Method::DELETE, &path, &member.mine, &json!({}))
    })
    .await;
    ends("logging out", |world, member| {
        world.request(Method::POST, "/logout", &member.mine, &json!({}))
    })
    .await;
    ends("changing the password", |world, member| {
        let body = json!({"currentPassword": PASSWORD, "newPassword": "green-lamp-7-otter"});
        world.request(Method::POST, "/password", &member.mine, &body)
    })
    .await;
    ends("deleting the account", |world, member| {
        let body = json!({"password": PASSWORD});
        world.request(Method::DELETE, "/me", &member.mine, &body)
    })
    .await;
}

#[tokio::test]
async fn a_stolen_session_is_closed_whoever_hangs_up() {
    let world = World::open().await;
    let reuse = async |world: &World, member: &Member| {
        let services = &world.services;
        let kept = services.refresh(member.other.refresh.as_str()).await.expect("kept");
        let (_, second) = kept.expect("known");
        services.refresh(second.as_str()).await.expect("kept").expect("known");
        world.request(Method::POST, "/refresh", &member.other, &json!({}))
    };
    sessions_end_with_their_sockets(&world, "presenting a spent token", reuse).await;
}

#[tokio::test]
async fn a_reset_closes_sockets_whoever_hangs_up() {
    let world = World::open().await;
    let reset = async |world: &World, member: &Member| {
        let (services, now) = (&world.services, clock::now());
        let email = Email::parse(&member.email).expect("an address");
        let (key, subject) = (&services.otp_key, Subject::Reset(&email));
        let challenge = Challenge::generate(key, subject, &mut rand::rng(), now);
        let code = challenge.code(key, subject).expect("a code");
        let begun =
            services.store.begin_reset(email.clone(), challenge, Presenter::Anyone, now).await;
        begun.expect("begun");
        let body = json!({
            "email": member.email, "otp": code.as_str(), "newPassword": "green-lamp-7-otter",
        });
        world.request(Method::POST, "/password/reset", &member.mine, &body)
    };
    sessions_end_with_their_sockets(&world, "resetting the password", reset).await;
}

#[tokio::test]
async fn an_account_has_its_mail_whoever_hangs_up() {
    let mut world = World::open().await;
    let window = world.member().await.mine;
    let mut done_unheard = 0;
    for waits in 0..MOST_WAITS {
        let email = format!("sign.up{waits}@example.com");
        let body = json!({
            "name": "Ada", "username": format!("sign_up{waits}"), "email": email, "password": PASSWORD,
        });
        let request = world.request(Method::POST, "/signup", &window, &body);
        let answered = world.request_until(waits, request).await;
        let address = Email::parse(&email).expect("an address");
        let is_there =
            world.services.store.account_by_email(address).await.expect("read").is_some();
        let mailed = world.mail.try_recv().is_ok_and(|mail| mail.to == email);
        assert_eq!(is_there, mailed, "hung up after {waits} waits");
        if answered {
            assert!(is_there && done_unheard > 0, "{done_unheard}");
            return;
        }
        done_unheard += usize::from(is_there);
    }
    panic!("never answered");
}

#[tokio::test]
async fn a_new_address_has_its_mail_whoever_hangs_up() {
    let mut world = World::open().await;
    let mut done_unheard = 0;
    for waits in 0..MOST_WAITS {
        let window = world.member().await.mine;
        let email = format!("new.address{waits}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let request = world.request(Method::POST, "/email", &window, &body);
        let answered = world.request_until(waits, request).await;
        let store = &world.services.store;
        let awaited = store.awaited_address(window.bearer.user, clock::now()).await.expect("read");
        let is_awaited = awaited.is_some_and(|awaited| awaited.as_str() == email);
        let is_mailed = world.mail.try_recv().is_ok_and(|mail| mail.to == email);
        assert_eq!(is_awaited, is_mailed, "hung up after {waits} waits");
        if answered {
            assert!(is_awaited && done_unheard > 0, "{done_unheard}");
            return;
        }
        done_unheard += usize::from(is_awaited);
    }
    panic!("never answered");
}

/// Advances the clock from one try to the next; there is nothing else to wait for.
#[tokio::test]
async fn a_reset_is_mailed_again_until_the_mail_is_taken() {
    let world = World::open().await;
    let member = world.member().await;
    let services = &world.services;
    let (outbox, mut mail) = mpsc::channel(1);
    let (to, now) = (Email::parse(&member.email).expect("an address"), clock::now());
    let mailer = Mailer::Memory(outbox);
    mailer.send(&to, Letter::EmailChanged(&to), now).await.expect("room for one");
    services.mailer.change(mailer);
    let challenge =
        Challenge::generate(&services.otp_key, Subject::Reset(&to), &mut rand::rng(), now);
    let begun = services.store.begin_reset(to, challenge, Presenter::Anyone, now).await;
    let queued = begun.expect("begun").expect("queued");
    tokio::time::pause();
    services.deliver_later(queued);
    let is_counted = async |line| {
        let text = services.metrics.encode(services.hub.counts().await).expect("text");
        text.lines().any(|known| known == line)
    };
    // The outbox is full.
    while !is_counted("meoww_mails_total{outcome=\"retried\"} 1").await {
        tokio::task::yield_now().await;
    }
    assert_eq!(mail.recv().await.expect("a mail").code, "");
    let too_early = tokio::time::timeout(Duration::from_millis(14_900), mail.recv()).await;
    assert!(too_early.is_err(), "it is tried again after 15 s");
    let again = tokio::time::timeout(Duration::from_secs(1), mail.recv()).await;
    assert_eq!(again.expect("15 s are over").expect("a mail").code.len(), 6);
    services.background.settle().await;
    assert_eq!(services.store.queued_mails().await.expect("read"), []);
    assert!(is_counted("meoww_mails_total{outcome=\"sent\"} 1").await);
}

#[tokio::test]
async fn the_last_code_that_was_mailed_is_good_whoever_hangs_up() {
    let mut world = World::open().await;
    let window = world.member().await.mine;
    for waits in 0..MOST_WAITS {
        let account = world.account(false);
        let user = account.id;
        world.services.sign_up(account, None).await.expect("signed up");
        let first = world.mail.try_recv().expect("a mail").code;
        let body = json!({"userId": user.to_string()});
        let request = world.request(Method::POST, "/resend-otp", &window, &body);
        let answered = world.request_until(waits, request).await;
        let last = world.mail.try_recv().map_or(first, |mail| mail.code);
        let code = Code::parse(&last).expect("six digits");
        let seal = code.seal(&world.services.otp_key, Subject::SignUp(user));
        let session = world.services.generate_session(user, ClientName::default(), clock::now());
        let confirmed =
            world.services.store.consume_otp(user, seal, session.record(), clock::now()).await;
        let confirmed = confirmed.expect("read");
        assert!(
            matches!(confirmed, crate::store::Confirmation::Confirmed(_)),
            "hung up after {waits} waits"
        );
        if answered {
            return;
        }
    }
    panic!("never answered");
}

#[tokio::test]
async fn a_block_ends_the_room_whoever_hangs_up() {
    let world = World::open().await;
    let (services, mut done_unheard) = (&world.services, 0);
    for waits in 0..MOST_WAITS {
        let [mut ada, eve] = [world.member().await.mine, world.member().await.mine];
        for window in [&ada, &eve] {
            services.hub.send_input(Input::Search(window.conn, SearchCriteria::default())).await;
        }
        services.hub.counts().await;
        let (user, stranger) = (ada.bearer.user, eve.bearer.user);
        let room = std::iter::from_fn(|| ada.inbox.try_recv()).find_map(|event| match event {
            ConnectionEvent::Matched { room, .. } => Some(room),
            _ => None,
        });
        let room = room.expect("matched");
        let met = Encounter { room, stranger, transcript: Transcript::default() };
        let answered = hang_up_after(waits, services, services.block(user, &met)).await;
        let is_kept = !services.store.blocks_of(user).await.expect("read").is_empty();
        let is_over = std::iter::from_fn(|| ada.inbox.try_recv())
            .any(|event| matches!(event, ConnectionEvent::RoomOver { .. }));
        assert_eq!(is_kept, is_over, "hung up after {waits} waits");
        if answered {
            assert!(is_kept && done_unheard > 0, "{done_unheard}");
            return;
        }
        done_unheard += usize::from(is_kept);
    }
    panic!("never answered");
}
