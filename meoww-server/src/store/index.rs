//! What can be made from records and is kept beside them to find them by.

use meoww_proto::UserId;
use sled::IVec;

use super::{
    StoreError,
    export::hex,
    kinds::Kind,
    records::decode,
    safety,
    transaction::{Transaction, Tx},
    trees::{Table, Trees, user_id},
};
use crate::core::{
    account::Account,
    safety::Report,
    session::{Session, SessionId},
};

/// One way to find a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum IndexEntry {
    Email(String, UserId),
    Username(String, UserId),
    Session(UserId, [u8; 16]),
    ReportParty(Vec<u8>, Vec<u8>),
}

impl IndexEntry {
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
        for entry in trees.tree(Table::Emails) {
            let (key, id) = entry?;
            all.push(Self::Email(text(&key), user_id(&id).unwrap_or(nobody)));
        }
        for entry in trees.tree(Table::Usernames) {
            let (key, id) = entry?;
            all.push(Self::Username(text(&key), user_id(&id).unwrap_or(nobody)));
        }
        for entry in trees.tree(Table::UserSessions) {
            let (key, bytes) = entry?;
            let user = user_id(&key).unwrap_or(nobody);
            let ids: Vec<SessionId> = decode(&bytes).unwrap_or_default();
            all.extend(ids.iter().map(|id| Self::Session(user, *id.as_bytes())));
        }
        for entry in trees.tree(Table::ReportParties) {
            let (key, role) = entry?;
            all.push(Self::ReportParty(key.to_vec(), role.to_vec()));
        }
        Ok(all)
    }

    pub(super) fn put(self, tx: &Tx<'_>) -> Transaction<()> {
        match self {
            Self::Email(email, id) => tx.put_bytes(Table::Emails, email, id.as_bytes()),
            Self::Username(name, id) => tx.put_bytes(Table::Usernames, name, id.as_bytes()),
            Self::Session(user, id) => {
                let mut ids = tx.session_ids(user)?;
                ids.extend(SessionId::from_slice(&id));
                tx.put(Table::UserSessions, user.as_bytes(), &ids)
            }
            Self::ReportParty(key, role) => tx.put_bytes(Table::ReportParties, key, &role),
        }
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
