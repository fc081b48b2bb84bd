//! Changes of address on disk: what waits to be confirmed, and the confirmation.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    tables::{Table, Tables},
};
use crate::core::{
    account::{Account, Email},
    mail_queue::{MailSubject, QueuedMail},
    otp::{Challenge, Presenter, Seal, Verdict},
};

/// An address that waits for its code.
#[derive(Serialize, Deserialize)]
pub(super) struct AddressChange {
    pub(super) email: Email,
    pub(super) challenge: Challenge,
}

/// What became of a code for a new address.
pub enum AddressConfirmation {
    /// The account has the new address.
    Changed {
        /// As it is now.
        account: Box<Account>,
        /// For the address it had; in the queue.
        notice: QueuedMail,
    },
    /// The code was looked at and not accepted.
    Refused(Verdict),
    /// The code was right, but somebody else has the address by now.
    Taken,
    /// No change waits for this user.
    NoChallenge,
}

impl Store {
    /// Lets a new address wait for its code in place of any other: for the code that was sent there
    /// already, as long as it has tries left, or else for `fresh`. Queues and returns its mail; `None`
    /// if the address belongs to somebody else, or the user is deleted by now.
    pub async fn begin_address_change(
        &self,
        user: UserId,
        email: Email,
        fresh: Challenge,
        now: OffsetDateTime,
    ) -> Result<Option<QueuedMail>, StoreError> {
        self.write(move |tables| tables.begin_address_change(user, &email, &fresh, now)).await
    }

    /// Judges a code and counts the try; the right one gives the account its new address, and queues
    /// a notice to the old one.
    pub async fn confirm_address(
        &self,
        user: UserId,
        candidate: Seal,
        now: OffsetDateTime,
    ) -> Result<AddressConfirmation, StoreError> {
        self.write(move |tables| tables.confirm_address(user, &candidate, now)).await
    }

    /// The address that waits for its code, if one does.
    pub async fn awaited_address(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<Email>, StoreError> {
        self.read(move |tables| tables.awaited_address(user, now)).await
    }
}

impl Tables {
    fn begin_address_change(
        &self,
        user: UserId,
        email: &Email,
        fresh: &Challenge,
        now: OffsetDateTime,
    ) -> Result<Option<QueuedMail>, StoreError> {
        self.transaction(|tx| {
            if tx.account(user)?.is_none() {
                return Ok(None);
            }
            if let Some(holder) = tx.holder(Table::Emails, email.as_str())?
                && let Some(account) = tx.account(holder)?
            {
                let waiting = tx.get::<Challenge>(Table::Challenges, holder.as_bytes())?;
                let is_stale = waiting.is_none_or(|code| code.is_expired(now));
                if account.is_verified || !is_stale {
                    return Ok(None);
                }
            }
            let waiting = tx.get::<AddressChange>(Table::AddressChanges, user.as_bytes())?;
            let waiting = waiting.filter(|change| change.email == *email);
            let renewed = waiting.and_then(|it| it.challenge.renewed(Presenter::Owner, now));
            let challenge = renewed.unwrap_or_else(|| fresh.clone());
            let change = AddressChange { email: email.clone(), challenge };
            tx.put(Table::AddressChanges, user.as_bytes(), &change)?;
            tx.queue_mail(MailSubject::ChangeEmail(user), &change.challenge).map(Some)
        })
    }

    fn confirm_address(
        &self,
        user: UserId,
        candidate: &Seal,
        now: OffsetDateTime,
    ) -> Result<AddressConfirmation, StoreError> {
        let id = user.as_bytes();
        self.transaction(|tx| {
            let Some(mut change) = tx.get::<AddressChange>(Table::AddressChanges, id)? else {
                return Ok(AddressConfirmation::NoChallenge);
            };
            let Some(mut account) = tx.account(user)? else {
                return Ok(AddressConfirmation::NoChallenge);
            };
            match change.challenge.attempt(candidate, Presenter::Owner, now) {
                Verdict::Accepted => tx.remove(Table::AddressChanges, id)?,
                Verdict::Wrong => {
                    tx.put(Table::AddressChanges, id, &change)?;
                    return Ok(AddressConfirmation::Refused(Verdict::Wrong));
                }
                refusal @ (Verdict::Exhausted | Verdict::Expired) => {
                    return Ok(AddressConfirmation::Refused(refusal));
                }
            }
            if let Some(holder) = tx.holder(Table::Emails, change.email.as_str())?
                && !tx.evict_holder(holder, now)?
            {
                return Ok(AddressConfirmation::Taken);
            }
            tx.remove(Table::Emails, account.email.as_str())?;
            tx.put_bytes(Table::Emails, change.email.as_str(), id)?;
            let old = std::mem::replace(&mut account.email, change.email);
            tx.put(Table::Accounts, id, &account)?;
            let notice = QueuedMail::notice(user, old, account.email.clone(), now);
            tx.queue(&notice)?;
            Ok(AddressConfirmation::Changed { account: Box::new(account), notice })
        })
    }

    fn awaited_address(
        &self,
        user: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<Email>, StoreError> {
        let change = self.get::<AddressChange>(Table::AddressChanges, user.as_bytes())?;
        let change = change.filter(|change| !change.challenge.is_expired(now));
        Ok(change.map(|change| change.email))
    }
}
