//! Whether the database is what it should be: every record readable, and every reference met. Goes
//! through it in steps, in a bounded memory, while others write.

use meoww_proto::UserId;
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    export::hex,
    index::{INDEXES, IndexEntry},
    kinds::{KINDS, Kind},
    records::decode,
    scan::KeyRange,
    tables::{Table, Tables},
};
use crate::core::{account::Account, session::Session};

/// Records looked at in one step.
const STEP: usize = 1024;
/// Findings that are named; the database is of no more use with fewer.
pub const MAX_FINDINGS: usize = 1000;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The type of the record, or the index.
    pub place: String,
    /// Its key: hexadecimal, or a name or address.
    pub key: String,
    /// For people.
    pub what: String,
}

/// A table, by what it holds.
#[derive(Clone, Copy)]
enum Part {
    Records(&'static Kind),
    Index(Table),
}

/// What a step came to.
struct Step {
    looked_at: usize,
    /// The last key; `None` after the last step.
    last: Option<Vec<u8>>,
    /// Keys at which something seemed wrong.
    suspects: Vec<Vec<u8>>,
}

impl Store {
    /// Looks at every record and follows every reference. Returns the number of records by type, and
    /// what is wrong with them, [`MAX_FINDINGS`] at most. What is written meanwhile may be counted or
    /// not, and is not taken for wrong.
    pub async fn check(&self) -> Result<(Vec<(String, u64)>, Vec<Finding>), StoreError> {
        let (mut counts, mut findings) = (Vec::new(), Vec::new());
        let indexes = INDEXES.map(Part::Index);
        for part in KINDS.iter().map(Part::Records).chain(indexes) {
            let count = self.check_part(part, &mut findings).await?;
            if let Part::Records(kind) = part {
                counts.push((kind.name.to_owned(), count));
            }
        }
        findings.truncate(MAX_FINDINGS);
        Ok((counts, findings))
    }

    async fn check_part(&self, part: Part, findings: &mut Vec<Finding>) -> Result<u64, StoreError> {
        let (mut count, mut last) = (0, None);
        loop {
            let step = self.read(move |tables| tables.look(part, last.as_deref())).await?;
            count += step.looked_at as u64;
            if !step.suspects.is_empty() && findings.len() < MAX_FINDINGS {
                // While nothing is written: between two reads, a reference may have come or gone.
                let suspects = step.suspects;
                findings
                    .extend(self.read_alone(move |tables| tables.judge(part, &suspects)).await?);
            }
            match step.last {
                Some(key) => last = Some(key),
                None => return Ok(count),
            }
        }
    }
}

impl Part {
    fn table(self) -> Table {
        match self {
            Self::Records(kind) => kind.table,
            Self::Index(table) => table,
        }
    }
}

impl Tables {
    fn look(&self, part: Part, last: Option<&[u8]>) -> Result<Step, StoreError> {
        let mut step = Step { looked_at: 0, last: None, suspects: Vec::new() };
        for entry in self.scan(part.table(), KeyRange::after(last)).take(STEP) {
            let (key, bytes) = entry?;
            if !self.findings(part, &key, &bytes)?.is_empty() {
                step.suspects.push(key.clone());
            }
            step.looked_at += 1;
            step.last = Some(key);
        }
        step.last = step.last.filter(|_| step.looked_at == STEP);
        Ok(step)
    }

    fn judge(&self, part: Part, suspects: &[Vec<u8>]) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for key in suspects {
            if let Some(bytes) = self.get_bytes(part.table(), key)? {
                findings.extend(self.findings(part, key, &bytes)?);
            }
        }
        Ok(findings)
    }

    fn findings(&self, part: Part, key: &[u8], bytes: &[u8]) -> Result<Vec<Finding>, StoreError> {
        match part {
            Part::Records(kind) => self.findings_of_record(kind, key, bytes),
            Part::Index(table) => {
                let mut findings = Vec::new();
                for entry in IndexEntry::at(table, key, bytes) {
                    if !entry.leads_to_its_record(self)? {
                        findings.push(about(&entry, "leads wrongly to"));
                    }
                }
                Ok(findings)
            }
        }
    }

    fn findings_of_record(
        &self,
        kind: &Kind,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<Vec<Finding>, StoreError> {
        let found = |what: String| Finding { place: kind.name.into(), key: hex(key), what };
        let entries = match (kind.to_json)(bytes).and_then(|_| IndexEntry::to(kind, key, bytes)) {
            Ok(entries) => entries,
            Err(error) => return Ok(vec![found(error.to_string())]),
        };
        let mut findings = Vec::new();
        if kind.is_account() && !is_account(bytes, key) {
            findings.push(found("lies under another account's id".into()));
        }
        if let Some(owner) = (kind.owner)(key, bytes)
            && !self.has_account(owner)?
        {
            findings.push(found(format!("belongs to the account {owner}, which is not there")));
        }
        if kind.table == Table::Sessions
            && let Ok(session) = decode::<Session>(bytes)
            && !self.contains(Table::Tokens, session.current.as_bytes())?
        {
            findings.push(found("its refresh token is not there".into()));
        }
        for entry in entries {
            if !entry.is_kept(self)? {
                findings.push(about(&entry, "does not lead to"));
            }
        }
        Ok(findings)
    }

    fn has_account(&self, user: UserId) -> Result<bool, StoreError> {
        let bytes = self.get_bytes(Table::Accounts, user.as_bytes())?;
        Ok(bytes.is_some_and(|bytes| is_account(&bytes, user.as_bytes())))
    }
}

/// Whether a record is the account of its key.
fn is_account(bytes: &[u8], key: &[u8]) -> bool {
    decode::<Account>(bytes).is_ok_and(|account| account.id.as_bytes()[..] == *key)
}

fn about(entry: &IndexEntry, what: &str) -> Finding {
    let (place, key) = (entry.place().to_owned(), entry.key());
    Finding { place, key, what: format!("{what} {}", entry.target()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        store::{Batch, Merge},
        testing::account,
    };

    /// A username that is not written yet when it is looked for, and is when nothing else is written.
    #[tokio::test]
    async fn what_only_seemed_wrong_is_not_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("db")).expect("opened");
        let ada = account(1, clock::now());
        let (id, username) = (ada.id, ada.username.as_str().to_owned());
        let batch = Batch::of_accounts([(0, ada)]);
        assert_eq!(store.import(batch, Merge::default()).await.expect("imported").faults, []);
        let accounts = Part::Records(&KINDS[0]);
        let is_early = store.read(move |tables| {
            tables.transaction(|tx| tx.remove(Table::Usernames, &username))?;
            let step = tables.look(accounts, None)?;
            let early = tables.judge(accounts, &step.suspects)?;
            tables.transaction(|tx| tx.put_bytes(Table::Usernames, &username, id.as_bytes()))?;
            assert_eq!((step.looked_at, step.suspects.len(), step.last), (1, 1, None));
            assert_eq!(tables.judge(accounts, &step.suspects)?, []);
            Ok(early.len() == 1)
        });
        assert!(is_early.await.expect("read"), "as long as it is wrong, it is found");
        assert_eq!(store.check().await.expect("checked").1, []);
    }
}
