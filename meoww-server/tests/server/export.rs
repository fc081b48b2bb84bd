//! What an export holds, an import brings back: on real databases, with accounts nobody thought of.

use std::{collections::HashMap, fmt, time::Duration};

use meoww_proto::UserId;
use meoww_server::{
    core::{
        account::{Account, Ban, Email, Name, Username},
        session::{ClientName, RefreshToken, Session, SessionId},
    },
    store::{Batch, MAX_FINDINGS, Merge, NewSession, Store},
};
use proptest::prelude::*;
use tempfile::TempDir;
use time::OffsetDateTime;

fn open() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("db")).expect("it opens");
    (dir, store)
}

pub(crate) async fn exported(store: &Store) -> String {
    let (bytes, _) = store.export(Vec::new()).await.expect("exported");
    String::from_utf8(bytes).expect("text")
}

fn account(id: [u8; 12], name: &str, username: &str) -> Account {
    let id = UserId::from_bytes(id);
    Account {
        id,
        name: Name::parse(name).expect("a name"),
        username: Username::parse(username).expect("a username"),
        email: Email::parse(&format!("{id}@example.com")).expect("an address"),
        password_hash: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into(),
        profile_image: String::new(),
        is_verified: true,
        created_at: OffsetDateTime::UNIX_EPOCH,
        ban: None,
    }
}

/// An account says nothing about itself in a log; a failing test may.
struct Accounts(Vec<Account>);

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).expect("plain data"))
    }
}

