//! Whether the database takes writes.

use time::OffsetDateTime;

use super::{Store, StoreError, tables::Table};

/// The one record of its tree.
const KEY: &[u8] = b"written-at";

impl Store {
    /// Writes a little and waits for the disk.
    pub(crate) async fn probe(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let now = now.unix_timestamp_nanos().to_be_bytes();
        self.write(move |tables| tables.transaction(|tx| tx.put_bytes(Table::Probe, KEY, &now)))
            .await
    }
}
