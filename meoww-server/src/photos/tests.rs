use std::{fs::File, path::Path, time::Duration};

use super::*;
use crate::{
    clock,
    core::{
        account::{self, Account, Email, Name, Username},
        otp::{Challenge, Subject},
    },
};

fn old(folder: &Path, id: PhotoId) {
    let file = File::options().write(true).open(folder.join(id.to_string())).expect("there");
    let two_hours_ago =
        std::time::SystemTime::from(clock::now()) - Duration::from_secs(2 * 60 * 60);
    file.set_modified(two_hours_ago).expect("set");
}

async fn owner_of(store: &Store, profile_image: String) {
    let now = clock::now();
    let account = Account {
        id: account::new_user_id(now, [1; 8]),
        name: Name::parse("Ada").expect("a name"),
        username: Username::parse("ada").expect("a username"),
        email: Email::parse("ada@example.com").expect("an address"),
        password_hash: String::new(),
        profile_image,
        is_verified: false,
        created_at: now,
        ban: None,
    };
    let subject = Subject::SignUp(account.id);
    let challenge = Challenge::generate(&[0; 32], subject, &mut rand::rng(), now);
    store.create_account(account, challenge, now).await.expect("stored");
}

#[tokio::test]
async fn old_photos_that_nobody_has_are_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("photos");
    let store = Store::open(&dir.path().join("db")).expect("a database");
    let photos = Photos::new(PhotoStore::in_folder(&folder).expect("a folder"));
    let [owned, orphan, fresh] = [1, 2, 3].map(|n| PhotoId::generate([n; 16]));
    for id in [owned, orphan, fresh] {
        photos.put(Photo { id, jpeg: vec![1] }).await.expect("kept");
    }
    owner_of(&store, owned.to_profile_image()).await;
    old(&folder, owned);
    old(&folder, orphan);
    photos.remove_orphans(&store, clock::now()).await.expect("swept");
    for (id, stays) in [(owned, true), (orphan, false), (fresh, true)] {
        assert_eq!(photos.get(id).await.expect("no failure").is_some(), stays);
    }
}

#[tokio::test]
async fn uploads_in_memory_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let photos = Photos::new(PhotoStore::in_folder(dir.path()).expect("a folder"));
    let uploads: Vec<_> = (0..MAX_UPLOADS).map(|_| photos.place().expect("a place")).collect();
    assert!(matches!(photos.place(), Err(PhotoError::Busy)));
    drop(uploads);
    assert!(photos.place().is_ok());
}
