//! Forgetting what has run out.

use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    addresses::AddressChange,
    records::decode,
    scan::KeyRange,
    tables::{IssuedToken, Table, Tables},
};
use crate::core::{
    account::Account,
    mail_queue::QueuedMail,
    otp::Challenge,
    session::{Session, SessionId},
};

impl Store {
    /// Forgets sessions, refresh tokens and codes that have run out, and accounts that were never
    /// verified.
    pub async fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.write_much(move |tables| tables.purge_expired(now)).await
    }
}

impl Tables {
    fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        for entry in self.scan(Table::Sessions, KeyRange::all()) {
            let (key, bytes) = entry?;
            let session: Session = decode(&bytes)?;
            if let Some(id) = SessionId::from_slice(&key).filter(|_| session.is_over(now)) {
                self.end_session_if_over(id, now)?;
            }
        }
        for entry in self.scan(Table::Accounts, KeyRange::all()) {
            let account: Account = decode(&entry?.1)?;
            if account.is_abandoned(now) {
                // Unless it was verified, or asked for a code, since it was looked at.
                self.transaction(|tx| tx.evict_holder(account.id, now))?;
            }
        }
        self.purge::<IssuedToken>(Table::Tokens, |token| token.expires_at <= now)?;
        self.purge::<Challenge>(Table::Resets, |challenge| challenge.is_expired(now))?;
        self.purge::<AddressChange>(Table::AddressChanges, |it| it.challenge.is_expired(now))?;
        self.purge::<QueuedMail>(Table::MailQueue, |mail| mail.is_abandoned(now))
    }

    /// It may have been refreshed since it was looked at.
    fn end_session_if_over(&self, id: SessionId, now: OffsetDateTime) -> Result<(), StoreError> {
        self.transaction(|tx| match tx.get::<Session>(Table::Sessions, id.as_bytes())? {
            Some(session) if session.is_over(now) => tx.end_session(session.user, id),
            Some(_) | None => Ok(()),
        })
    }

    fn purge<T: DeserializeOwned>(
        &self,
        table: Table,
        is_over: impl Fn(&T) -> bool,
    ) -> Result<(), StoreError> {
        for entry in self.scan(table, KeyRange::all()) {
            let (key, bytes) = entry?;
            if is_over(&decode(&bytes)?) {
                // It may have been replaced since it was looked at.
                self.transaction(|tx| match tx.get::<T>(table, &key)? {
                    Some(value) if is_over(&value) => tx.remove(table, &key),
                    Some(_) | None => Ok(()),
                })?;
            }
        }
        Ok(())
    }
}
