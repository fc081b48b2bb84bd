//! Documents as real databases have them, all the way into a database.

use serde_json::json;

use super::*;
use crate::store::{Imported, Merge, Store};

const BCRYPT: &str = "$2b$10$GNS/.NoH3s9PN8Zww8TdW.f.3qjKpsFPo0BR7/YJfVjZ3hG9/.pee";
const RENAME: Merge =
    Merge { into_existing: true, despite_faults: true, rename: true, dry_run: false };
const STRICT: Merge = Merge { rename: false, ..RENAME };

fn user(id: u32) -> Value {
    json!({
        "_id": { "$oid": format!("65f0c0ffee0000000000{id:04x}") }, "name": format!("N {id}"),
        "username": format!("user_{id}"), "email": format!("u{id}@example.org"),
        "passwordHash": BCRYPT, "profileImage": "https://img.example/a.jpg", "isVerified": true,
        "refreshTokenHash": null, "createdAt": { "$date": "2024-03-12T20:00:00.000Z" }, "__v": 0
    })
}

/// Users of whom a field is another.
fn users(field: &str, values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let with = |(id, value)| {
        let mut user = user(id);
        user[field] = value;
        user
    };
    (1..).zip(values).map(with).collect()
}

fn lines(users: &[Value]) -> String {
    users.iter().map(|user| format!("{user}\n")).collect()
}

/// A store, and what became of the file that was imported into it.
struct Migration {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Migration {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { store: Store::open(&dir.path().join("db")).expect("it opens"), _dir: dir }
    }

    async fn import(&self, text: &str, merge: Merge) -> Imported {
        let (batch, mut faults) = parse(Batch::default(), text.as_bytes(), merge.rename);
        let mut imported = self.store.import(batch, merge).await.expect("imported");
        imported.faults.append(&mut faults);
        imported
    }

    async fn account(&self, id: u32) -> Account {
        let email = Email::parse(&format!("u{id}@example.org")).expect("an address");
        self.store.account_by_email(email).await.expect("read").expect("there")
    }

    async fn usernames(&self, ids: impl IntoIterator<Item = u32>) -> Vec<String> {
        let mut names = Vec::new();
        for id in ids {
            names.push(self.account(id).await.username.as_str().to_owned());
        }
        names
    }
}

#[tokio::test]
async fn every_layout_of_mongoexport_brings_every_user() {
    let users = [user(1), user(2)];
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let layouts = [
        lines(&users),
        users.each_ref().map(pretty).join("\n"),
        json!(users).to_string(),
        pretty(&json!(users)),
    ];
    for layout in layouts {
        for mark in ["", "\u{feff}"] {
            let imported = Migration::new().import(&format!("{mark}{layout}"), STRICT).await;
            let added: Vec<_> = imported.added.into_iter().collect();
            assert_eq!((added, imported.faults), (vec![("account".to_owned(), 2)], vec![]));
        }
    }
}

#[tokio::test]
async fn a_user_brings_all_that_is_theirs() {
    let migration = Migration::new();
    let imported = migration.import(&lines(&[user(1)]), STRICT).await;
    assert_eq!((&imported.changed[..], &imported.faults[..]), (&[][..], &[][..]));
    let ada = migration.account(1).await;
    assert_eq!(ada.id.to_string(), "65f0c0ffee00000000000001");
    assert_eq!((ada.name.as_str(), ada.username.as_str()), ("N 1", "user_1"));
    assert_eq!((&*ada.password_hash, &*ada.profile_image), (BCRYPT, "https://img.example/a.jpg"));
    assert!(ada.is_verified && ada.ban.is_none());
    assert_eq!(rfc3339_millis(ada.created_at), "2024-03-12T20:00:00.000Z");
}

/// 0x65f0c0ff seconds are 2024-03-12T20:54:23Z (`date -u -d @1710276863`).
#[tokio::test]
async fn a_date_that_says_nothing_is_that_of_the_id() {
    let migration = Migration::new();
    let absent = [json!(null), json!({ "$undefined": true })];
    let unreadable = [json!("yesterday"), json!({ "$date": "9999-12-31T23:59:59-01:00" })];
    let users = users("createdAt", absent.into_iter().chain(unreadable));
    let imported = migration.import(&lines(&users), STRICT).await;
    assert_eq!(imported.faults, []);
    for id in 1..=4 {
        let at = rfc3339_millis(migration.account(id).await.created_at);
        assert_eq!(at, "2024-03-12T20:54:23.000Z");
    }
    let changed: Vec<_> = imported.changed.iter().map(|it| (it.line, &*it.change.field)).collect();
    assert_eq!(changed, [(3, "createdAt"), (4, "createdAt")], "what is lost is said");
}

#[tokio::test]
async fn null_is_as_good_as_missing() {
    let migration = Migration::new();
    let mut bare = user(1);
    for field in ["name", "profileImage", "isVerified", "createdAt"] {
        bare[field] = json!(null);
    }
    assert_eq!(migration.import(&lines(&[bare]), STRICT).await.faults, []);
    let bare = migration.account(1).await;
    assert_eq!((bare.name.as_str(), &*bare.profile_image, bare.is_verified), ("user_1", "", false));
}

fn refused_usernames() -> Vec<Value> {
    let long = "x".repeat(33);
    let names = ["john-doe", "jos\u{e9}", "\u{540d}\u{524d}", "ab", &long, "a.b_c", "UPPER"];
    users("username", names.map(Value::from))
}

