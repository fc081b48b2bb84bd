//! What operators ask of accounts.

use meoww_proto::UserId;

use super::{
    Store, StoreError,
    records::decode,
    scan::KeyRange,
    tables::{Table, Tables},
};
use crate::{
    core::account::{Account, Ban},
    hashing,
};

/// Which accounts to list.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Only those with a ban, whether or not it still holds.
    pub banned: bool,
    /// Only those that never confirmed their address.
    pub unverified: bool,
    /// Only those with this in their name, username or address; lower-case.
    pub search: Option<String>,
    /// Only those whose id comes after this one.
    pub after: Option<UserId>,
    /// At most so many.
    pub limit: usize,
}

impl AccountFilter {
    fn admits(&self, account: &Account) -> bool {
        let found = |search: &String| {
            let user = account.to_user(None);
            [user.name.to_lowercase(), user.username, user.email].iter().any(|t| t.contains(search))
        };
        (!self.banned || account.ban.is_some())
            && (!self.unverified || !account.is_verified)
            && self.search.as_ref().is_none_or(found)
    }
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountCounts {
    /// Accounts.
    pub accounts: u64,
    /// Of them, those that confirmed their address.
    pub verified: u64,
    /// Of them, those with a ban, whether or not it still holds.
    pub banned: u64,
    /// Sessions, those that ran out in the last hour included.
    pub sessions: u64,
}

impl Store {
    /// The account somebody means by its id, its username or its address.
    pub async fn find_account(&self, named: String) -> Result<Option<Account>, StoreError> {
        self.read(move |tables| tables.find_account(&named)).await
    }

    /// Accounts in the order of their ids, which is that of their creation.
    pub async fn accounts(&self, filter: AccountFilter) -> Result<Vec<Account>, StoreError> {
        self.read(move |tables| tables.list_accounts(&filter)).await
    }

    /// Counts everything; reads every account.
    pub async fn account_counts(&self) -> Result<AccountCounts, StoreError> {
        self.read(Tables::account_counts).await
    }

    /// The highest cost of the bcrypt hashes that accounts have, by reading every account; `None`
    /// if no account has one.
    pub async fn highest_bcrypt_cost(&self) -> Result<Option<u32>, StoreError> {
        self.read(Tables::highest_bcrypt_cost).await
    }

    /// Bans an account, or lifts its ban, and gives it as it is then. A ban ends its sessions.
    pub async fn set_ban(
        &self,
        user: UserId,
        ban: Option<Ban>,
    ) -> Result<Option<Account>, StoreError> {
        self.write(move |tables| tables.set_ban(user, ban)).await
    }

    /// Sets a password on the operator's word, ends the account's sessions and gives it as it is
    /// then.
    pub async fn set_password(
        &self,
        user: UserId,
        password_hash: String,
    ) -> Result<Option<Account>, StoreError> {
        self.write(move |tables| {
            tables.change(user, true, |account| account.password_hash.clone_from(&password_hash))
        })
        .await
    }

    /// Puts another hash of the same password in the place of `old`; `false` if the password was
    /// changed, or the account deleted, in the meantime.
    pub async fn rehash_password(
        &self,
        user: UserId,
        old: String,
        new: String,
    ) -> Result<bool, StoreError> {
        self.write(move |tables| tables.rehash_password(user, &old, &new)).await
    }

    /// Takes an address as confirmed, on the operator's word; gives the account as it is then.
    pub async fn verify_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.write(move |tables| tables.verify_account(user)).await
    }
}

impl Tables {
    fn find_account(&self, named: &str) -> Result<Option<Account>, StoreError> {
        let named = named.trim();
        // A username may look like an id, and an id is meant before it.
        if let Ok(id) = named.parse()
            && let Some(account) = self.account(id)?
        {
            return Ok(Some(account));
        }
        let named = named.to_lowercase();
        let index = if named.contains('@') { Table::Emails } else { Table::Usernames };
        match self.holder(index, &named)? {
            Some(user) => self.account(user),
            None => Ok(None),
        }
    }

    fn list_accounts(&self, filter: &AccountFilter) -> Result<Vec<Account>, StoreError> {
        let mut found = Vec::new();
        let keys = KeyRange::after(filter.after.as_ref().map(|id| &id.as_bytes()[..]));
        for entry in self.scan(Table::Accounts, keys) {
            if found.len() >= filter.limit {
                break;
            }
            let account: Account = decode(&entry?.1)?;
            if filter.admits(&account) {
                found.push(account);
            }
        }
        Ok(found)
    }

    fn account_counts(&self) -> Result<AccountCounts, StoreError> {
        let sessions = self.count(Table::Sessions)?;
        let mut counts = AccountCounts { sessions, ..AccountCounts::default() };
        for entry in self.scan(Table::Accounts, KeyRange::all()) {
            let account: Account = decode(&entry?.1)?;
            counts.accounts += 1;
            counts.verified += u64::from(account.is_verified);
            counts.banned += u64::from(account.ban.is_some());
        }
        Ok(counts)
    }

    fn highest_bcrypt_cost(&self) -> Result<Option<u32>, StoreError> {
        let mut highest = None;
        for entry in self.scan(Table::Accounts, KeyRange::all()) {
            // One that cannot be read is for `check` to find.
            let account: Option<Account> = decode(&entry?.1).ok();
            let cost = account.and_then(|account| hashing::bcrypt_cost(&account.password_hash));
            highest = highest.max(cost);
        }
        Ok(highest)
    }

    fn set_ban(&self, user: UserId, ban: Option<Ban>) -> Result<Option<Account>, StoreError> {
        self.change(user, ban.is_some(), |account| account.ban.clone_from(&ban))
    }

    /// Changes an account and perhaps ends its sessions.
    fn change(
        &self,
        user: UserId,
        ends_sessions: bool,
        change: impl Fn(&mut Account),
    ) -> Result<Option<Account>, StoreError> {
        self.transaction(|tx| {
            let Some(mut account) = tx.account(user)? else { return Ok(None) };
            change(&mut account);
            tx.put(Table::Accounts, user.as_bytes(), &account)?;
            if ends_sessions {
                tx.end_sessions(user, None)?;
            }
            Ok(Some(account))
        })
    }

    fn rehash_password(&self, user: UserId, old: &str, new: &str) -> Result<bool, StoreError> {
        self.transaction(|tx| match tx.account(user)? {
            Some(account) if account.password_hash == old => {
                let account = Account { password_hash: new.to_owned(), ..account };
                tx.put(Table::Accounts, user.as_bytes(), &account)?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        })
    }

    fn verify_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let id = user.as_bytes();
        self.transaction(|tx| {
            let Some(mut account) = tx.account(user)? else { return Ok(None) };
            account.is_verified = true;
            tx.put(Table::Accounts, id, &account)?;
            tx.remove(Table::Challenges, id)?;
            Ok(Some(account))
        })
    }
}
