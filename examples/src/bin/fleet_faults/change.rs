//! Changes of accounts that were acknowledged, and whether the database has them afterwards.

use std::{collections::BTreeSet, time::Duration};

use meoww_examples::fleet::Fleet;
use meoww_proto::RoomId;
use reqwest::Client;
use tokio::time::sleep;

use crate::account::{Verdict, log_in};

/// Tries to log in until a node answers: a fleet that has just lost a database answers 503.
const TRIES: usize = 100;
const RETRY: Duration = Duration::from_millis(200);

/// A change of an account that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    SignedUp {
        username: String,
    },
    /// `or` is a later password that the server may have, as that change was not answered.
    Password {
        email: String,
        password: String,
        or: Option<String>,
    },
    SessionEnded {
        id: String,
    },
    Banned {
        username: String,
    },
    Blocked {
        room: RoomId,
    },
}

impl Change {
    /// Returns the name of changes of this kind, for reports.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::SignedUp { .. } => "sign-ups",
            Self::Password { .. } => "passwords",
            Self::SessionEnded { .. } => "ended sessions",
            Self::Banned { .. } => "bans",
            Self::Blocked { .. } => "blocks",
        }
    }
}

/// The database, as far as changes show in it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    usernames: BTreeSet<String>,
    banned: BTreeSet<String>,
    sessions: BTreeSet<String>,
    blocks: BTreeSet<String>,
}

impl Kept {
    /// Reads the database that accepts writes.
    pub(crate) fn read(fleet: &Fleet) -> anyhow::Result<Self> {
        Ok(Self {
            usernames: fleet.usernames()?,
            banned: fleet.column("SELECT username FROM bans")?,
            sessions: fleet.column("SELECT encode(key, 'hex')::uuid FROM sessions")?,
            blocks: fleet.column("SELECT value->'value'->>'room' FROM blocks")?,
        })
    }

    /// Whether this change is gone. Of a password only a log-in tells.
    fn lacks(&self, change: &Change) -> bool {
        match change {
            Change::SignedUp { username } => !self.usernames.contains(username),
            Change::Banned { username } => !self.banned.contains(username),
            Change::SessionEnded { id } => self.sessions.contains(id),
            Change::Blocked { room } => !self.blocks.contains(&room.to_string()),
            Change::Password { .. } => false,
        }
    }
}

/// Returns the changes that are gone. Of passwords the last one of each address counts.
pub(crate) async fn lost(
    changes: &[Change],
    kept: &Kept,
    http: &Client,
    nodes: &[String],
) -> anyhow::Result<Vec<Change>> {
    let mut lost: Vec<Change> = changes.iter().filter(|it| kept.lacks(it)).cloned().collect();
    let mut asked = BTreeSet::new();
    for change in changes.iter().rev() {
        let Change::Password { email, password, or } = change else { continue };
        if !asked.insert(email) {
            continue;
        }
        let mut is_right = false;
        for password in [Some(password), or.as_ref()].into_iter().flatten() {
            is_right |= opens(http, nodes, email, password).await?;
        }
        lost.extend((!is_right).then(|| change.clone()));
    }
    Ok(lost)
}

async fn opens(
    http: &Client,
    nodes: &[String],
    email: &str,
    password: &str,
) -> anyhow::Result<bool> {
    for node in nodes.iter().cycle().take(TRIES) {
        if let Ok(verdict) = log_in(http, node, email, password).await {
            return Ok(verdict != Verdict::Wrong);
        }
        sleep(RETRY).await;
    }
    anyhow::bail!("no node says whether the password of {email} is right")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_is_not_in_the_database_is_lost() {
        let room: RoomId = "00000000-0000-4000-8000-000000000001".parse().expect("a room");
        let changes = [
            Change::SignedUp { username: "ada".into() },
            Change::Banned { username: "eve".into() },
            Change::SessionEnded { id: "1".into() },
            Change::Blocked { room },
        ];
        let set = |text: &str| BTreeSet::from([text.to_owned()]);
        let lost = |kept: Kept| changes.iter().filter(|it| kept.lacks(it)).count();
        assert_eq!(lost(Kept { sessions: set("1"), ..Kept::default() }), 4);
        let [usernames, banned] = [set("ada"), set("eve")];
        let sessions = set("2");
        assert_eq!(lost(Kept { usernames, banned, sessions, blocks: set(&room.to_string()) }), 0);
    }
}
