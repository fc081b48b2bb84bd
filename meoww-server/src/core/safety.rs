//! What one stranger may do about another: never meet again, and tell the operators.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use meoww_proto::{RoomId, UserId};
use rand::{CryptoRng, RngExt};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// Reports one account may file in [`REPORT_WINDOW`].
pub const MAX_REPORTS: usize = 10;
/// The stretch of time in which they count.
pub const REPORT_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Somebody whom an account is never matched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where the two met. It names the block, for it says nothing of who the other is.
    pub room: RoomId,
    /// The other.
    pub blocked: UserId,
    /// When.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub since: OffsetDateTime,
}

/// All users whom a user has blocked, as one reading of the database has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BlockList {
    /// Counts the changes that the reading has seen, at least. Of two lists the one with the higher
    /// version is the later one. Always 0 where one server alone has the database.
    pub version: u64,
    /// The blocked users.
    pub blocked: BTreeSet<UserId>,
}

/// One report: a UUID of version 7 (RFC 9562), so that the order of ids is that of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReportId(Uuid);

impl ReportId {
    /// Draws one.
    pub fn generate(now: OffsetDateTime, rng: &mut impl CryptoRng) -> Self {
        Self::with(now, rng.random())
    }

    /// Not after any that is drawn at `now` or later.
    pub fn first_of(now: OffsetDateTime) -> Self {
        Self::with(now, [0; 10])
    }

    fn with(now: OffsetDateTime, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// From its sixteen bytes, as stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its sixteen bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ReportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ReportId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// What one user says of another. It outlives both accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Where they met.
    pub room: RoomId,
    /// Who says it; nobody once the account is deleted.
    pub reporter: Option<UserId>,
    /// Of whom; nobody once the account is deleted.
    pub reported: Option<UserId>,
    /// In the reporter's words: hostile until sanitised.
    pub reason: String,
    /// The last that was said in the room, oldest first.
    pub lines: Vec<Line>,
    /// When it was filed.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub filed_at: OffsetDateTime,
    /// What an operator made of it, if one has looked at it.
    pub resolution: Option<Resolution>,
}

impl Report {
    /// What the reporter said of what was said; the rest belongs to the other.
    pub fn own_lines(&self) -> impl Iterator<Item = &str> {
        let own = self.lines.iter().filter(|line| line.by == Speaker::Reporter);
        own.map(|line| line.text.as_str())
    }
}

/// One chat line, as the reporter's connection saw it pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which of the two said it.
    pub by: Speaker,
    /// As it was said: hostile until sanitised.
    pub text: String,
}

/// The two parties of a [`Report`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// Who filed it.
    Reporter,
    /// Whom it is about.
    Reported,
}

/// The end of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// The operator's words.
    pub note: String,
    /// When.
    #[serde(with = "time::serde::timestamp::milliseconds")]
    pub at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_time() {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let generated = ReportId::generate(at(5), &mut rand::rng());
        assert!(ReportId::first_of(at(5)) <= generated && generated < ReportId::first_of(at(6)));
        assert_eq!(generated.to_string().parse(), Ok(generated));
        assert_eq!(ReportId::from_bytes(*generated.as_bytes()), generated);
    }
}
