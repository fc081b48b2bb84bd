//! Accounts on disk, and who holds which name and address.

use meoww_proto::UserId;
use sled::{Transactional, transaction::ConflictableTransactionError};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    records::encode,
    trees::{Trees, get, remove_account, user_id},
};
use crate::core::{
    account::{Account, Email},
    otp::Challenge,
};

/// What became of a sign-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The account is there and waits for its code.
    Created,
    /// Its name or address belongs to somebody else.
    Taken,
}

impl Store {
    /// Adds an account that waits for its code. An unverified account whose code has expired
    /// gives up its name and address to the new one.
    pub async fn create_account(
        &self,
        account: Account,
        challenge: Challenge,
        now: OffsetDateTime,
    ) -> Result<Creation, StoreError> {
        self.write(move |trees| trees.create_account(&account, &challenge, now)).await
    }

    /// Takes back a sign-up whose mail could not be sent, and says whether it did: a verified
    /// account stays.
    pub async fn discard_signup(&self, user: UserId) -> Result<bool, StoreError> {
        self.write(move |trees| trees.discard_signup(user)).await
    }

    /// The account with this address.
    pub async fn account_by_email(&self, email: Email) -> Result<Option<Account>, StoreError> {
        self.read(move |trees| trees.account_by_email(&email)).await
    }
}

impl Trees {
    fn create_account(
        &self,
        account: &Account,
        challenge: &Challenge,
        now: OffsetDateTime,
    ) -> Result<Creation, StoreError> {
        let trees = (&self.accounts, &self.emails, &self.usernames, &self.challenges);
        let created = trees.transaction(|(accounts, emails, usernames, challenges)| {
            let holders =
                [emails.get(account.email.as_str())?, usernames.get(account.username.as_str())?];
            for holder in holders.into_iter().flatten() {
                let holder = user_id(&holder).map_err(ConflictableTransactionError::Abort)?;
                let Some(old) = get::<Account>(accounts, holder.as_bytes())? else { continue };
                let waiting = get::<Challenge>(challenges, holder.as_bytes())?;
                if old.is_verified || waiting.is_some_and(|code| !code.is_expired(now)) {
                    return Ok(Creation::Taken);
                }
                remove_account(accounts, emails, usernames, challenges, &old)?;
            }
            let id = account.id.as_bytes();
            accounts.insert(id, encode(account))?;
            emails.insert(account.email.as_str(), id)?;
            usernames.insert(account.username.as_str(), id)?;
            challenges.insert(id, encode(challenge))?;
            Ok(Creation::Created)
        })?;
        Ok(created)
    }

    fn discard_signup(&self, user: UserId) -> Result<bool, StoreError> {
        let trees = (&self.accounts, &self.emails, &self.usernames, &self.challenges);
        let discarded =
            trees.transaction(|(accounts, emails, usernames, challenges)| {
                match get::<Account>(accounts, user.as_bytes())? {
                    Some(account) if !account.is_verified => {
                        remove_account(accounts, emails, usernames, challenges, &account)?;
                        Ok(true)
                    }
                    Some(_) | None => Ok(false),
                }
            })?;
        Ok(discarded)
    }

    fn account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        match self.emails.get(email.as_str())? {
            Some(id) => self.account(user_id(&id)?),
            None => Ok(None),
        }
    }
}
