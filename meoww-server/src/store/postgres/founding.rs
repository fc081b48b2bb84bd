//! What the servers on one database must agree on: their clocks and their secrets. And what it
//! gives out: ids of nodes, and the right to do what one of them does for all.

use std::time::Duration;

use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, errors::DatabaseError, migrations::has_meta, within::Within};
use crate::{
    clock,
    store::{SharedSecret, StoreError, engine::blocking},
};

/// Most that the clocks of two machines may differ. Codes and sessions of one are judged by another.
const MAX_SKEW: Duration = Duration::from_secs(2);

impl Postgres {
    /// Refuses a clock that is too far from that of the database.
    pub(in crate::store) async fn demand_same_time(&self) -> Result<(), StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            const SQL: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
            // What prepares it must not count.
            connection.rows(SQL, &[])?;
            let before = milliseconds();
            let rows = connection.rows(SQL, &[])?;
            let after = milliseconds();
            let theirs = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose();
            let theirs = theirs.map_err(|error| DatabaseError::on_statement(&error))?;
            let Some(theirs) = theirs else { return Ok(()) };
            // Somewhere between the two it was read.
            let ahead_ms = match theirs {
                theirs if theirs < before => before - theirs,
                theirs if theirs > after => after - theirs,
                _ => 0,
            };
            if u128::from(ahead_ms.unsigned_abs()) > MAX_SKEW.as_millis() {
                return Err(DatabaseError::ClockSkew { ahead_ms }.into());
            }
            Ok(())
        })
        .await
    }

    /// Leaves the fingerprint of each secret, or compares it with the one that is there.
    pub(in crate::store) async fn demand_same_secrets(
        &self,
        secrets: Vec<SharedSecret>,
    ) -> Result<(), StoreError> {
        // Does nothing where it is, and gives back what is there then.
        const SQL: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) \
                           ON CONFLICT (key) DO UPDATE SET value = meta.value RETURNING value";
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            for secret in secrets {
                let rows = connection.rows(SQL, &[&secret.row(), &secret.fingerprint])?;
                demand_same(secret, &rows)?;
            }
            Ok(())
        })
        .await
    }

    /// Compares the fingerprint of each secret with the one that is there, and leaves none.
    pub(in crate::store) async fn compare_secrets(
        &self,
        secrets: Vec<SharedSecret>,
    ) -> Result<(), StoreError> {
        const SQL: &str = "SELECT value FROM meta WHERE key = $1";
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            if !has_meta(&connection)? {
                return Ok(());
            }
            for secret in secrets {
                match connection.rows(SQL, &[&secret.row()])? {
                    rows if rows.is_empty() => {}
                    rows => demand_same(secret, &rows)?,
                }
            }
            Ok(())
        })
        .await
    }

    /// Returns what names this database and no copy of its settings: drawn when it is first asked for.
    pub(in crate::store) async fn id(&self) -> Result<Uuid, StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            let drawn = Uuid::new_v4().to_string();
            let rows = connection.rows(
                "INSERT INTO meta (key, value) VALUES ('id', $1) \
                 ON CONFLICT (key) DO UPDATE SET value = meta.value RETURNING value",
                &[&drawn],
            )?;
            let id = rows.first().and_then(|row| row.try_get::<_, String>(0).ok());
            let id = id.and_then(|id| id.parse().ok());
            Ok(id.ok_or_else(|| DatabaseError::Broken("its id in the table meta is none".into()))?)
        })
        .await
    }

    /// Returns the next id of a node, from 1 to 2^24 - 1.
    pub(in crate::store) async fn next_node_id(&self) -> Result<u32, StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            let rows = connection.rows("SELECT nextval('node_ids')", &[])?;
            let id = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok());
            let id = id.and_then(|id| u32::try_from(id).ok());
            Ok(id.ok_or_else(|| DatabaseError::Broken("the sequence gave no id".into()))?)
        })
        .await
    }

    /// Whether what is done once in `every` is this server's to do now. It says so to one of those
    /// that ask in that time.
    pub(in crate::store) async fn claim(
        &self,
        duty: &'static str,
        every: Duration,
    ) -> Result<bool, StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            let (key, seconds) = (format!("last {duty}"), every.as_secs_f64());
            let rows = connection.rows(
                "INSERT INTO meta (key, value) VALUES ($1, clock_timestamp()::text) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value \
                 WHERE meta.value::timestamptz + make_interval(secs => $2) <= clock_timestamp() \
                 RETURNING key",
                &[&key, &seconds],
            )?;
            Ok(!rows.is_empty())
        })
        .await
    }
}

fn demand_same(secret: SharedSecret, rows: &[Row]) -> Result<(), DatabaseError> {
    let kept = rows.first().map(|row| row.try_get::<_, String>(0)).transpose();
    let kept = kept.map_err(|error| DatabaseError::on_statement(&error))?;
    if kept.as_ref() == Some(&secret.fingerprint) {
        return Ok(());
    }
    Err(DatabaseError::OtherSecret { name: secret.name, key: secret.row() })
}

fn milliseconds() -> i64 {
    (clock::now().unix_timestamp_nanos() / 1_000_000) as i64
}
