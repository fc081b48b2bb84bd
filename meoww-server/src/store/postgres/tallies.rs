//! Counts in a table that is not logged: quick, and empty after a crash of the database.

use std::time::Duration;

use tokio_postgres::Row;

use super::{Postgres, errors::DatabaseError, within::Within};
use crate::{
    core::limits::Quota,
    store::{
        StoreError,
        engine::blocking,
        tallies::{Tally, TallyKey},
    },
};

/// Counts kept at once; beyond it those that end first are forgotten early.
const MAX_TALLIES: u32 = 1_000_000;

/// Counts one in a window that goes on, or in a new one. One too many changes nothing.
const COUNT: &str = "WITH clock AS (\
      SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now), \
    counted AS (\
      INSERT INTO tallies AS old SELECT $1::bytea, 1, now + $2::bigint FROM clock \
      ON CONFLICT (key) DO UPDATE SET \
        used = CASE WHEN old.ends <= excluded.ends - $2::bigint THEN 1 ELSE old.used + 1 END, \
        ends = CASE WHEN old.ends <= excluded.ends - $2::bigint THEN excluded.ends ELSE old.ends END \
      WHERE old.ends <= excluded.ends - $2::bigint OR old.used < $3::bigint RETURNING used, ends) \
    SELECT true, used, ends, ends - now FROM counted, clock \
    UNION ALL SELECT false, used, ends, ends - now FROM tallies, clock \
    WHERE key = $1::bytea AND NOT EXISTS (SELECT 1 FROM counted)";
const UNCOUNT: &str =
    "UPDATE tallies SET used = used - 1 WHERE key = $1 AND ends = $2 AND used > 0";

pub(super) fn tables() -> String {
    "CREATE UNLOGGED TABLE tallies \
     (key bytea PRIMARY KEY, used bigint NOT NULL, ends bigint NOT NULL);
     CREATE INDEX tallies_by_end ON tallies (ends);"
        .into()
}

impl Postgres {
    pub(in crate::store) async fn count(
        &self,
        key: TallyKey,
        quota: Quota,
    ) -> Result<Tally, StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            let window = i64::try_from(quota.window.as_micros()).unwrap_or(i64::MAX / 4);
            let requests = i64::from(quota.requests);
            let rows = connection.rows(COUNT, &[&key.as_slice(), &window, &requests])?;
            let tally = rows.first().map(tally).transpose();
            let tally = tally.map_err(|error| DatabaseError::on_statement(&error))?;
            // Another server began the window at this moment, and has filled it.
            Ok(tally.unwrap_or(Tally {
                is_admitted: false,
                used: quota.requests,
                left: quota.window,
                ends: 0,
            }))
        })
        .await
    }

    pub(in crate::store) async fn uncount(
        &self,
        key: TallyKey,
        ends: i64,
    ) -> Result<(), StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            connection.rows(UNCOUNT, &[&key.as_slice(), &ends])?;
            Ok(())
        })
        .await
    }

    pub(in crate::store) async fn forget_tallies(&self) -> Result<(), StoreError> {
        let connection = self.connection(Within::Upkeep).await?;
        let sql = format!(
            "DELETE FROM tallies WHERE ends <= greatest(\
             (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
             (SELECT ends FROM tallies ORDER BY ends DESC OFFSET {MAX_TALLIES} LIMIT 1))"
        );
        blocking(move || Ok(connection.take_time(&sql)?)).await
    }
}

fn tally(row: &Row) -> Result<Tally, tokio_postgres::Error> {
    let (used, left): (i64, i64) = (row.try_get(1)?, row.try_get(3)?);
    Ok(Tally {
        is_admitted: row.try_get(0)?,
        used: u32::try_from(used).unwrap_or(u32::MAX),
        left: Duration::from_micros(u64::try_from(left).unwrap_or(0)),
        ends: row.try_get(2)?,
    })
}
