//! The store where time passes.

use meoww_proto::UserId;
use meoww_server::{
    core::{
        account::{Account, Email, Name, Username},
        otp::{self, Challenge, Code, Seal, Subject},
        session::{ClientName, Session, SessionId, TokenDigest},
    },
    store::{Confirmation, Creation, NewSession, Refresh, Store},
};
use time::{Duration, OffsetDateTime};

use crate::engine::on_both_engines;
use crate::harness::patiently;

pub(crate) const KEY: [u8; 32] = [7; 32];
pub(crate) const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(crate) fn account(n: u8, username: &str, email: &str) -> Account {
    Account {
        id: UserId::from_bytes([n; 12]),
        name: Name::parse("Ada").expect("a name"),
        username: Username::parse(username).expect("a username"),
        email: Email::parse(email).expect("an address"),
        password_hash: String::new(),
        profile_image: String::new(),
        is_verified: false,
        created_at: START,
        ban: None,
    }
}

fn code() -> Code {
    Code::parse("123456").expect("six digits")
}

fn seal(user: UserId) -> Seal {
    code().seal(&KEY, Subject::SignUp(user))
}

pub(crate) async fn create(store: &Store, account: &Account, now: OffsetDateTime) -> Creation {
    let challenge = Challenge::issue(seal(account.id), now);
    store.create_account(account.clone(), challenge, now).await.expect("stored")
}

pub(crate) fn session(user: UserId, token: &str, expires_at: OffsetDateTime) -> NewSession {
    let id = SessionId::generate(&mut rand::rng());
    let (token, client) = (TokenDigest::of(token), ClientName::default());
    NewSession { id, session: Session::open(user, token, client, START, expires_at) }
}

pub(crate) async fn confirm(store: &Store, user: UserId, now: OffsetDateTime) -> bool {
    let new = session(user, "token", now + Duration::days(7));
    let confirmation = store.consume_otp(user, seal(user), new, now).await;
    matches!(confirmation.expect("stored"), Confirmation::Confirmed(_))
}

on_both_engines! {
    an_expired_sign_up_gives_up_its_name_and_address,
    what_has_run_out_is_forgotten,
}

async fn an_expired_sign_up_gives_up_its_name_and_address(store: &Store) {
    let squatter = account(1, "ada", "ada@example.com");
    let by_name = account(2, "ada", "other@example.com");
    let by_email = account(3, "other", "ada@example.com");
    assert_eq!(create(store, &squatter, START).await, Creation::Created);
    let just_before = START + otp::LIFETIME - Duration::seconds(1);
    assert_eq!(create(store, &by_name, just_before).await, Creation::Taken);
    assert_eq!(create(store, &by_email, just_before).await, Creation::Taken);

    let later = START + otp::LIFETIME;
    assert_eq!(create(store, &by_name, later).await, Creation::Created);
    assert_eq!(create(store, &by_email, later).await, Creation::Created);
    assert!(!confirm(store, squatter.id, later).await, "the old code is gone with its account");
    assert!(confirm(store, by_name.id, later).await);
    let found = store.account_by_email(by_email.email.clone()).await.expect("read");
    assert_eq!(found.map(|account| account.id), Some(by_email.id));

    let much_later = later + Duration::days(365);
    let latecomer = account(4, "ada", "late@example.com");
    assert_eq!(create(store, &latecomer, much_later).await, Creation::Taken, "it is verified");
}

async fn what_has_run_out_is_forgotten(store: &Store) {
    let ada = account(1, "ada", "ada@example.com");
    create(store, &ada, START).await;
    let (short, long) = (START + Duration::days(1), START + Duration::days(9));
    let (first, second) = (session(ada.id, "first", short), session(ada.id, "second", long));
    for new in [&first, &second] {
        store.open_session(new.clone()).await.expect("stored");
    }
    let is_live = async |new: &NewSession, now| {
        store.session_account(new.id, now).await.expect("read").is_some()
    };
    assert!(is_live(&first, START).await);
    assert!(!is_live(&first, short).await, "over, though nobody has forgotten it yet");
    store.purge_expired(short).await.expect("purged");
    assert!(!is_live(&first, START).await && is_live(&second, short).await);
    let rotate = |id, token, now| {
        let tokens = (TokenDigest::of(token), TokenDigest::of("next"));
        store.rotate_refresh(id, tokens, now, long)
    };
    assert_eq!(rotate(first.id, "first", short).await.expect("read"), Refresh::Unknown);
    let too_late = Refresh::Expired(second.id, ada.id);
    assert_eq!(rotate(second.id, "second", long).await.expect("read"), too_late);
    assert!(!is_live(&second, START).await);
    assert!(store.sessions_of(ada.id, START).await.expect("read").is_empty());
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let ada = account(1, "ada", "ada@example.com");
    {
        let store = Store::open(dir.path()).expect("opened");
        create(&store, &ada, START).await;
        store.flush().await.expect("flushed");
    }
    // The flushing thread lets go of the database a moment after its last client.
    let reopened = async {
        loop {
            match Store::open(dir.path()) {
                Ok(store) => break store,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let store = patiently(reopened).await;
    assert!(confirm(&store, ada.id, START).await);
}
