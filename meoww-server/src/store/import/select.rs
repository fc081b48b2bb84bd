//! Which records of a batch are written: those that are new, in nobody's way, and somebody's.

use std::collections::{HashMap, HashSet};

use meoww_proto::UserId;

use super::{Batch, Change, Changed, Fault, Imported, Ready};
use crate::{
    core::account::{Account, Username},
    store::{
        StoreError,
        records::{decode, encode},
        trees::{Table, Trees},
    },
};

pub(super) struct Selection<'a> {
    trees: &'a Trees,
    rename: bool,
    imported: &'a mut Imported,
    /// Addresses and usernames of the batch, by the line that has them. A username has no @ and an
    /// address has one, so the two cannot be mistaken.
    claims: HashMap<String, u64>,
    accounts: HashSet<UserId>,
    new: Vec<Ready>,
    /// Accounts that get another username once all that keep theirs have it.
    nameless: Vec<(Account, Ready)>,
}

impl<'a> Selection<'a> {
    /// Goes through a batch; what is not selected is counted, or is a fault.
    pub(super) fn of(
        batch: Batch,
        trees: &'a Trees,
        rename: bool,
        imported: &'a mut Imported,
    ) -> Result<Vec<Ready>, StoreError> {
        let (claims, accounts) = (HashMap::new(), HashSet::new());
        let (new, nameless) = (Vec::new(), Vec::new());
        let mut selection = Self { trees, rename, imported, claims, accounts, new, nameless };
        let mut seen: HashMap<(&str, Vec<u8>), u64> = HashMap::new();
        for ready in batch.records {
            if trees.contains(ready.kind.table, &ready.key)? {
                selection.imported.kept += 1;
            } else if let Some(line) = seen.get(&(ready.kind.name, ready.key.clone())) {
                let reason = format!("is on line {line} already");
                selection.imported.faults.push(Fault::at(ready.line, reason));
            } else {
                seen.insert((ready.kind.name, ready.key.clone()), ready.line);
                selection.take(ready)?;
            }
        }
        selection.name_the_nameless()?;
        Ok(selection.new)
    }

    fn take(&mut self, ready: Ready) -> Result<(), StoreError> {
        if ready.kind.is_account() {
            return self.take_account(ready);
        }
        match (ready.kind.owner)(&ready.key, &ready.value) {
            Some(owner)
                if !self.accounts.contains(&owner)
                    && !self.trees.contains(Table::Accounts, owner.as_bytes())? =>
            {
                self.imported.orphans += 1;
            }
            Some(_) | None => self.new.push(ready),
        }
        Ok(())
    }

    fn take_account(&mut self, ready: Ready) -> Result<(), StoreError> {
        let account: Account = decode(&ready.value)?;
        if let Some(holder) = self.holder(account.email.as_str())? {
            self.fault(&account, &ready, format!("address {} {holder}", account.email.as_str()));
            return Ok(());
        }
        let is_refused = ready.migration.as_ref().is_some_and(|it| it.refused.is_some());
        let holder = match is_refused {
            true => None,
            false => self.holder(account.username.as_str())?,
        };
        match holder {
            Some(holder) if !self.rename => {
                let name = account.username.as_str();
                self.fault(&account, &ready, format!("username {name} {holder}"));
                return Ok(());
            }
            None if !is_refused => {
                self.claims.insert(account.username.as_str().to_owned(), ready.line);
                self.claims.insert(account.email.as_str().to_owned(), ready.line);
                self.add(&account, ready);
            }
            Some(_) | None => {
                self.claims.insert(account.email.as_str().to_owned(), ready.line);
                self.nameless.push((account, ready));
            }
        }
        Ok(())
    }

    /// In the order of ids, so that a file in another order gives the same names.
    fn name_the_nameless(&mut self) -> Result<(), StoreError> {
        let mut nameless = std::mem::take(&mut self.nameless);
        nameless.sort_by_key(|(account, _)| account.id);
        for (mut account, mut ready) in nameless {
            let migration = ready.migration.get_or_insert_default();
            let old = migration.refused.take();
            let old = old.unwrap_or_else(|| account.username.as_str().to_owned());
            let mut free = None;
            for candidate in Username::instead_of(&old, account.id) {
                if free.is_none() && self.holder(candidate.as_str())?.is_none() {
                    free = Some(candidate);
                }
            }
            let Some(username) = free else {
                self.fault(
                    &account,
                    &ready,
                    format!("username {old:?}, and all like it, are taken"),
                );
                continue;
            };
            migration.changes.insert(0, Change::new("username", old, username.as_str()));
            self.claims.insert(username.as_str().to_owned(), ready.line);
            account.username = username;
            ready.value = encode(&account);
            self.add(&account, ready);
        }
        Ok(())
    }

    fn add(&mut self, account: &Account, mut ready: Ready) {
        self.accounts.insert(account.id);
        let (line, email) = (ready.line, account.email.as_str());
        let changes = ready.migration.take().map(|migration| migration.changes);
        self.imported.changed.extend(changes.into_iter().flatten().map(|change| Changed {
            line,
            user: account.id,
            email: email.to_owned(),
            change,
        }));
        self.new.push(ready);
    }

    /// Who holds this username or address already.
    fn holder(&self, text: &str) -> Result<Option<String>, StoreError> {
        let is_address = text.contains('@');
        let index = if is_address { Table::Emails } else { Table::Usernames };
        if let Some(holder) = self.trees.holder(index, text)? {
            return Ok(Some(format!("belongs to {holder}")));
        }
        Ok(self.claims.get(text).map(|line| format!("is also on line {line}")))
    }

    fn fault(&mut self, account: &Account, ready: &Ready, reason: String) {
        let user = Some(account.id);
        self.imported.faults.push(Fault { line: ready.line, user, reason });
    }
}
