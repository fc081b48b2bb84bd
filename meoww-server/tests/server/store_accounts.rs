//! Accounts in the store where two things happen at once, or time passes in between.

use meoww_proto::UserId;
use meoww_server::{
    core::{
        account::{Account, UNVERIFIED_KEPT},
        mail_queue::QueuedMail,
        otp::{self, Challenge, Code, Presenter, Subject},
        session::TokenDigest,
    },
    store::{AddressConfirmation, Creation, MailDue, Refresh, Store},
};
use time::{Duration, OffsetDateTime};

use crate::engine::on_both_engines;
use crate::store::{KEY, START, account, confirm, create, session};

/// A verified account whose hash is its username.
pub(crate) async fn member(store: &Store, n: u8, name: &str) -> Account {
    let mut account = account(n, name, &format!("{name}@example.com"));
    account.password_hash = name.to_owned();
    create(store, &account, START).await;
    assert!(confirm(store, account.id, START).await);
    Account { is_verified: true, ..account }
}

pub(crate) fn code(user: UserId, digits: &str, now: OffsetDateTime) -> Challenge {
    Challenge::issue(seal(user, digits), now)
}

fn seal(user: UserId, digits: &str) -> otp::Seal {
    Code::parse(digits).expect("six digits").seal(&KEY, Subject::ChangeEmail(user))
}

on_both_engines! {
    a_password_that_changed_in_the_meantime_proves_nothing,
    an_address_nobody_confirmed_in_time_can_be_changed_to,
    an_address_that_was_changed_to_finds_its_account,
    accounts_that_were_never_verified_are_forgotten_after_a_week,
    codes_that_ran_out_are_forgotten,
}

async fn a_password_that_changed_in_the_meantime_proves_nothing(store: &Store) {
    let ada = member(store, 1, "ada").await;
    let later = START + Duration::days(7);
    let open = |token| session(ada.id, token, later);
    assert!(store.log_in(open("a"), "ada".into()).await.expect("stored"));
    let fresh = open("b");
    let changed = store.change_password(ada.clone(), "new".into(), fresh.clone()).await;
    assert!(changed.expect("stored"));
    assert!(!store.log_in(open("c"), "ada".into()).await.expect("stored"), "the old password");
    let again = store.change_password(ada.clone(), "newer".into(), open("d")).await;
    assert!(!again.expect("stored"), "of two changes at once, one wins");
    let live = store.sessions_of(ada.id, START).await.expect("read");
    let live: Vec<_> = live.into_iter().map(|live| live.session.current).collect();
    assert_eq!(live, [TokenDigest::of("b")], "all but the fresh one ended");
    store.delete_account(ada.id).await.expect("stored").expect("it was there");
    assert!(!store.log_in(open("e"), "new".into()).await.expect("stored"), "nobody is there");
    let tokens = (TokenDigest::of("b"), TokenDigest::of("f"));
    let refresh = store.rotate_refresh(fresh.id, tokens, START, later).await.expect("stored");
    assert_eq!(refresh, Refresh::Unknown);
}

