//! Blocks and reports on disk.

use meoww_proto::{RoomId, UserId};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    records::decode,
    scan::KeyRange,
    tables::{Table, Tables},
};
use crate::core::safety::{
    Block, BlockList, MAX_REPORTS, REPORT_WINDOW, Report, ReportId, Resolution,
};

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
        self.write(move |tables| tables.add_block(user, &block)).await
    }

    /// A user's own blocks, newest first.
    pub async fn blocks_of(&self, user: UserId) -> Result<Vec<Block>, StoreError> {
        self.read(move |tables| tables.blocks_of(user)).await
    }

    /// Likewise, to be held against other readings of them.
    pub async fn block_list(&self, user: UserId) -> Result<BlockList, StoreError> {
        let (version, blocks) = self
            .read(move |tables| {
                // First, so that the list has all that the version counts.
                let version = tables.blocks_version(user)?;
                Ok((version, tables.blocks_of(user)?))
            })
            .await?;
        let blocked = blocks.into_iter().map(|block| block.blocked).collect();
        Ok(BlockList { version, blocked })
    }

    /// Takes back the block that was made in this room; says whom it was about, if there was one.
    pub async fn remove_block(
        &self,
        user: UserId,
        room: RoomId,
    ) -> Result<Option<UserId>, StoreError> {
        self.write(move |tables| tables.remove_block(user, room)).await
    }

    /// Keeps a report, unless its reporter has filed too many.
    pub async fn file_report(&self, id: ReportId, report: Report) -> Result<Filing, StoreError> {
        self.write(move |tables| tables.file_report(id, &report)).await
    }

    /// Reports, newest first.
    pub async fn reports(
        &self,
        filter: ReportFilter,
    ) -> Result<Vec<(ReportId, Report)>, StoreError> {
        self.read(move |tables| tables.reports(filter)).await
    }

    /// What a user filed, newest first.
    pub async fn reports_by(&self, user: UserId) -> Result<Vec<(ReportId, Report)>, StoreError> {
        self.read(move |tables| tables.reports_by(user)).await
    }

    /// One report, if it exists.
    pub async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        self.read(move |tables| tables.get(Table::Reports, id.as_bytes())).await
    }

    /// Notes what an operator made of a report, in place of an earlier note; gives the report as it
    /// is then, if it exists.
    pub async fn resolve_report(
        &self,
        id: ReportId,
        note: String,
        now: OffsetDateTime,
    ) -> Result<Option<Report>, StoreError> {
        self.write(move |tables| tables.resolve_report(id, &note, now)).await
    }
}

impl Tables {
    fn add_block(&self, user: UserId, block: &Block) -> Result<(), StoreError> {
        let key = pair(user, block.blocked.as_bytes());
        self.transaction(|tx| match tx.account(user)? {
            Some(_) => tx.put(Table::Blocks, &key, block),
            None => Ok(()),
        })
    }

    pub(super) fn blocks_of(&self, user: UserId) -> Result<Vec<Block>, StoreError> {
        let entries = self.scan(Table::Blocks, KeyRange::prefix(user.as_bytes()));
        let blocks: Result<Vec<Block>, StoreError> = entries.map(|it| decode(&it?.1)).collect();
        let mut blocks = blocks?;
        blocks.sort_unstable_by_key(|block| std::cmp::Reverse(block.since));
        Ok(blocks)
    }

    /// Returns how often the blocks of a user have changed; 0 where no other server changes them.
    pub(super) fn blocks_version(&self, user: UserId) -> Result<u64, StoreError> {
        match self {
            Self::Sled(_) => Ok(0),
            Self::Postgres(database) => Ok(database.blocks_version(user)?),
        }
    }

    pub(super) fn blocks_somebody(&self, user: UserId) -> Result<bool, StoreError> {
        self.has_any(Table::Blocks, KeyRange::prefix(user.as_bytes()))
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
        let keys = KeyRange { first, ..KeyRange::prefix(reporter.as_bytes()) };
        let mut filed = 0;
        for entry in self.scan(Table::ReportParties, keys) {
            filed += usize::from(entry?.1 == REPORTER);
        }
        Ok(filed)
    }

    fn reports(&self, filter: ReportFilter) -> Result<Vec<(ReportId, Report)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.scan_back(Table::Reports, KeyRange::all()) {
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
        for entry in self.scan_back(Table::ReportParties, KeyRange::prefix(user.as_bytes())) {
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
        for entry in self.scan(Table::Blocks, KeyRange::prefix(user.as_bytes())) {
            let (key, _) = entry?;
            self.transaction(|tx| tx.remove(Table::Blocks, &key))?;
        }
        for entry in self.scan(Table::ReportParties, KeyRange::prefix(user.as_bytes())) {
            let (key, role) = entry?;
            self.strike_from_report(&key, &role)?;
        }
        Ok(())
    }

    fn strike_from_report(&self, party: &[u8], role: &[u8]) -> Result<(), StoreError> {
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
