//! Accounts on disk, and who holds which name and address.

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    NewSession, Store, StoreError,
    tables::{Table, Tables},
    transaction::{Transaction, Tx},
};
use crate::core::{
    account::{Account, Email},
    mail_queue::MailSubject,
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
    /// Adds an account that waits for its code, and queues the mail with it. An unverified account whose
    /// code has expired gives up its name and address to the new one.
    pub async fn create_account(
        &self,
        account: Account,
        challenge: Challenge,
        now: OffsetDateTime,
    ) -> Result<Creation, StoreError> {
        self.write(move |tables| tables.create_account(&account, &challenge, now)).await
    }

    /// Takes back a sign-up whose mail could not be sent, and says whether it did: a verified
    /// account stays.
    pub async fn discard_signup(&self, user: UserId) -> Result<bool, StoreError> {
        self.write(move |tables| tables.discard_signup(user)).await
    }

    /// The account with this id.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.read(move |tables| tables.account(user)).await
    }

    /// Sets the password of an account whose present one was `proved`, ends every session and
    /// opens `fresh`; `false` if the password was changed, or the account deleted, in the meantime.
    pub async fn change_password(
        &self,
        proved: Account,
        password_hash: String,
        fresh: NewSession,
    ) -> Result<bool, StoreError> {
        self.write(move |tables| tables.change_password(&proved, &password_hash, &fresh)).await
    }

    /// Removes an account with its codes, sessions and blocks, and its id from reports, and says what
    /// it was.
    pub async fn delete_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.write(move |tables| tables.delete_account(user)).await
    }

    /// The account with this address.
    pub async fn account_by_email(&self, email: Email) -> Result<Option<Account>, StoreError> {
        self.read(move |tables| tables.account_by_email(&email)).await
    }
}

impl Tables {
    fn create_account(
        &self,
        account: &Account,
        challenge: &Challenge,
        now: OffsetDateTime,
    ) -> Result<Creation, StoreError> {
        self.transaction(|tx| {
            let holders = [
                tx.holder(Table::Emails, account.email.as_str())?,
                tx.holder(Table::Usernames, account.username.as_str())?,
            ];
            for holder in holders.into_iter().flatten() {
                if !tx.evict_holder(holder, now)? {
                    return Ok(Creation::Taken);
                }
            }
            let id = account.id.as_bytes();
            tx.put(Table::Accounts, id, account)?;
            tx.put_bytes(Table::Emails, account.email.as_str(), id)?;
            tx.put_bytes(Table::Usernames, account.username.as_str(), id)?;
            tx.put(Table::Challenges, id, challenge)?;
            tx.queue_mail(MailSubject::SignUp(account.id), challenge)?;
            Ok(Creation::Created)
        })
    }

    fn discard_signup(&self, user: UserId) -> Result<bool, StoreError> {
        self.transaction(|tx| match tx.account(user)? {
            Some(account) if !account.is_verified => {
                tx.remove_account(&account)?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        })
    }

    fn change_password(
        &self,
        proved: &Account,
        password_hash: &str,
        fresh: &NewSession,
    ) -> Result<bool, StoreError> {
        self.transaction(|tx| match tx.account(proved.id)? {
            Some(account) if account.password_hash == proved.password_hash => {
                let account = Account { password_hash: password_hash.to_owned(), ..account };
                tx.put(Table::Accounts, account.id.as_bytes(), &account)?;
                tx.end_sessions(proved.id, None)?;
                tx.open_session(fresh)?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        })
    }

    fn delete_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        // First, so that after a crash the account is there to be deleted once more; and again for
        // what the user decided until it was gone.
        self.forget_safety_of(user)?;
        let deleted = self.transaction(|tx| {
            let Some(account) = tx.account(user)? else { return Ok(None) };
            tx.remove_account(&account)?;
            tx.remove(Table::Resets, account.email.as_str())?;
            tx.remove(Table::AddressChanges, user.as_bytes())?;
            tx.drop_mail(&MailSubject::ChangeEmail(user))?;
            tx.drop_mail(&MailSubject::Reset(account.email.clone()))?;
            tx.end_sessions(user, None)?;
            // Those of the moment as well, or an export would have blocks of nobody.
            tx.remove_under(Table::Blocks, user.as_bytes())?;
            Ok(Some(account))
        })?;
        self.forget_safety_of(user)?;
        Ok(deleted)
    }
}

impl Tx<'_> {
    pub(super) fn account(&self, user: UserId) -> Transaction<Option<Account>> {
        self.get(Table::Accounts, user.as_bytes())
    }

    /// Makes way for somebody new: an unverified account whose code has run out is removed. `false`
    /// if the holder stays.
    pub(super) fn evict_holder(&self, holder: UserId, now: OffsetDateTime) -> Transaction<bool> {
        let Some(old) = self.account(holder)? else { return Ok(true) };
        let waiting = self.get::<Challenge>(Table::Challenges, holder.as_bytes())?;
        if old.is_verified || waiting.is_some_and(|code| !code.is_expired(now)) {
            return Ok(false);
        }
        self.remove_account(&old)?;
        Ok(true)
    }

    fn remove_account(&self, account: &Account) -> Transaction<()> {
        self.remove(Table::Accounts, account.id.as_bytes())?;
        self.remove(Table::Emails, account.email.as_str())?;
        self.remove(Table::Usernames, account.username.as_str())?;
        self.remove(Table::Challenges, account.id.as_bytes())?;
        self.drop_mail(&MailSubject::SignUp(account.id))
    }
}
