//! Which records of a batch are written: those that are new, in nobody's way, and somebody's.

use std::collections::{BTreeMap, HashMap, HashSet};

use meoww_proto::UserId;
use ring::digest::{SHA256, digest};

use super::{Batch, Change, Changed, Fault, Imported, Ready, spool::Spool};
use crate::{
    core::account::{Account, Username},
    store::{
        StoreError,
        records::{decode, encode},
        tables::{Table, Tables},
    },
};

/// Half of a SHA-256, by which keys, names and addresses are told apart in little memory.
type Digest = [u8; 16];

fn short_digest(parts: [&[u8]; 2]) -> Digest {
    let digest = digest(&SHA256, &parts.join(&b':'));
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// The digest of a username or an address. A username has no @ and an address has one, so the two
/// cannot be mistaken.
fn claim(text: &str) -> Digest {
    short_digest([b"claim", text.as_bytes()])
}

pub(super) struct Selection<'a> {
    tables: &'a Tables,
    rename: bool,
    imported: &'a mut Imported,
    /// Addresses and usernames of the batch, by the line that has them.
    claims: HashMap<Digest, u64>,
    accounts: HashSet<UserId>,
    new: Spool,
    added: BTreeMap<String, u64>,
    /// Accounts that get another username once all that keep theirs have it.
    nameless: Vec<(Account, Ready)>,
}

impl<'a> Selection<'a> {
    /// Goes through a batch, and returns what is selected and how much by type. What is not selected is
    /// counted, or is a fault.
    pub(super) fn of(
        mut batch: Batch,
        tables: &'a Tables,
        rename: bool,
        imported: &'a mut Imported,
    ) -> Result<(Spool, BTreeMap<String, u64>), StoreError> {
        let mut selection = Self {
            tables,
            rename,
            imported,
            claims: HashMap::new(),
            accounts: HashSet::new(),
            new: batch.spool.beside(),
            added: BTreeMap::new(),
            nameless: Vec::new(),
        };
        let mut seen: HashMap<Digest, u64> = HashMap::new();
        for ready in batch.spool.read()? {
            let ready = ready?;
            let key = short_digest([ready.kind.name.as_bytes(), &ready.key]);
            if tables.contains(ready.kind.table, &ready.key)? {
                selection.imported.kept += 1;
            } else if let Some(line) = seen.get(&key) {
                let reason = format!("is on line {line} already");
                selection.imported.faults.push(Fault::at(ready.line, reason));
            } else {
                seen.insert(key, ready.line);
                selection.take(ready)?;
            }
        }
        selection.name_the_nameless()?;
        Ok((selection.new, selection.added))
    }

    fn take(&mut self, ready: Ready) -> Result<(), StoreError> {
        if ready.kind.is_account() {
            return self.take_account(ready);
        }
        match (ready.kind.owner)(&ready.key, &ready.value) {
            Some(owner)
                if !self.accounts.contains(&owner)
                    && !self.tables.contains(Table::Accounts, owner.as_bytes())? =>
            {
                self.imported.orphans += 1;
            }
            Some(_) | None => self.select(&ready),
        }
        Ok(())
    }

    fn select(&mut self, ready: &Ready) {
        *self.added.entry(ready.kind.name.to_owned()).or_default() += 1;
        self.new.push(ready);
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
                self.claims.insert(claim(account.username.as_str()), ready.line);
                self.claims.insert(claim(account.email.as_str()), ready.line);
                self.add(&account, ready);
            }
            Some(_) | None => {
                self.claims.insert(claim(account.email.as_str()), ready.line);
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
            self.claims.insert(claim(username.as_str()), ready.line);
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
        self.select(&ready);
    }

    /// Who holds this username or address already.
    fn holder(&self, text: &str) -> Result<Option<String>, StoreError> {
        let is_address = text.contains('@');
        let index = if is_address { Table::Emails } else { Table::Usernames };
        if let Some(holder) = self.tables.holder(index, text)? {
            return Ok(Some(format!("belongs to {holder}")));
        }
        Ok(self.claims.get(&claim(text)).map(|line| format!("is also on line {line}")))
    }

    fn fault(&mut self, account: &Account, ready: &Ready, reason: String) {
        let user = Some(account.id);
        self.imported.faults.push(Fault { line: ready.line, user, reason });
    }
}