async fn an_address_nobody_confirmed_in_time_can_be_changed_to(store: &Store) {
    let ada = member(store, 1, "ada").await;
    let squatter = account(2, "eve", "wanted@example.com");
    let wanted = squatter.email.clone();
    create(store, &squatter, START).await;
    let begin =
        |now| store.begin_address_change(ada.id, wanted.clone(), code(ada.id, "123456", now), now);
    assert!(begin(START).await.expect("stored").is_none(), "eve has ten minutes");
    let later = START + otp::LIFETIME;
    assert!(begin(later).await.expect("stored").is_some());
    let confirm = |digits, now| store.confirm_address(ada.id, seal(ada.id, digits), now);
    let wrong = confirm("000000", later).await.expect("stored");
    assert!(matches!(wrong, AddressConfirmation::Refused(otp::Verdict::Wrong)));
    let late = confirm("123456", later + otp::LIFETIME).await.expect("stored");
    assert!(matches!(late, AddressConfirmation::Refused(otp::Verdict::Expired)));
    let changed = confirm("123456", later).await.expect("stored");
    let AddressConfirmation::Changed { account, notice } = changed else { panic!("not changed") };
    assert_eq!(account.email, wanted);
    let (old, new) = (ada.email, wanted.clone());
    assert_eq!(notice, QueuedMail::notice(ada.id, old.clone(), new.clone(), later));
    let due = async |now| store.mail_due(notice.clone(), now).await.expect("read");
    let almost_a_day = later + Duration::hours(24) - Duration::seconds(1);
    let MailDue::Notice { old: to, new: told } = due(almost_a_day).await else { panic!("not due") };
    assert_eq!((to, told), (old, new));
    assert!(matches!(due(later + Duration::hours(24)).await, MailDue::Void));
    store.delete_account(ada.id).await.expect("stored").expect("there");
    assert!(matches!(due(later).await, MailDue::Notice { .. }), "it may have been a thief");
}

async fn an_address_that_was_changed_to_finds_its_account(store: &Store) {
    let ada = member(store, 1, "ada").await;
    let squatter = account(2, "eve", "wanted@example.com");
    let wanted = squatter.email.clone();
    create(store, &squatter, START).await;
    let later = START + otp::LIFETIME;
    let change = code(ada.id, "123456", later);
    let begun = store.begin_address_change(ada.id, wanted.clone(), change, later).await;
    begun.expect("stored").expect("free");
    let changed = store.confirm_address(ada.id, seal(ada.id, "123456"), later).await;
    assert!(matches!(changed.expect("stored"), AddressConfirmation::Changed { .. }));
    let holder = store.account_by_email(wanted).await.expect("read").expect("somebody");
    assert_eq!(holder.id, ada.id);
    assert!(store.account(squatter.id).await.expect("read").is_none());
}

async fn accounts_that_were_never_verified_are_forgotten_after_a_week(store: &Store) {
    let ada = member(store, 1, "ada").await;
    let eve = account(2, "eve", "eve@example.com");
    create(store, &eve, START).await;
    let week = START + UNVERIFIED_KEPT;
    let is_there = async |id| store.account(id).await.expect("read").is_some();
    store.purge_expired(week - Duration::seconds(1)).await.expect("purged");
    assert!(is_there(eve.id).await);
    let code = Challenge::issue(seal(eve.id, "123456"), week);
    store.reissue_otp(eve.id, code, week).await.expect("stored");
    store.purge_expired(week).await.expect("purged");
    assert!(is_there(eve.id).await, "a code is on its way");
    store.purge_expired(week + otp::LIFETIME).await.expect("purged");
    assert!(!is_there(eve.id).await && is_there(ada.id).await);
    assert_eq!(store.check().await.expect("read").1, []);
    let again = account(3, "eve", "eve@example.com");
    assert_eq!(create(store, &again, week).await, Creation::Created);
}

async fn codes_that_ran_out_are_forgotten(store: &Store) {
    let ada = member(store, 1, "ada").await;
    let new = account(2, "new", "new@example.com").email;
    let reset = code(ada.id, "123456", START);
    store.begin_reset(new.clone(), reset, Presenter::Anyone, START).await.expect("stored");
    let challenge = code(ada.id, "123456", START);
    store.begin_address_change(ada.id, new, challenge, START).await.expect("stored");
    assert!(store.awaited_address(ada.id, START).await.expect("read").is_some());
    store.purge_expired(START + otp::LIFETIME).await.expect("purged");
    assert!(store.awaited_address(ada.id, START).await.expect("read").is_none());
    let nothing = store.confirm_address(ada.id, seal(ada.id, "123456"), START).await;
    assert!(matches!(nothing.expect("read"), AddressConfirmation::NoChallenge));
}
