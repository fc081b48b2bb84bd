//! Blocks and reports on disk.

use meoww_proto::{RoomId, UserId};
use sled::IVec;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    records::decode,
    trees::{Table, Trees},
};
use crate::core::safety::{Block, MAX_REPORTS, REPORT_WINDOW, Report, ReportId, Resolution};

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filing {
    /// It is there for the operators.
    Filed,
    /// The reporter has filed [`MAX_REPORTS`] in the last [`REPORT_WINDOW`].
    TooMany,
}

/// Which reports to list; by default all that nobody has resolved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportFilter {
    /// Those that were resolved, too.
    pub resolved: bool,
    /// Only those about this account.
    pub reported: Option<UserId>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// What an account has to do with a report, as `report_parties` has it.
const REPORTER: &[u8] = b"by";
const REPORTED: &[u8] = b"of";

impl Store {
    /// Keeps a user from ever being matched with another. Of a user who is deleted by now nothing is
    /// kept.
    pub async fn add_block(&self, user: UserId, block: Block) -> Result<(), StoreError> {
        self.write(move |trees| trees.add_block(user, &block)).await
    }

    /// A user's own blocks, newest first.
    pub async fn blocks_of(&self, user: UserId) -> Result<Vec<Block>, StoreError> {
        self.read(move |trees| trees.blocks_of(user)).await
    }

    /// Takes back the block that was made in this room; says whom it was about, if there was one.
    pub async fn remove_block(
        &self,
        user: UserId,
        room: RoomId,
    ) -> Result<Option<UserId>, StoreError> {
        self.write(move |trees| trees.remove_block(user, room)).await
    }

    /// Keeps a report, unless its reporter has filed too many.
    pub async fn file_report(&self, id: ReportId, report: Report) -> Result<Filing, StoreError> {
        self.write(move |trees| trees.file_report(id, &report)).await
    }

    /// Reports, newest first.
    pub async fn reports(
        &self,
        filter: ReportFilter,
    ) -> Result<Vec<(ReportId, Report)>, StoreError> {
        self.read(move |trees| trees.reports(filter)).await
    }

    /// What a user filed, newest first.
    pub async fn reports_by(&self, user: UserId) -> Result<Vec<(ReportId, Report)>, StoreError> {
        self.read(move |trees| trees.reports_by(user)).await
    }

    /// One report, if it exists.
    pub async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        self.read(move |trees| trees.get(Table::Reports, id.as_bytes())).await
    }

    /// Notes what an operator made of a report, in place of an earlier note; gives the report as it
    /// is then, if it exists.
    pub async fn resolve_report(
        &self,
        id: ReportId,
        note: String,
        now: OffsetDateTime,
    ) -> Result<Option<Report>, StoreError> {
        self.write(move |trees| trees.resolve_report(id, &note, now)).await
    }
}

impl Trees {
    fn add_block(&self, user: UserId, block: &Block) -> Result<(), StoreError> {
        let key = pair(user, block.blocked.as_bytes());
        self.transaction(|tx| match tx.account(user)? {
            Some(_) => tx.put(Table::Blocks, &key, block),
            None => Ok(()),
        })
    }

    pub(super) fn blocks_of(&self, user: UserId) -> Result<Vec<Block>, StoreError> {
        let entries = self.tree(Table::Blocks).scan_prefix(user.as_bytes()).values();
        let blocks: Result<Vec<Block>, StoreError> = entries.map(|bytes| decode(&bytes?)).collect();
        let mut blocks = blocks?;
        blocks.sort_unstable_by_key(|block| std::cmp::Reverse(block.since));
        Ok(blocks)
    }

