//! The statements, one text for each table, and how keys and values go into them.

use std::{error::Error, sync::LazyLock};

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::store::tables::{NAMES, Table};

pub(super) struct Statements {
    pub(super) get: String,
    pub(super) has: String,
    pub(super) count: String,
    pub(super) put: String,
    pub(super) remove: String,
    /// From a key on, to the end of the table.
    pub(super) rest: String,
    /// From a key on, before another.
    pub(super) between: String,
    /// Likewise from the last to the first.
    pub(super) rest_back: String,
    pub(super) between_back: String,
}

impl Statements {
    pub(super) fn of(table: Table) -> &'static Self {
        static ALL: LazyLock<Vec<Statements>> =
            LazyLock::new(|| NAMES.iter().map(|name| Statements::on(name)).collect());
        &ALL[table as usize]
    }

    fn on(table: &str) -> Self {
        let rest = format!("SELECT key, value FROM {table} WHERE key >= $1");
        let between = format!("{rest} AND key < $2");
        Self {
            get: format!("SELECT value FROM {table} WHERE key = $1"),
            has: format!("SELECT 1 FROM {table} WHERE key = $1"),
            count: format!("SELECT count(*) FROM {table}"),
            put: format!(
                "INSERT INTO {table} (key, value) VALUES ($1, $2) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            ),
            remove: format!("DELETE FROM {table} WHERE key = $1"),
            rest: format!("{rest} ORDER BY key LIMIT $2"),
            between: format!("{between} ORDER BY key LIMIT $3"),
            rest_back: format!("{rest} ORDER BY key DESC LIMIT $2"),
            between_back: format!("{between} ORDER BY key DESC LIMIT $3"),
        }
    }
}

/// Bytes as the column has them: a record is JSON, an entry of an index is bytes. The type is `json`
/// and not `jsonb`, which cannot hold the character U+0000 and orders fields anew.
#[derive(Debug)]
pub(super) struct Value<'a>(pub(super) &'a [u8]);

impl ToSql for Value<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    accepts!(BYTEA, JSON);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    accepts!(BYTEA, JSON);
}
