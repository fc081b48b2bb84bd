//! Whether the database is what it should be: every record readable, and every reference met.

use std::collections::{BTreeSet, HashSet};

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    export::hex,
    index::IndexEntry,
    kinds::{KINDS, Kind},
    records::decode,
    snapshot::Records,
    trees::Trees,
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
        let (held, pointers) =
            self.read_alone(|trees| Ok((trees.hold()?, IndexEntry::all(trees)?))).await?;
        self.read(move |_| {
            let counts = KINDS.iter().zip(&held);
            let counts =
                counts.map(|(kind, held)| (kind.name.to_owned(), held.len() as u64)).collect();
            Ok((counts, findings(&held, &pointers)))
        })
        .await
    }
}

impl Trees {
    /// A copy of all records, in the order of [`KINDS`]; values are shared with the cache.
    fn hold(&self) -> Result<Vec<Records>, StoreError> {
        let records = |kind: &Kind| self.tree(kind.table).iter().collect::<Result<_, _>>();
        Ok(KINDS.iter().map(records).collect::<Result<_, _>>()?)
    }
}

fn findings(held: &[Records], pointers: &[IndexEntry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut accounts: HashSet<UserId> = HashSet::new();
    let mut expected = BTreeSet::new();
    for (kind, held) in KINDS.iter().zip(held) {
        for (key, bytes) in held {
            let mut found =
                |what| findings.push(Finding { place: kind.name.into(), key: hex(key), what });
            match (kind.to_json)(bytes).and_then(|_| IndexEntry::to(kind, key, bytes)) {
                Ok(pointers) => expected.extend(pointers),
                Err(error) => {
                    found(error.to_string());
                    continue;
                }
            }
            if kind.is_account() {
                match decode::<Account>(bytes) {
                    Ok(account) if account.id.as_bytes()[..] == key[..] => {
                        accounts.insert(account.id);
                    }
                    Ok(_) | Err(_) => found("lies under another account's id".into()),
                }
            }
            if let Some(owner) = (kind.owner)(key, bytes).filter(|id| !accounts.contains(id)) {
                found(format!("belongs to the account {owner}, which is not there"));
            }
        }
    }
    sessions_without_token(held, &mut findings);
    let actual: BTreeSet<IndexEntry> = pointers.iter().cloned().collect();
    let about = |pointer: &IndexEntry, what| {
        let (place, key) = (pointer.place().to_owned(), pointer.key());
        Finding { place, key, what: format!("{what} {}", pointer.target()) }
    };
    findings.extend(actual.difference(&expected).map(|p| about(p, "leads wrongly to")));
    findings.extend(expected.difference(&actual).map(|p| about(p, "does not lead to")));
    findings
}

/// A session's good refresh token must be there.
fn sessions_without_token(held: &[Records], findings: &mut Vec<Finding>) {
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
