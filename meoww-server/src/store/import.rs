//! Records from elsewhere: all are looked at before the first is written.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{BufRead, Read},
};

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};

use super::{
    NewSession, Store, StoreError,
    export::{END, FORMAT, FORMAT_VERSION, HEADER, Line, Lines, unhex},
    kinds::{KINDS, Kind},
    pointers::Pointer,
    records::{decode, encode},
    transaction::abort,
    trees::{IssuedToken, Table, Trees},
};
use crate::core::{
    account::{Account, Name, Username},
    session::Session,
};

/// Longest line of an export.
const MAX_LINE: u64 = 1 << 20;
/// Faults after which the rest is not looked at.
const MAX_FAULTS: usize = 1000;
/// Records in one transaction.
const CHUNK: usize = 256;

/// Records that are well-formed and wait to be written.
#[derive(Default)]
pub struct Batch {
    records: Vec<Ready>,
}

struct Ready {
    line: u64,
    kind: &'static Kind,
    key: Vec<u8>,
    value: Vec<u8>,
    account: Option<Account>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1; 0 where it is about no line.
    pub line: u64,
    /// For people.
    pub reason: String,
}

/// What to do about what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merge {
    /// Whether anything may be there; what is there is kept.
    pub into_existing: bool,
    /// Whether the good lines go in where others are faulty.
    pub despite_faults: bool,
    /// Whether to stop before anything is written.
    pub dry_run: bool,
}

/// What became of a [`Batch`].
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// By type.
    pub added: BTreeMap<String, u64>,
    /// Were there already.
    pub kept: u64,
    /// Belong to an account that is neither there nor in the batch.
    pub orphans: u64,
    /// Were not taken.
    pub faults: Vec<Fault>,
}

impl Batch {
    /// Reads an export; nothing of it is taken when a line is faulty.
    pub fn parse(mut input: impl BufRead) -> Result<Self, Vec<Fault>> {
        let (mut batch, mut faults) = (Self::default(), Vec::new());
        let (mut text, mut number, mut end) = (String::new(), 0, None);
        loop {
            text.clear();
            number += 1;
            match input.by_ref().take(MAX_LINE).read_line(&mut text) {
                Ok(0) => break,
                Ok(_) if text.trim().is_empty() => continue,
                Ok(_) => {}
                Err(error) => {
                    faults.push(Fault { line: number, reason: error.to_string() });
                    break;
                }
            }
            let read = match number {
                1 => header(&text),
                _ if end.is_some() => Err("follows the end".into()),
                _ => batch.take(number, &text).map(|ended| end = ended),
            };
            if let Err(reason) = read {
                faults.push(Fault { line: number, reason });
                if number == 1 || faults.len() >= MAX_FAULTS {
                    return Err(faults);
                }
            }
        }
        if faults.is_empty() && end != Some(batch.records.len() as u64) {
            faults.push(Fault { line: number, reason: "the export was cut short".into() });
        }
        if faults.is_empty() { Ok(batch) } else { Err(faults) }
    }

    /// Accounts made here, each with the line it came from.
    pub fn of_accounts(accounts: impl IntoIterator<Item = (u64, Account)>) -> Self {
        let records = accounts.into_iter().map(|(line, account)| Ready::account(line, account));
        Self { records: records.collect() }
    }

    /// Adds a session of an account that is in the batch.
    pub fn add_session(&mut self, NewSession { id, session }: &NewSession) {
        let token = IssuedToken { session: *id, expires_at: session.expires_at };
        for (name, key, value) in [
            ("session", id.as_bytes().to_vec(), encode(session)),
            ("refresh-token", session.current.as_bytes().to_vec(), encode(&token)),
        ] {
            if let Some(kind) = Kind::named(name) {
                self.records.push(Ready { line: 0, kind, key, value, account: None });
            }
        }
    }

    /// What an export says once this is all there is.
    pub(crate) fn export(&self) -> Result<Vec<u8>, StoreError> {
        let mut lines = Lines::begin(Vec::new())?;
        for kind in &KINDS {
            for ready in self.records.iter().filter(|ready| ready.kind.name == kind.name) {
                lines.record(kind, &ready.key, &ready.value)?;
            }
        }
        Ok(lines.end()?.0)
    }

    /// Takes one line; gives the number of records if it is the last.
    fn take(&mut self, number: u64, text: &str) -> Result<Option<u64>, String> {
        let line: Line<'_> = serde_json::from_str(text).map_err(|_| malformed(text))?;
        if line.kind == END {
            return line.records.map(Some).ok_or_else(|| "says no number of records".into());
        }
        let kind = Kind::named(line.kind)
            .ok_or_else(|| format!("is of a type this version does not know: {:?}", line.kind))?;
        let key = line.key.and_then(unhex).ok_or("has no key")?;
        let value = line.value.ok_or("has no value")?;
        let value = (kind.from_json)(value.get())
            .map_err(|error| format!("is no {}: {:?}", kind.name, error.classify()))?;
        let mut account = None;
        if kind.is_account() {
            let read = decode::<Account>(&value).map_err(|error| error.to_string())?;
            well_formed(&read)?;
            if read.id.as_bytes()[..] != key[..] {
                return Err("has another id than its key says".into());
            }
            account = Some(read);
        }
        self.records.push(Ready { line: number, kind, key, value, account });
        Ok(None)
    }
}

