//! Whether the database is what it should be: every record readable, and every reference met.

use std::collections::{HashMap, HashSet};

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};
use sled::Tree;

use super::{
    Store, StoreError,
    export::{Held, hex},
    kinds::KINDS,
    records::decode,
    trees::{Trees, user_id},
};
use crate::core::{account::Account, session::Session};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The type of the record, or the index.
    pub place: String,
    /// Its key: hexadecimal, or a name or address.
    pub key: String,
    /// For people.
    pub what: String,
}

impl Store {
    /// Reads everything there was at one moment. Gives the number of records by type, and what is
    /// wrong with them.
    pub async fn check(&self) -> Result<(Vec<(String, u64)>, Vec<Finding>), StoreError> {
        let (held, indexes) = self
            .read_alone(|trees| {
                let index = |tree: &Tree| tree.iter().collect::<Result<Held, _>>();
                Ok((trees.hold()?, [index(&trees.emails)?, index(&trees.usernames)?]))
            })
            .await?;
        self.read(move |trees| {
            let counts = KINDS.iter().zip(&held);
            let counts =
                counts.map(|(kind, held)| (kind.name.to_owned(), held.len() as u64)).collect();
            Ok((counts, trees.findings(&held, &indexes)))
        })
        .await
    }
}

impl Trees {
    fn findings(&self, held: &[Held], indexes: &[Held; 2]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut accounts: HashMap<UserId, Account> = HashMap::new();
        for (kind, held) in KINDS.iter().zip(held) {
            for (key, bytes) in held {
                let mut found = |what: String| {
                    findings.push(Finding { place: kind.name.into(), key: hex(key), what });
                };
                if let Err(error) = (kind.to_json)(bytes) {
                    found(error.to_string());
                    continue;
                }
                if kind.is_account() {
                    match decode::<Account>(bytes) {
                        Ok(account) if account.id.as_bytes()[..] == key[..] => {
                            accounts.insert(account.id, account);
                        }
                        Ok(_) | Err(_) => found("lies under another account's id".into()),
                    }
                }
                let owner = (kind.owner)(key, bytes);
                if let Some(owner) = owner.filter(|owner| !accounts.contains_key(owner)) {
                    found(format!("belongs to the account {owner}, which is not there"));
                }
            }
        }
        sessions_without_token(held, &mut findings);
        let email = |account: &Account| account.email.as_str().to_owned();
        let username = |account: &Account| account.username.as_str().to_owned();
        compare_index("email", &indexes[0], &accounts, email, &mut findings);
        compare_index("username", &indexes[1], &accounts, username, &mut findings);
        findings
    }
}

/// A spent refresh token outlives its session on purpose; a session's good one must be there.
fn sessions_without_token(held: &[Held], findings: &mut Vec<Finding>) {
    let of = |name| {
        let held = KINDS.iter().zip(held).filter(move |(kind, _)| kind.name == name);
        held.flat_map(|(_, held)| held)
    };
    let tokens: HashSet<&[u8]> = of("refresh-token").map(|(key, _)| &key[..]).collect();
    for (key, bytes) in of("session") {
        let Ok(session) = decode::<Session>(bytes) else { continue };
        if !tokens.contains(&session.current.as_bytes()[..]) {
            let what = "its refresh token is not there".into();
            findings.push(Finding { place: "session".into(), key: hex(key), what });
        }
    }
}

fn compare_index(
    place: &str,
    index: &Held,
    accounts: &HashMap<UserId, Account>,
    field: impl Fn(&Account) -> String,
    findings: &mut Vec<Finding>,
) {
    let mut found = |key: &str, what: String| {
        findings.push(Finding { place: place.into(), key: key.to_owned(), what });
    };
    let mut indexed = HashSet::new();
    for (key, id) in index {
        let text = String::from_utf8_lossy(key).into_owned();
        match user_id(id).ok().and_then(|id| accounts.get(&id)) {
            Some(account) if field(account) == text => drop(indexed.insert(account.id)),
            Some(account) => found(&text, format!("is not the {place} of {}", account.id)),
            None => found(&text, "belongs to no account".into()),
        }
    }
    for account in accounts.values().filter(|account| !indexed.contains(&account.id)) {
        found(&field(account), format!("the account {} is not found by it", account.id));
    }
}
