//! Requests cut off at every await point: an operation happens with all its consequences or not at
//! all.

mod changes;
mod world;

use std::time::Duration;

use axum::{extract::Request, http::Method};
use rand::RngExt;
use serde_json::json;
use tokio::sync::mpsc;

use self::world::{MOST_WAITS, Member, PASSWORD, World, hang_up_after};
use crate::{
    clock,
    core::{
        account::Email,
        lobby::{Input, SearchCriteria},
        otp::{Challenge, Code, Presenter, Subject},
        recent_partners::{Encounter, Transcript},
        session::ClientName,
    },
    mail::{Letter, Mailer},
    send_queue::ConnectionEvent,
};

/// The numbers of waits after which to hang up, several times over: where the machine is busy, what a
/// request waits for may be there before it looks, and it waits less often than it did before.
fn sweeps() -> impl Iterator<Item = usize> {
    (0..8).flat_map(|_| 0..MOST_WAITS)
}

/// Has each request cut off after every number of waits. A session is over exactly if its socket was
/// closed, and that it was over without an answer happened, or the test would show nothing.
async fn sessions_end_with_their_sockets(
    world: &World,
    what: &str,
    request: impl AsyncFn(&World, &Member) -> Request,
) {
    let mut done_unheard = 0;
    for waits in sweeps() {
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
            if done_unheard > 0 {
                return;
            }
        } else {
            done_unheard += over;
        }
    }
    panic!("{what} was never cut off after it had begun, or never answered");
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
        let text =
            services.metrics.encode(services.hub.counts().await, Default::default()).expect("text");
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
    for waits in sweeps() {
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
            assert!(is_kept);
            if done_unheard > 0 {
                return;
            }
        } else {
            done_unheard += usize::from(is_kept);
        }
    }
    panic!("never cut off after it had begun, or never answered");
}