#[tokio::test]
async fn refused_usernames_are_faults_that_say_what_helps() {
    let migration = Migration::new();
    let imported = migration.import(&lines(&refused_usernames()), STRICT).await;
    assert_eq!(imported.added["account"], 2);
    assert_eq!(imported.faults.iter().map(|it| it.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(imported.faults.iter().all(|it| it.user.is_some() && it.reason.contains("--rename")));
    assert_eq!(migration.usernames([6, 7]).await, ["a.b_c", "upper"]);
}

#[tokio::test]
async fn refused_usernames_are_renamed_when_that_is_asked_for() {
    let migration = Migration::new();
    let imported = migration.import(&lines(&refused_usernames()), RENAME).await;
    assert_eq!((imported.added["account"], imported.faults), (7, vec![]));
    let long = "x".repeat(32);
    let names = ["john_doe", "jose", "user_000003", "ab_000004", &long, "a.b_c", "upper"];
    assert_eq!(migration.usernames(1..=7).await, names);
    let said: Vec<_> = imported.changed.iter().map(|it| (&*it.email, &*it.change.new)).collect();
    let renamed = (1..=5).map(|id| format!("u{id}@example.org")).collect::<Vec<_>>();
    assert_eq!(said, renamed.iter().map(String::as_str).zip(names).collect::<Vec<_>>());
    assert_eq!(imported.changed[0].change.old, "john-doe");
}

/// Who may keep a name keeps it, also if somebody before them in the file would be renamed to it.
#[tokio::test]
async fn new_usernames_collide_with_nobody_and_depend_on_no_order() {
    let names = ["a b", "a-b", "a_b", "A_B", "c d"];
    let mut documents = users("username", names.map(Value::from));
    for _ in 0..2 {
        let migration = Migration::new();
        assert_eq!(migration.import(&lines(&[user(6)]), STRICT).await.faults, []);
        let imported = migration.import(&lines(&documents), RENAME).await;
        assert_eq!((imported.added["account"], imported.faults), (5, vec![]));
        let names = migration.usernames([1, 2, 5]).await;
        assert_eq!(names, ["a_b_000001", "a_b_000002", "c_d"]);
        let mut kept = migration.usernames([3, 4]).await;
        kept.sort();
        assert!(kept[0] == "a_b" && kept[1].starts_with("a_b_00000"), "{kept:?}");
        assert_eq!(migration.store.check().await.expect("checked").1, []);
        documents.reverse();
    }
}

#[tokio::test]
async fn importing_again_changes_nothing() {
    let migration = Migration::new();
    let text = lines(&refused_usernames());
    migration.import(&text, RENAME).await;
    let before = migration.store.export(Vec::new()).await.expect("exported").0;
    let again = migration.import(&text, RENAME).await;
    assert_eq!((again.kept, again.added.len(), again.changed.len()), (7, 0, 0));
    assert_eq!(migration.store.export(Vec::new()).await.expect("exported").0, before);
}

#[tokio::test]
async fn a_username_somebody_took_in_the_meantime_is_renamed_on_request() {
    let migration = Migration::new();
    migration.import(&lines(&[user(1)]), STRICT).await;
    let mut late = user(2);
    late["username"] = json!("user_1");
    let refused = migration.import(&lines(&[late.clone()]), STRICT).await;
    assert!(refused.faults[0].reason.contains("belongs to 65f0c0ff"), "{refused:?}");
    assert_eq!(migration.import(&lines(&[late]), RENAME).await.faults, []);
    assert_eq!(migration.usernames([1, 2]).await, ["user_1", "user_1_000002"]);
}

#[tokio::test]
async fn names_that_are_refused_come_along_as_far_as_they_go() {
    let migration = Migration::new();
    let long = "x".repeat(100);
    let names =
        ["", "   ", &long, "tab\tinside", "line\nbreak", "a\0b", "\u{1f469}\u{200d}\u{1f680}"];
    let users = lines(&users("name", names.map(Value::from)));
    let strict = Migration::new().import(&users, STRICT).await;
    assert_eq!(strict.faults.iter().map(|it| it.line).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(migration.import(&users, RENAME).await.faults, []);
    let long = "x".repeat(64);
    let kept = [
        "user_1",
        "user_2",
        &long,
        "tab inside",
        "line break",
        "a b",
        "\u{1f469}\u{200d}\u{1f680}",
    ];
    for (id, name) in (1..).zip(kept) {
        assert_eq!(migration.account(id).await.name.as_str(), name);
    }
}

#[tokio::test]
async fn what_no_login_is_possible_with_is_a_fault() {
    let migration = Migration::new();
    let mut faulty =
        users("email", ["nobody", "\"a b\"@example.org", "x@[127.0.0.1]"].map(Value::from));
    faulty.extend(users("passwordHash", [json!("hunter2"), json!(null), json!(["hunter2"])]));
    faulty.extend(users("_id", [json!("1"), json!({ "$oid": 5 })]));
    faulty.extend(users("username", [json!({ "hunter2": 1 })]));
    faulty.push(json!({ "_id": user(1)["_id"], "userId": user(1)["_id"], "otpHash": "hunter2" }));
    let imported = migration.import(&lines(&faulty), RENAME).await;
    assert_eq!((imported.added.len(), imported.faults.len()), (0, faulty.len()));
    assert!(!format!("{imported:?}").contains("hunter2"), "a report holds no secret");
    assert!(imported.faults.iter().any(|fault| fault.reason.contains("otps")));
}

#[tokio::test]
async fn the_same_user_twice_is_said_once() {
    let migration = Migration::new();
    let mut other = user(2);
    other["email"] = json!("U1@example.org");
    let text = lines(&[user(1), user(1), other]);
    let imported = migration.import(&text, RENAME).await;
    let reasons: Vec<_> = imported.faults.iter().map(|it| (it.line, &*it.reason)).collect();
    let twin = "address u1@example.org is also on line 1";
    assert_eq!(reasons, [(2, "is on line 1 already"), (3, twin)]);
}