impl Ready {
    fn account(line: u64, account: Account) -> Self {
        let (key, value) = (account.id.as_bytes().to_vec(), encode(&account));
        Self { line, kind: &KINDS[0], key, value, account: Some(account) }
    }
}

fn header(text: &str) -> Result<(), String> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|_| malformed(text))?;
    if line.kind != HEADER || line.format != Some(FORMAT) {
        return Err("is no header of a meoww-export".into());
    }
    match line.version {
        Some(FORMAT_VERSION) => Ok(()),
        Some(version) => Err(format!("is of format version {version}, this is {FORMAT_VERSION}")),
        None => Err("says no format version".into()),
    }
}

/// Says nothing of what the line holds, as that may be a secret.
fn malformed(text: &str) -> String {
    if text.len() as u64 >= MAX_LINE { "is too long".into() } else { "is no record".into() }
}

/// Fields are checked at the border, and a file is one.
fn well_formed(account: &Account) -> Result<(), String> {
    let user = account.to_user(None);
    Name::parse(&user.name).map_err(|error| error.to_string())?;
    let username = Username::parse(&user.username).map_err(|error| error.to_string())?;
    if username != account.username || !account.email.is_normalised() {
        return Err("has a username or address that is not as it is compared".into());
    }
    Ok(())
}

impl Store {
    /// Writes a batch, with nothing else written meanwhile. With faults, unless they are allowed,
    /// nothing is written.
    pub async fn import(&self, batch: Batch, merge: Merge) -> Result<Imported, StoreError> {
        self.write_alone(move |trees| trees.import(batch, merge)).await
    }
}

impl Trees {
    fn import(&self, batch: Batch, merge: Merge) -> Result<Imported, StoreError> {
        let mut imported = Imported::default();
        if !merge.into_existing && !self.hold_nothing() {
            let reason = "the database is not empty".into();
            imported.faults.push(Fault { line: 0, reason });
            return Ok(imported);
        }
        let mut new = self.select(batch, &mut imported)?;
        in_order(&mut new);
        if !imported.faults.is_empty() && !merge.despite_faults {
            return Ok(imported);
        }
        for ready in &new {
            *imported.added.entry(ready.kind.name.to_owned()).or_default() += 1;
        }
        if !merge.dry_run {
            for chunk in new.chunks(CHUNK) {
                self.put(chunk)?;
            }
        }
        Ok(imported)
    }

    /// What is to be written: new, in nobody's way, and somebody's.
    fn select(&self, batch: Batch, imported: &mut Imported) -> Result<Vec<Ready>, StoreError> {
        let mut claims = HashMap::new();
        let mut seen: HashSet<(&str, Vec<u8>)> = HashSet::new();
        let mut accounts: HashSet<UserId> = HashSet::new();
        let mut new = Vec::new();
        for ready in batch.records {
            if self.contains(ready.kind.table, &ready.key)? {
                imported.kept += 1;
                continue;
            }
            if !seen.insert((ready.kind.name, ready.key.clone())) {
                let reason = "is there twice".into();
                imported.faults.push(Fault { line: ready.line, reason });
                continue;
            }
            if let Some(account) = &ready.account {
                if let Some(reason) = self.in_the_way(account, ready.line, &mut claims)? {
                    imported.faults.push(Fault { line: ready.line, reason });
                    continue;
                }
                accounts.insert(account.id);
            }
            match (ready.kind.owner)(&ready.key, &ready.value) {
                Some(owner)
                    if !accounts.contains(&owner)
                        && !self.contains(Table::Accounts, owner.as_bytes())? =>
                {
                    imported.orphans += 1;
                }
                Some(_) | None => new.push(ready),
            }
        }
        Ok(new)
    }

    /// Who holds the account's name or address already.
    fn in_the_way(
        &self,
        account: &Account,
        line: u64,
        claims: &mut HashMap<String, u64>,
    ) -> Result<Option<String>, StoreError> {
        let fields = [
            ("address", account.email.as_str(), Table::Emails),
            ("username", account.username.as_str(), Table::Usernames),
        ];
        for (what, text, index) in &fields {
            if let Some(holder) = self.holder(*index, text)? {
                return Ok(Some(format!("{what} {text} belongs to {holder}")));
            }
            if let Some(earlier) = claims.get(*text) {
                return Ok(Some(format!("{what} {text} is also on line {earlier}")));
            }
        }
        // A username has no @ and an address has one, so the two cannot be mistaken.
        claims.extend(fields.map(|(_, text, _)| (text.to_owned(), line)));
        Ok(None)
    }

    /// Writes a chunk in one transaction, with what finds its records.
    fn put(&self, chunk: &[Ready]) -> Result<(), StoreError> {
        self.transaction(|tx| {
            for Ready { kind, key, value, .. } in chunk {
                tx.put_bytes(kind.table, key, value)?;
                for pointer in Pointer::to(kind, key, value).map_err(abort)? {
                    pointer.put(tx)?;
                }
            }
            Ok(())
        })
    }
}

/// Sessions in the order they were opened in, which is that of a user's list of them.
fn in_order(records: &mut [Ready]) {
    records.sort_by_cached_key(|ready| {
        let place = KINDS.iter().position(|kind| kind.name == ready.kind.name);
        let opened = (ready.kind.name == "session")
            .then(|| decode::<Session>(&ready.value).ok().map(|session| session.created_at));
        (place, opened.flatten())
    });
}
