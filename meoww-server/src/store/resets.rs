//! Forgotten passwords on disk. A code waits under the address it was asked for, whether or not
//! there is such an account, so that judging it is the same work either way.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    trees::{Table, Trees},
};
use crate::core::{
    account::{Account, Email},
    otp::{Challenge, Seal, Verdict},
};

impl Store {
    /// Lets a code wait for this address in place of any before it. The account is whom to mail
    /// it to: one that is verified, as an unverified address is nobody's yet.
    pub async fn begin_reset(
        &self,
        email: Email,
        challenge: Challenge,
    ) -> Result<Option<Account>, StoreError> {
        self.write(move |trees| trees.begin_reset(&email, &challenge)).await
    }

    /// Judges a code and counts the try; the right one sets the password and ends every session of
    /// the account that is returned.
    pub async fn reset_password(
        &self,
        email: Email,
        candidate: Seal,
        password_hash: String,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        self.write(move |trees| trees.reset_password(&email, &candidate, &password_hash, now)).await
    }
}

impl Trees {
    fn begin_reset(
        &self,
        email: &Email,
        challenge: &Challenge,
    ) -> Result<Option<Account>, StoreError> {
        self.transaction(|tx| tx.put(Table::Resets, email.as_str(), challenge))?;
        Ok(self.account_by_email(email)?.filter(|account| account.is_verified))
    }

    fn reset_password(
        &self,
        email: &Email,
        candidate: &Seal,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<Option<UserId>, StoreError> {
        let key = email.as_str();
        self.transaction(|tx| {
            let Some(mut challenge) = tx.get::<Challenge>(Table::Resets, key)? else {
                return Ok(None);
            };
            match challenge.attempt(candidate, now) {
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