    pub(super) fn blocks_somebody(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.tree(Table::Blocks).scan_prefix(user.as_bytes()).next().transpose()?.is_some())
    }

    fn remove_block(&self, user: UserId, room: RoomId) -> Result<Option<UserId>, StoreError> {
        let Some(block) = self.blocks_of(user)?.into_iter().find(|block| block.room == room) else {
            return Ok(None);
        };
        let key = pair(user, block.blocked.as_bytes());
        self.transaction(|tx| tx.remove(Table::Blocks, &key))?;
        Ok(Some(block.blocked))
    }

    fn file_report(&self, id: ReportId, report: &Report) -> Result<Filing, StoreError> {
        if let Some(reporter) = report.reporter
            && self.reports_since(reporter, report.filed_at - REPORT_WINDOW)? >= MAX_REPORTS
        {
            return Ok(Filing::TooMany);
        }
        self.transaction(|tx| {
            tx.put(Table::Reports, id.as_bytes(), report)?;
            for (key, role) in parties(id.as_bytes(), report) {
                tx.put_bytes(Table::ReportParties, key, role)?;
            }
            Ok(Filing::Filed)
        })
    }

    fn reports_since(&self, reporter: UserId, since: OffsetDateTime) -> Result<usize, StoreError> {
        let first = pair(reporter, ReportId::first_of(since).as_bytes());
        let last = pair(reporter, &[u8::MAX; 16]);
        let mut filed = 0;
        for role in self.tree(Table::ReportParties).range(first..=last).values() {
            filed += usize::from(role? == REPORTER);
        }
        Ok(filed)
    }

    fn reports(&self, filter: ReportFilter) -> Result<Vec<(ReportId, Report)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.tree(Table::Reports).iter().rev() {
            if filter.limit.is_some_and(|limit| found.len() >= limit) {
                break;
            }
            let (key, bytes) = entry?;
            let report: Report = decode(&bytes)?;
            if (filter.resolved || report.resolution.is_none())
                && filter.reported.is_none_or(|user| report.reported == Some(user))
            {
                found.push((report_id(&key)?, report));
            }
        }
        Ok(found)
    }

    fn reports_by(&self, user: UserId) -> Result<Vec<(ReportId, Report)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.tree(Table::ReportParties).scan_prefix(user.as_bytes()).rev() {
            let (key, role) = entry?;
            let id = report_of(&key)?;
            if role == REPORTER
                && let Some(report) = self.get(Table::Reports, id.as_bytes())?
            {
                found.push((id, report));
            }
        }
        Ok(found)
    }

    fn resolve_report(
        &self,
        id: ReportId,
        note: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Report>, StoreError> {
        self.transaction(|tx| {
            let Some(mut report) = tx.get::<Report>(Table::Reports, id.as_bytes())? else {
                return Ok(None);
            };
            report.resolution = Some(Resolution { note: note.to_owned(), at: now });
            tx.put(Table::Reports, id.as_bytes(), &report)?;
            Ok(Some(report))
        })
    }

    /// Takes away the blocks of a user, and its id from every report by it or about it. The reports
    /// stay, as do the blocks others made: an id without an account names nobody. To do it again
    /// changes nothing.
    pub(super) fn forget_safety_of(&self, user: UserId) -> Result<(), StoreError> {
        for key in self.tree(Table::Blocks).scan_prefix(user.as_bytes()).keys() {
            let key = key?;
            self.transaction(|tx| tx.remove(Table::Blocks, &key))?;
        }
        for entry in self.tree(Table::ReportParties).scan_prefix(user.as_bytes()) {
            let (key, role) = entry?;
            self.strike_from_report(&key, &role)?;
        }
        Ok(())
    }

    fn strike_from_report(&self, party: &IVec, role: &IVec) -> Result<(), StoreError> {
        let id = report_of(party)?;
        self.transaction(|tx| {
            if let Some(mut report) = tx.get::<Report>(Table::Reports, id.as_bytes())? {
                if role == REPORTER {
                    report.reporter = None;
                } else {
                    report.reported = None;
                }
                tx.put(Table::Reports, id.as_bytes(), &report)?;
            }
            tx.remove(Table::ReportParties, party)
        })
    }
}

/// What finds a report by its parties.
pub(super) fn parties(
    id: &[u8],
    report: &Report,
) -> impl Iterator<Item = (Vec<u8>, &'static [u8])> {
    let parties = [(report.reporter, REPORTER), (report.reported, REPORTED)].into_iter();
    parties.filter_map(move |(user, role)| user.map(|user| (pair(user, id), role)))
}

/// The key of what lies between a user and something else.
fn pair(user: UserId, other: &[u8]) -> Vec<u8> {
    [user.as_bytes(), other].concat()
}

/// Which report a key of `report_parties` is about.
fn report_of(party: &[u8]) -> Result<ReportId, StoreError> {
    report_id(&party[party.len().min(12)..])
}

fn report_id(bytes: &[u8]) -> Result<ReportId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Unreadable("report id".into()))?;
    Ok(ReportId::from_bytes(bytes))
}
