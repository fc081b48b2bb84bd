//! What can be made from records and is kept beside them to find them by.

use meoww_proto::UserId;
use sled::{IVec, Tree, transaction::ConflictableTransactionError};

use super::{
    StoreError,
    export::hex,
    kinds::Kind,
    records::{decode, encode},
    safety,
    trees::{Transaction, Trees, get, user_id},
};
use crate::core::{
    account::Account,
    safety::Report,
    session::{Session, SessionId},
};

/// The trees with pointers.
pub(super) const TREES: usize = 4;

/// One way to find a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Pointer {
    Email(String, UserId),
    Username(String, UserId),
    Session(UserId, [u8; 16]),
    ReportParty(Vec<u8>, Vec<u8>),
}

impl Pointer {
    /// Those to one record.
    pub(super) fn to(kind: &Kind, key: &[u8], bytes: &[u8]) -> Result<Vec<Self>, StoreError> {
        match kind.name {
            "account" => {
                let Account { email, username, id, .. } = decode(bytes)?;
                let (email, username) = (email.as_str().to_owned(), username.as_str().to_owned());
                Ok(vec![Self::Email(email, id), Self::Username(username, id)])
            }
            "session" => {
                let session: Session = decode(bytes)?;
                let id = key.try_into().map_err(|_| StoreError::Unreadable("session id".into()))?;
                Ok(vec![Self::Session(session.user, id)])
            }
            "report" => {
                let report: Report = decode(bytes)?;
                let parties = safety::parties(key, &report);
                Ok(parties.map(|(key, role)| Self::ReportParty(key, role.to_vec())).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// All there are; an entry that cannot be read leads nowhere.
    pub(super) fn all(trees: &Trees) -> Result<Vec<Self>, StoreError> {
        let mut all = Vec::new();
        let text = |key: &IVec| String::from_utf8_lossy(key).into_owned();
        let nobody = UserId::from_bytes([0; 12]);
        for entry in &trees.emails {
            let (key, id) = entry?;
            all.push(Self::Email(text(&key), user_id(&id).unwrap_or(nobody)));
        }
        for entry in &trees.usernames {
            let (key, id) = entry?;
            all.push(Self::Username(text(&key), user_id(&id).unwrap_or(nobody)));
        }
        for entry in &trees.user_sessions {
            let (key, bytes) = entry?;
            let user = user_id(&key).unwrap_or(nobody);
            let ids: Vec<SessionId> = decode(&bytes).unwrap_or_default();
            all.extend(ids.iter().map(|id| Self::Session(user, *id.as_bytes())));
        }
        for entry in &trees.report_parties {
            let (key, role) = entry?;
            all.push(Self::ReportParty(key.to_vec(), role.to_vec()));
        }
        Ok(all)
    }

    /// Where they are kept, as [`Pointer::put`] takes them.
    pub(super) fn trees(trees: &Trees) -> [&Tree; TREES] {
        [&trees.emails, &trees.usernames, &trees.user_sessions, &trees.report_parties]
    }

    pub(super) fn put(self, trees: &[sled::transaction::TransactionalTree]) -> Transaction<()> {
        let [emails, usernames, sessions, parties] = trees else {
            let error = StoreError::Broken("a tree of pointers is missing".into());
            return Err(ConflictableTransactionError::Abort(error));
        };
        match self {
            Self::Email(email, id) => drop(emails.insert(email.as_str(), id.as_bytes())?),
            Self::Username(name, id) => drop(usernames.insert(name.as_str(), id.as_bytes())?),
            Self::Session(user, id) => {
                let mut ids: Vec<SessionId> = get(sessions, user.as_bytes())?.unwrap_or_default();
                ids.extend(SessionId::from_slice(&id));
                sessions.insert(user.as_bytes(), encode(&ids))?;
            }
            Self::ReportParty(key, role) => drop(parties.insert(key, role)?),
        }
        Ok(())
    }

    /// The name of the index.
    pub(super) fn place(&self) -> &'static str {
        match self {
            Self::Email(..) => "email",
            Self::Username(..) => "username",
            Self::Session(..) => "session-of-user",
            Self::ReportParty(..) => "report-party",
        }
    }

    /// What somebody looks for.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Email(text, _) | Self::Username(text, _) => text.clone(),
            Self::Session(user, _) => user.to_string(),
            Self::ReportParty(key, _) => hex(key),
        }
    }

    /// What is found by it.
    pub(super) fn target(&self) -> String {
        match self {
            Self::Email(_, id) | Self::Username(_, id) => format!("the account {id}"),
            Self::Session(_, id) => format!("the session {}", hex(id)),
            Self::ReportParty(..) => "a report".into(),
        }
    }
}
