//! Forgotten passwords on disk. A code waits under the address it was asked for, whether or not
//! there is such an account, so that judging it is the same work either way.

use meoww_proto::UserId;
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

impl Store {
    /// Lets a code wait for this address: the one that waits already, as long as `asker` has tries
    /// left, or else `fresh`. Queues and returns its mail if there is a verified account to mail it
    /// to: an unverified address is nobody's yet.
    pub async fn begin_reset(
        &self,
        email: Email,
        fresh: Challenge,
        asker: Presenter,
        now: OffsetDateTime,
    ) -> Result<Option<QueuedMail>, StoreError> {
        self.write(move |tables| tables.begin_reset(&email, &fresh, asker, now)).await
    }

    /// Judges a code and counts the try; the right one sets the password and ends every session of
    /// the account that is returned.
    pub async fn reset_password(
        &self,
        email: Email,
        (candidate, presenter): (Seal, Presenter),
        password_hash: String,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        self.write(move |tables| {
            tables.reset_password(&email, (&candidate, presenter), &password_hash, now)
        })
        .await
    }
}

impl Tables {
    fn begin_reset(
        &self,
        email: &Email,
        fresh: &Challenge,
        asker: Presenter,
        now: OffsetDateTime,
    ) -> Result<Option<QueuedMail>, StoreError> {
        self.transaction(|tx| {
            let waiting = tx.get::<Challenge>(Table::Resets, email.as_str())?;
            let renewed = waiting.and_then(|code| code.renewed(asker, now));
            let challenge = renewed.unwrap_or_else(|| fresh.clone());
            tx.put(Table::Resets, email.as_str(), &challenge)?;
            let Some(user) = tx.holder(Table::Emails, email.as_str())? else { return Ok(None) };
            match tx.account(user)? {
                Some(account) if account.is_verified => {
                    tx.queue_mail(MailSubject::Reset(email.clone()), &challenge).map(Some)
                }
                Some(_) | None => Ok(None),
            }
        })
    }

    fn reset_password(
        &self,
        email: &Email,
        (candidate, presenter): (&Seal, Presenter),
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        let key = email.as_str();
        self.transaction(|tx| {
            let Some(mut challenge) = tx.get::<Challenge>(Table::Resets, key)? else {
                return Ok(None);
            };
            match challenge.attempt(candidate, presenter, now) {
                Verdict::Accepted => tx.remove(Table::Resets, key)?,
                Verdict::Wrong => {
                    tx.put(Table::Resets, key, &challenge)?;
                    return Ok(None);
                }
                Verdict::Exhausted | Verdict::Expired => return Ok(None),
            }
            let Some(user) = tx.holder(Table::Emails, key)? else { return Ok(None) };
            match tx.account(user)? {
                Some(account) if account.is_verified => {
                    let account = Account { password_hash: password_hash.to_owned(), ..account };
                    tx.put(Table::Accounts, user.as_bytes(), &account)?;
                    tx.end_sessions(user, None)?;
                    Ok(Some(user))
                }
                Some(_) | None => Ok(None),
            }
        })
    }
}