prop_compose! {
    fn accounts()(
        raw in prop::collection::hash_map("[a-z0-9_.]{3,32}", (
            any::<[u8; 12]>(),
            "[^\\p{Cc}]{1,64}".prop_filter("a name", |name| Name::parse(name).is_ok()),
            any::<bool>(),
            0i64..4_000_000_000_000,
            prop::option::of((".{0,40}", prop::option::of(0i64..4_000_000_000_000))),
        ), 0..40),
    ) -> Accounts {
        let at = |millis: i64| OffsetDateTime::UNIX_EPOCH + Duration::from_millis(millis as u64);
        let ids: HashMap<[u8; 12], _> =
            raw.into_iter().map(|(username, rest)| (rest.0, (username, rest))).collect();
        let made = ids.into_values().map(|(username, (id, name, is_verified, created, ban))| {
            let ban = ban.map(|(reason, until)| Ban { reason, until: until.map(at) });
            Account { is_verified, created_at: at(created), ban, ..account(id, &name, &username) }
        });
        Accounts(made.collect())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn export_import_export_is_the_same(Accounts(accounts) in accounts()) {
        runtime().block_on(async {
            let (_dir, store) = open();
            let mut batch = Batch::of_accounts(accounts.iter().cloned().zip(1..).map(|(a, n)| (n, a)));
            let mut rng = rand::rng();
            for account in accounts.iter().filter(|account| account.is_verified) {
                let current = RefreshToken::generate(&mut rng).digest();
                let expires_at = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
                let client = ClientName::default();
                let session = Session::open(account.id, current, client, account.created_at, expires_at);
                batch.add_session(&NewSession { id: SessionId::generate(&mut rng), session });
            }
            let imported = store.import(batch, Merge::default()).await.expect("imported");
            prop_assert_eq!(&imported.faults, &[]);
            let first = exported(&store).await;
            prop_assert_eq!(store.check().await.expect("checked").1, []);

            let (_dir, copy) = open();
            let batch = Batch::parse(first.as_bytes()).map_err(|faults| {
                TestCaseError::fail(format!("{faults:?}"))
            })?;
            let imported = copy.import(batch, Merge::default()).await.expect("imported");
            prop_assert_eq!(&imported.faults, &[]);
            prop_assert_eq!(exported(&copy).await, first.clone());
            prop_assert_eq!(copy.check().await.expect("checked").1, []);
            for account in &accounts {
                let found = copy.account_by_email(account.email.clone()).await.expect("read");
                prop_assert_eq!(found.map(|found| found.id), Some(account.id));
            }

            let merge = Merge { into_existing: true, ..Merge::default() };
            let again = Batch::parse(first.as_bytes()).expect("read once already");
            let again = copy.import(again, merge).await.expect("imported");
            prop_assert!(again.added.is_empty() && again.faults.is_empty());
            Ok(())
        })?;
    }

    /// Whatever a file holds, it is an export or it is refused; nothing ends the program.
    #[test]
    fn any_text_is_an_export_or_faults(lines in prop::collection::vec(".{0,80}", 0..10)) {
        prop_assert!(Batch::parse(lines.join("\n").as_bytes()).is_err());
    }
}

async fn one_account() -> String {
    let (_dir, store) = open();
    let ada = account([1; 12], "Ada", "ada");
    store.import(Batch::of_accounts([(1, ada)]), Merge::default()).await.expect("imported");
    exported(&store).await
}

fn faults(text: &str) -> Vec<(u64, String)> {
    let faults = Batch::parse(text.as_bytes()).err().expect("faults");
    faults.into_iter().map(|fault| (fault.line, fault.reason)).collect()
}

#[tokio::test]
async fn faults_are_named_by_line_and_nothing_is_taken() {
    let good = one_account().await;
    let lines: Vec<&str> = good.lines().collect();
    let [head, ada, end] = lines[..] else { panic!("{good}") };
    assert_eq!(faults(&format!("{head}\n{ada}\n")), [(3, "the export was cut short".into())]);
    assert_eq!(faults(&format!("{head}\n{end}\n")), [(3, "the export was cut short".into())]);
    let shouting = ada.replace("\"username\":\"ada\"", "\"username\":\"ADA\"");
    let found = faults(&format!("{head}\n{shouting}\n{{}}\n{ada}\n{end}\n"));
    assert_eq!(found.iter().map(|fault| fault.0).collect::<Vec<_>>(), [2, 3]);
    let newer = head.replace("\"version\":1", "\"version\":2");
    assert!(faults(&format!("{newer}\n{ada}\n{end}\n"))[0].1.contains("version 2"));
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
    let good = one_account().await;
    let other = good.replace("\"name\":", "\"mood\":{\"happy\":true},\"name\":");
    assert!(good != other && !good.contains("\"ban\""), "{good}");
    let (_dir, store) = open();
    let batch = Batch::parse(other.as_bytes()).expect("well-formed");
    store.import(batch, Merge::default()).await.expect("imported");
    assert_eq!(exported(&store).await, good);
}

/// Earlier versions accepted addresses that no mail reaches; their exports must not be lost for that.
#[tokio::test]
async fn addresses_that_are_refused_at_sign_up_come_back_from_an_export() {
    let good = one_account().await;
    let with = |user: &str| good.replace("\"010101010101010101010101@", &format!("\"{user}@"));
    let old = with("\\\"a b\\\"");
    assert!(old != good && Email::parse("\"a b\"@example.com").is_err());
    let (_dir, store) = open();
    let batch = Batch::parse(old.as_bytes()).expect("well-formed");
    store.import(batch, Merge::default()).await.expect("imported");
    assert_eq!(exported(&store).await, old);
    assert!(Batch::parse(with("Ada").as_bytes()).is_err(), "it could not be found");
    assert!(Batch::parse(with("a\\nb").as_bytes()).is_err());
}

#[tokio::test]
async fn a_merge_keeps_what_is_there_and_takes_nothing_where_names_collide() {
    let (_dir, store) = open();
    let theirs = account([2; 12], "Other Ada", "ada");
    store.import(Batch::of_accounts([(1, theirs)]), Merge::default()).await.expect("imported");
    let before = exported(&store).await;
    let export = one_account().await;
    let batch = || Batch::parse(export.as_bytes()).expect("well-formed");

    let refused = store.import(batch(), Merge::default()).await.expect("looked at");
    assert_eq!(refused.faults[0].reason, "the database is not empty");
    let merge = Merge { into_existing: true, ..Merge::default() };
    let refused = store.import(batch(), merge).await.expect("looked at");
    assert_eq!((refused.faults.len(), refused.faults[0].line), (1, 2));
    assert!(refused.faults[0].reason.contains("username ada belongs to 0202"), "{refused:?}");
    assert_eq!(exported(&store).await, before);
}

/// The flushing thread lets go of the database a moment after the store.
async fn reopened(dir: &TempDir) -> Store {
    loop {
        if let Ok(store) = Store::open(&dir.path().join("db")) {
            return store;
        }
        tokio::task::yield_now().await;
    }
}

/// More than a step of records is gone through, and more than a report names is wrong.
#[tokio::test]
async fn check_names_the_first_of_much_that_is_wrong() {
    let (dir, store) = open();
    drop(store);
    let db = loop {
        if let Ok(db) = sled::open(dir.path().join("db")) {
            break db;
        }
        tokio::task::yield_now().await;
    };
    let emails = db.open_tree("emails").expect("a tree");
    for n in 0..2500 {
        emails.insert(format!("{n:04}@example.com"), &[9; 12]).expect("inserted");
    }
    db.flush().expect("flushed");
    drop((emails, db));
    let (_, findings) = reopened(&dir).await.check().await.expect("checked");
    assert_eq!(findings.len(), MAX_FINDINGS);
    assert_eq!(findings[999].key, "0999@example.com");
}

#[tokio::test]
async fn check_finds_what_does_not_fit_together() {
    let (dir, store) = open();
    let ada = account([1; 12], "Ada", "ada");
    store.import(Batch::of_accounts([(1, ada)]), Merge::default()).await.expect("imported");
    drop(store);
    let db = loop {
        // The flushing thread lets go of the database a moment after the store.
        if let Ok(db) = sled::open(dir.path().join("db")) {
            break db;
        }
        tokio::task::yield_now().await;
    };
    let tree = |name: &str| db.open_tree(name).expect("a tree");
    tree("usernames").remove("ada").expect("removed");
    tree("emails").insert("ghost@example.com", &[9; 12]).expect("inserted");
    tree("challenges").insert([3; 12], b"{}").expect("inserted");
    db.flush().expect("flushed");
    drop(db);
    let store = reopened(&dir).await;
    let (_, findings) = store.check().await.expect("checked");
    let places: Vec<_> = findings.iter().map(|f| (f.place.as_str(), f.key.as_str())).collect();
    let unreadable = ("challenge", "030303030303030303030303");
    assert_eq!(places, [("username", "ada"), unreadable, ("email", "ghost@example.com")]);
}
