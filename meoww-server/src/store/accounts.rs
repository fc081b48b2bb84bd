//! Accounts on disk, and who holds which name and address.

use meoww_proto::UserId;
use sled::{
    Transactional,
    transaction::{ConflictableTransactionError, TransactionalTree},
};
use time::OffsetDateTime;

use super::{
    NewSession, Store, StoreError,
    records::encode,
    session_trees::SessionTrees,
    trees::{Transaction, Trees, get, remove_account, user_id},
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

    /// The account with this id.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.read(move |trees| trees.account(user)).await
    }

    /// Sets the password of an account whose present one was `proved`, ends every session and
    /// opens `fresh`; `false` if the password was changed, or the account deleted, in the meantime.
    pub async fn change_password(
        &self,
        proved: Account,
        password_hash: String,
        fresh: NewSession,
    ) -> Result<bool, StoreError> {
        self.write(move |trees| trees.change_password(&proved, &password_hash, &fresh)).await
    }

    /// Removes an account with its codes and sessions, and says what it was. Digests of its
    /// refresh tokens, which lead nowhere now, go when those would have run out.
    pub async fn delete_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.write(move |trees| trees.delete_account(user)).await
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
                if !evict_holder(accounts, emails, usernames, challenges, &holder, now)? {
                    return Ok(Creation::Taken);
                }
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

    fn change_password(
        &self,
        proved: &Account,
        password_hash: &str,
        fresh: &NewSession,
    ) -> Result<bool, StoreError> {
        let id = proved.id.as_bytes();
        let trees = (&self.accounts, &self.sessions, &self.user_sessions, &self.tokens);
        let changed = trees.transaction(|(accounts, sessions, by_user, tokens)| {
            match get::<Account>(accounts, id)? {
                Some(account) if account.password_hash == proved.password_hash => {
                    let account = Account { password_hash: password_hash.to_owned(), ..account };
                    accounts.insert(id, encode(&account))?;
                    let trees = SessionTrees { sessions, by_user, tokens };
                    trees.end_all(proved.id, None)?;
                    trees.open(fresh)?;
                    Ok(true)
                }
                Some(_) | None => Ok(false),
            }
        })?;
        Ok(changed)
    }

    fn delete_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let id = user.as_bytes();
        let trees = (
            &self.accounts,
            &self.emails,
            &self.usernames,
            &self.challenges,
            &self.resets,
            &self.address_changes,
            &self.sessions,
            &self.user_sessions,
            &self.tokens,
        );
        let deleted = trees.transaction(
            |(
                accounts,
                emails,
                usernames,
                challenges,
                resets,
                changes,
                sessions,
                by_user,
                tokens,
            )| {
                let Some(account) = get::<Account>(accounts, id)? else { return Ok(None) };
                remove_account(accounts, emails, usernames, challenges, &account)?;
                resets.remove(account.email.as_str())?;
                changes.remove(id)?;
                SessionTrees { sessions, by_user, tokens }.end_all(user, None)?;
                Ok(Some(account))
            },
        )?;
        Ok(deleted)
    }

    pub(super) fn account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        match self.emails.get(email.as_str())? {
            Some(id) => self.account(user_id(&id)?),
            None => Ok(None),
        }
    }
}

/// Makes way for somebody new: an unverified account whose code has run out is removed. `false` if
/// the holder stays.
pub(super) fn evict_holder(
    accounts: &TransactionalTree,
    emails: &TransactionalTree,
    usernames: &TransactionalTree,
    challenges: &TransactionalTree,
    holder: &[u8],
    now: OffsetDateTime,
) -> Transaction<bool> {
    let holder = user_id(holder).map_err(ConflictableTransactionError::Abort)?;
    let Some(old) = get::<Account>(accounts, holder.as_bytes())? else { return Ok(true) };
    let waiting = get::<Challenge>(challenges, holder.as_bytes())?;
    if old.is_verified || waiting.is_some_and(|code| !code.is_expired(now)) {
        return Ok(false);
    }
    remove_account(accounts, emails, usernames, challenges, &old)?;
    Ok(true)
}
