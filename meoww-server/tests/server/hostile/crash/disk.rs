//! The database as it lies on disk, read without the server's help.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::Path,
};

use meoww_proto::{RoomId, UserId};
use meoww_server::core::session::TokenDigest;
use serde_json::Value;

type Records = HashMap<Vec<u8>, Value>;
type Index = HashMap<Vec<u8>, Vec<u8>>;

pub(in super::super) struct Disk {
    accounts: Records,
    emails: Index,
    usernames: Index,
    challenges: Records,
    sessions: Records,
    user_sessions: Records,
    tokens: Records,
    blocks: Records,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accounts, sessions) = (self.accounts.len(), self.sessions.len());
        write!(f, "{accounts} accounts, {sessions} sessions, {} tokens", self.tokens.len())
    }
}

/// What became of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Token {
    Good,
    /// Its session goes on with another one.
    Spent,
    /// Its session is over, or it was never stored.
    Dead,
}

impl Disk {
    /// Recovers a copy, so that the next server finds what the killed one left.
    pub(in super::super) fn read(db: &Path) -> Self {
        let copy = tempfile::tempdir().expect("a directory");
        copy_all(db, copy.path());
        let db = sled::Config::new().path(copy.path()).open().expect("it opens after a kill");
        let entries = |name: &str| {
            let tree = db.open_tree(name).expect("a tree");
            let pairs: Vec<_> = tree.iter().map(|entry| entry.expect("readable")).collect();
            pairs.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec()))
        };
        let records = |name| {
            let parse = |bytes: Vec<u8>| -> Value { serde_json::from_slice(&bytes).expect("JSON") };
            entries(name).map(|(key, bytes)| (key, parse(bytes)["value"].take())).collect()
        };
        Self {
            accounts: records("accounts"),
            emails: entries("emails").collect(),
            usernames: entries("usernames").collect(),
            challenges: records("challenges"),
            sessions: records("sessions"),
            user_sessions: records("user_sessions"),
            tokens: records("refresh_tokens"),
            blocks: records("blocks"),
        }
    }

    /// Everything that refers to something else refers to what is there.
    pub(in super::super) fn check(&self) {
        for (id, account) in &self.accounts {
            for (index, field) in [(&self.emails, "email"), (&self.usernames, "username")] {
                let value = account[field].as_str().expect("text").as_bytes();
                assert_eq!(index.get(value), Some(id), "{account}");
            }
            let waits = self.challenges.contains_key(id);
            assert_ne!(waits, account["is_verified"] == true, "{account}");
        }
        assert_eq!(self.emails.len(), self.accounts.len());
        assert_eq!(self.usernames.len(), self.accounts.len());
        assert!(self.challenges.keys().all(|id| self.accounts.contains_key(id)));
        for (key, block) in &self.blocks {
            let other = hex(block["blocked"].as_str().expect("an id"));
            let (user, of) = key.split_at(other.len());
            assert!(other == of && self.accounts.contains_key(user), "{block}");
        }
        let mut currents = HashSet::new();
        for (id, session) in &self.sessions {
            let current: [u8; 32] =
                serde_json::from_value(session["current"].clone()).expect("a digest");
            let token = self.tokens.get(current.as_slice()).expect("the good token is known");
            assert_eq!(session_id(token), *id, "and it is this session's");
            assert!(currents.insert(current), "one good token belongs to one session");
            let user = hex(session["user"].as_str().expect("an id"));
            let account = self.accounts.get(&user).expect("sessions are of accounts");
            assert!(account["ban"].is_null(), "a ban ends all sessions at once: {session}");
            let listed = self.user_sessions.get(&user).and_then(Value::as_array);
            let is_this = |listed: &Value| uuid_of(listed) == *id;
            assert!(listed.is_some_and(|ids| ids.iter().any(is_this)), "{session}");
        }
        let listed = self.user_sessions.values().filter_map(Value::as_array).flatten();
        assert_eq!(listed.count(), self.sessions.len(), "only sessions are listed, each once");
    }

    /// Id of the account with this name, and whether it is verified.
    pub(in super::super) fn account(&self, username: &str) -> Option<(String, bool)> {
        let account = &self.accounts[self.usernames.get(username.as_bytes())?];
        let id = account["id"].as_str().expect("an id").to_owned();
        Some((id, account["is_verified"] == true))
    }

    pub(super) fn is_banned(&self, user: UserId) -> bool {
        self.accounts.get(user.as_bytes().as_slice()).is_some_and(|one| one["ban"].is_object())
    }

    pub(super) fn has_block(&self, user: UserId, room: RoomId) -> bool {
        let room = room.to_string();
        let mut own = self.blocks.iter().filter(|(key, _)| key.starts_with(user.as_bytes()));
        own.any(|(_, block)| block["room"] == room)
    }

    pub(in super::super) fn token(&self, token: &str) -> Token {
        let digest = *TokenDigest::of(token).as_bytes();
        let known = self.tokens.get(digest.as_slice());
        match known.and_then(|token| self.sessions.get(&session_id(token))) {
            None => Token::Dead,
            Some(session) if session["current"] == serde_json::json!(digest) => Token::Good,
            Some(_) => Token::Spent,
        }
    }
}

fn session_id(token: &Value) -> Vec<u8> {
    uuid_of(&token["session"])
}

fn uuid_of(text: &Value) -> Vec<u8> {
    let id: uuid::Uuid = text.as_str().expect("an id").parse().expect("a UUID");
    id.as_bytes().to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    text.parse::<UserId>().expect("an id").as_bytes().to_vec()
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&target).expect("made");
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
