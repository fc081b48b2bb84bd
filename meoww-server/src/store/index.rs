//! What can be made from records and is kept beside them to find them by.

use meoww_proto::UserId;

use super::{
    StoreError,
    export::hex,
    kinds::Kind,
    records::decode,
    safety,
    tables::{Table, Tables, user_id},
    transaction::{Transaction, Tx},
};
use crate::core::{
    account::Account,
    safety::Report,
    session::{Session, SessionId},
};

/// The tables of them.
pub(super) const INDEXES: [Table; 4] =
    [Table::Emails, Table::Usernames, Table::UserSessions, Table::ReportParties];
/// Bytes of a user id, with which a key of [`Table::ReportParties`] begins.
const USER_ID: usize = 12;

/// One way to find a record.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Those under one key of an index; what cannot be read leads nowhere.
    pub(super) fn at(index: Table, key: &[u8], bytes: &[u8]) -> Vec<Self> {
        let nobody = UserId::from_bytes([0; 12]);
        let (text, holder) = (String::from_utf8_lossy(key).into_owned(), user_id(bytes));
        match index {
            Table::Emails => vec![Self::Email(text, holder.unwrap_or(nobody))],
            Table::Usernames => vec![Self::Username(text, holder.unwrap_or(nobody))],
            Table::UserSessions => {
                let user = user_id(key).unwrap_or(nobody);
                let ids: Vec<SessionId> = decode(bytes).unwrap_or_default();
                ids.iter().map(|id| Self::Session(user, *id.as_bytes())).collect()
            }
            Table::ReportParties => vec![Self::ReportParty(key.to_vec(), bytes.to_vec())],
            _ => Vec::new(),
        }
    }

    /// Whether the index has it.
    pub(super) fn is_kept(&self, tables: &Tables) -> Result<bool, StoreError> {
        let (index, key) = match self {
            Self::Email(text, _) => (Table::Emails, text.as_bytes()),
            Self::Username(text, _) => (Table::Usernames, text.as_bytes()),
            Self::Session(user, _) => (Table::UserSessions, &user.as_bytes()[..]),
            Self::ReportParty(key, _) => (Table::ReportParties, &key[..]),
        };
        let bytes = tables.get_bytes(index, key)?;
        Ok(bytes.is_some_and(|bytes| Self::at(index, key, &bytes).contains(self)))
    }

    /// Whether the record that it leads to is found by it.
    pub(super) fn leads_to_its_record(&self, tables: &Tables) -> Result<bool, StoreError> {
        let (name, key) = match self {
            Self::Email(_, id) | Self::Username(_, id) => ("account", &id.as_bytes()[..]),
            Self::Session(_, id) => ("session", &id[..]),
            Self::ReportParty(key, _) => ("report", key.get(USER_ID..).unwrap_or_default()),
        };
        let Some(kind) = Kind::named(name) else { return Ok(false) };
        let Some(bytes) = tables.get_bytes(kind.table, key)? else { return Ok(false) };
        Ok(Self::to(kind, key, &bytes).is_ok_and(|entries| entries.contains(self)))
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
