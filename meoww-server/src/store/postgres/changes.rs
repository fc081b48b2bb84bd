//! Reads what the triggers on `sessions` and `blocks` have left.

use std::collections::BTreeSet;

use meoww_proto::UserId;

use super::{Postgres, connection::Connection, errors::DatabaseError, within::Within};
use crate::store::{
    StoreError,
    changes::{Changes, UserChange},
    engine::blocking,
};

/// How long a row is kept: longer than a server goes on without its database.
const KEPT: &str = "6 hours";

/// Rows of transactions that had not ended when the last look was taken, and the first of those that
/// have not ended now. A number drawn for each row would not do: a lower one may be committed later.
const SQL: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, \
    coalesce(array_agg(id), '{}'), coalesce(array_agg(kind), '{}'), \
    coalesce(array_agg(user_id), '{}') FROM changes WHERE xid >= $1::text::xid8";
const SESSION: &str = "session";
const BLOCKS: &str = "blocks";

/// The table and the triggers.
pub(super) fn tables() -> String {
    format!(
        "CREATE TABLE changes (id bigserial PRIMARY KEY, \
         xid xid8 NOT NULL DEFAULT pg_current_xact_id(), \
         at timestamptz NOT NULL DEFAULT clock_timestamp(), \
         kind text NOT NULL, user_id text NOT NULL);
         CREATE INDEX changes_by_xid ON changes (xid);
         CREATE FUNCTION note_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO changes (kind, user_id) \
         VALUES ('{SESSION}', OLD.value->'value'->>'user'); RETURN NULL; END $$;
         CREATE TRIGGER note_session AFTER DELETE ON sessions \
         FOR EACH ROW EXECUTE FUNCTION note_session();
         CREATE FUNCTION note_blocks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO changes (kind, user_id) VALUES ('{BLOCKS}', \
         encode(substring((CASE TG_OP WHEN 'DELETE' THEN OLD.key ELSE NEW.key END) \
         from 1 for 12), 'hex')); RETURN NULL; END $$;
         CREATE TRIGGER note_blocks AFTER INSERT OR UPDATE OR DELETE ON blocks \
         FOR EACH ROW EXECUTE FUNCTION note_blocks();"
    )
}

/// Lets the trigger on `blocks` count the changes of each account: with the row of the account, so
/// that one transaction waits for the other, and the count goes with the account.
pub(super) fn versions() -> String {
    format!(
        "ALTER TABLE accounts ADD COLUMN blocks_version bigint NOT NULL DEFAULT 0;
         CREATE OR REPLACE FUNCTION note_blocks() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE \
         owner bytea := substring((CASE TG_OP WHEN 'DELETE' THEN OLD.key ELSE NEW.key END) \
         from 1 for 12); BEGIN \
         INSERT INTO changes (kind, user_id) VALUES ('{BLOCKS}', encode(owner, 'hex')); \
         UPDATE accounts SET blocks_version = blocks_version + 1 WHERE key = owner; \
         RETURN NULL; END $$;"
    )
}

impl Connection {
    /// Returns how often the blocks of a user have changed.
    pub(in crate::store) fn blocks_version(&self, user: UserId) -> Result<u64, DatabaseError> {
        let sql = "SELECT blocks_version FROM accounts WHERE key = $1";
        let rows = self.rows(sql, &[&user.as_bytes().as_slice()])?;
        let version = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0));
        Ok(version.map_err(|error| DatabaseError::on_statement(&error))?.unsigned_abs())
    }
}

impl Postgres {
    pub(in crate::store) async fn changed(
        &self,
        watched: &mut Changes,
    ) -> Result<BTreeSet<UserChange>, StoreError> {
        let connection = self.connection(Within::Nothing).await?;
        let first_open = watched.first_open.to_string();
        let (next, rows) = blocking(move || {
            let unreadable = |error| DatabaseError::on_statement(&error);
            let rows = connection.rows(SQL, &[&first_open])?;
            let row = rows.first().ok_or_else(|| DatabaseError::Broken("no row".into()))?;
            let next: String = row.try_get(0).map_err(unreadable)?;
            let ids: Vec<i64> = row.try_get(1).map_err(unreadable)?;
            let kinds: Vec<String> = row.try_get(2).map_err(unreadable)?;
            let users: Vec<String> = row.try_get(3).map_err(unreadable)?;
            let changes = kinds.into_iter().zip(users);
            Ok((next, ids.into_iter().zip(changes).collect::<Vec<_>>()))
        })
        .await?;
        watched.first_open =
            next.parse().map_err(|_| DatabaseError::Broken("xid is no number".into()))?;
        let seen = std::mem::take(&mut watched.seen);
        watched.seen = rows.iter().map(|(id, _)| *id).collect();
        let new = rows.into_iter().filter(|(id, _)| !seen.contains(id));
        Ok(new.filter_map(|(_, (kind, user))| change(&kind, &user)).collect())
    }

    /// Forgets what every server has read.
    pub(in crate::store) async fn forget_changes(&self) -> Result<(), StoreError> {
        let connection = self.connection(Within::Upkeep).await?;
        let sql = format!("DELETE FROM changes WHERE at < clock_timestamp() - interval '{KEPT}'");
        blocking(move || Ok(connection.take_time(&sql)?)).await
    }
}

fn change(kind: &str, user: &str) -> Option<UserChange> {
    let user: UserId = user.parse().ok()?;
    match kind {
        SESSION => Some(UserChange::Session(user)),
        BLOCKS => Some(UserChange::Blocks(user)),
        _ => None,
    }
}
