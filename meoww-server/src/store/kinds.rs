//! Every kind of record that is kept, in one table: what export, import and check go through. What
//! can be made from others (who holds which name and address) is not in it.

use meoww_proto::UserId;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    addresses::AddressChange,
    records::{decode, encode},
    tables::{IssuedToken, Table},
};
use crate::core::{
    account::Account,
    mail_queue::QueuedMail,
    otp::Challenge,
    safety::{Block, Report},
    session::Session,
};

pub(super) struct Kind {
    /// As `type` of an exported record.
    pub(super) name: &'static str,
    pub(super) table: Table,
    /// What is on disk, as JSON for a file.
    pub(super) to_json: fn(&[u8]) -> Result<String, StoreError>,
    /// The other way; fields this program does not know are left out.
    pub(super) from_json: fn(&str) -> Result<Vec<u8>, serde_json::Error>,
    /// Whose account the record makes no sense without, by its key and what is on disk.
    pub(super) owner: fn(&[u8], &[u8]) -> Option<UserId>,
}

/// In the order of an export: an account comes before what belongs to it.
pub(super) static KINDS: [Kind; 9] = [
    Kind::of::<Account>("account", Table::Accounts, |_, _| None),
    Kind::of::<Challenge>("challenge", Table::Challenges, |key, _| user(key)),
    Kind::of::<Challenge>("password-reset", Table::Resets, |_, _| None),
    Kind::of::<AddressChange>("address-change", Table::AddressChanges, |key, _| user(key)),
    Kind::of::<Session>("session", Table::Sessions, |_, bytes| {
        decode::<Session>(bytes).ok().map(|session| session.user)
    }),
    Kind::of::<IssuedToken>("refresh-token", Table::Tokens, |_, _| None),
    // Whom it is about may be gone: an id without an account names nobody.
    Kind::of::<Block>("block", Table::Blocks, |key, _| user(key.get(..12)?)),
    Kind::of::<Report>("report", Table::Reports, |_, _| None),
    Kind::of::<QueuedMail>("mail", Table::MailQueue, |_, bytes| {
        decode::<QueuedMail>(bytes).ok()?.subject.owner()
    }),
];

impl Kind {
    const fn of<T: Serialize + DeserializeOwned>(
        name: &'static str,
        table: Table,
        owner: fn(&[u8], &[u8]) -> Option<UserId>,
    ) -> Self {
        Self { name, table, to_json: to_json::<T>, from_json: from_json::<T>, owner }
    }

    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Whether these are the accounts, from which the indexes are made.
    pub(super) fn is_account(&self) -> bool {
        self.name == "account"
    }
}

/// The user a key is the id of.
fn user(key: &[u8]) -> Option<UserId> {
    key.try_into().ok().map(UserId::from_bytes)
}

fn to_json<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<String, StoreError> {
    let value = decode::<T>(bytes)?;
    serde_json::to_string(&value).map_err(|error| StoreError::Export(error.to_string()))
}

fn from_json<T: Serialize + DeserializeOwned>(text: &str) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::from_str::<T>(text).map(|value| encode(&value))
}
