//! The tables, and how those of an earlier version become those of this one. One server at a time
//! does it, each step in one transaction.

use std::fmt::Write;

use super::{
    Postgres, changes,
    connection::{Connection, is_json},
    errors::DatabaseError,
    tallies,
    within::Within,
};
use crate::store::{
    StoreError,
    engine::blocking,
    tables::{NAMES, Table},
};

/// Of the lock that who migrates holds: "meoww" in ASCII.
const LOCK: i64 = 0x6d_65_6f_77_77;
/// Where the version is kept, and what is not of users.
const META: &str = "CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value text NOT NULL)";

/// A step from one version to the next.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Migration {
    /// Of the tables after it.
    pub(in crate::store) version: i32,
    /// For people.
    pub(in crate::store) about: &'static str,
    sql: fn() -> String,
}

const MIGRATIONS: [Migration; 5] = [
    Migration { version: 1, about: "make the tables and the sequence of node ids", sql: tables },
    Migration {
        version: 2,
        about: "make the views users, user_reports and bans for operators",
        sql: views,
    },
    Migration {
        version: 3,
        about: "note ends of sessions and changes of blocks for all servers",
        sql: changes::tables,
    },
    Migration {
        version: 4,
        about: "make the table in which rate limits are counted",
        sql: tallies::tables,
    },
    Migration {
        version: 5,
        about: "count the changes of the blocks of each account",
        sql: changes::versions,
    },
];
const NEWEST: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

fn tables() -> String {
    let mut sql = String::new();
    for table in Table::ALL {
        let (name, value) = (NAMES[table as usize], if is_json(table) { "json" } else { "bytea" });
        // Writing to a string cannot fail.
        let _ = write!(sql, "CREATE TABLE {name} (key bytea PRIMARY KEY, value {value} NOT NULL);");
    }
    sql + "CREATE SEQUENCE node_ids AS integer MINVALUE 1 MAXVALUE 16777215 CYCLE;"
}

fn views() -> String {
    let text = |field: &str| format!("value->'value'->>'{field}'");
    format!(
        "CREATE VIEW users AS SELECT encode(key, 'hex') AS id, {} AS username, {} AS email, \
         ({})::boolean AS is_verified FROM accounts;
         CREATE VIEW bans AS SELECT encode(key, 'hex') AS id, {} AS username, \
         value->'value'->'ban' AS ban FROM accounts \
         WHERE value->'value'->>'ban' IS NOT NULL;
         CREATE VIEW user_reports AS SELECT encode(key, 'hex') AS id, value->'value' AS report \
         FROM reports;",
        text("username"),
        text("email"),
        text("is_verified"),
        text("username"),
    )
}

impl Postgres {
    /// Names the steps that are to be done.
    pub(in crate::store) async fn pending(&self) -> Result<Vec<Migration>, StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        blocking(move || {
            let version = if has_meta(&connection)? { version(&connection)? } else { 0 };
            Ok(steps_after(version)?)
        })
        .await
    }

    /// Does the steps that are to be done, and returns them.
    pub(in crate::store) async fn migrate(&self) -> Result<Vec<Migration>, StoreError> {
        let connection = self.connection(Within::Migration).await?;
        blocking(move || {
            connection.mark_open(true);
            // Another server may be at it, and it may take long.
            connection.execute(&format!(
                "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                 SELECT pg_advisory_xact_lock({LOCK}); {META}"
            ))?;
            let steps = steps_after(version(&connection)?)?;
            for step in &steps {
                connection.execute(&(step.sql)())?;
                let sql = format!(
                    "INSERT INTO meta VALUES ('version', '{}') \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    step.version
                );
                connection.execute(&sql)?;
            }
            connection.execute("COMMIT")?;
            connection.mark_open(false);
            Ok(steps)
        })
        .await
    }
}

/// Whether a server has been on the database.
pub(super) fn has_meta(connection: &Connection) -> Result<bool, DatabaseError> {
    let known = connection.rows("SELECT to_regclass('meta') IS NOT NULL", &[])?;
    Ok(known.first().is_some_and(|row| row.try_get(0).unwrap_or(false)))
}

fn version(connection: &Connection) -> Result<i32, DatabaseError> {
    let rows = connection.rows("SELECT value FROM meta WHERE key = 'version'", &[])?;
    let text = rows.first().map(|row| row.try_get::<_, String>(0)).transpose();
    let text = text.map_err(|error| DatabaseError::on_statement(&error))?;
    let unreadable = || DatabaseError::Broken("meta has no readable version".into());
    text.map_or(Ok(0), |text| text.parse().map_err(|_| unreadable()))
}

fn steps_after(version: i32) -> Result<Vec<Migration>, DatabaseError> {
    if version > NEWEST {
        return Err(DatabaseError::Newer { found: version, known: NEWEST });
    }
    Ok(MIGRATIONS.into_iter().filter(|step| step.version > version).collect())
}
