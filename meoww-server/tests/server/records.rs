//! The records of a server that stands still, on either engine and past its program.

use std::collections::BTreeMap;

use tokio_postgres::Client;

/// By table and key; values as they lie there.
pub(crate) type Records = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Reads all of them.
pub(crate) fn of_sled(db: &sled::Db) -> Records {
    let tables = db.tree_names().into_iter().map(|name| {
        let entries = db.open_tree(&name).expect("opened").iter();
        let entries = entries.map(|entry| entry.expect("readable"));
        let entries = entries.map(|(key, value)| (key.to_vec(), value.to_vec()));
        (String::from_utf8(name.to_vec()).expect("text"), entries.collect())
    });
    tables.collect()
}

/// Adds and changes what differs from before.
pub(crate) fn write_sled(db: &sled::Db, before: &Records, after: &Records) {
    for (table, key, value) in changes(before, after) {
        db.open_tree(table).expect("opened").insert(key, value.as_slice()).expect("written");
    }
}

pub(crate) async fn of_postgres(client: &Client) -> Records {
    let mut records = Records::new();
    for (table, is_json) in tables(client).await {
        let value = if is_json { "convert_to(value::text, 'UTF8')" } else { "value" };
        let rows = client.query(&format!("SELECT key, {value} FROM {table}"), &[]).await;
        let rows = rows.expect("read");
        records.insert(table, rows.iter().map(|row| (row.get(0), row.get(1))).collect());
    }
    records
}

pub(crate) async fn write_postgres(client: &Client, before: &Records, after: &Records) {
    let is_json: BTreeMap<String, bool> = tables(client).await.into_iter().collect();
    for (table, key, value) in changes(before, after) {
        let new = if is_json[table] { "convert_from($2, 'UTF8')::json" } else { "$2" };
        let sql = format!(
            "INSERT INTO {table} (key, value) VALUES ($1, {new}) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        );
        client.execute(&sql, &[key, value]).await.expect("written");
    }
}

/// Those with records, and whether these are JSON.
pub(crate) async fn tables(client: &Client) -> Vec<(String, bool)> {
    let sql = "SELECT table_name::text, data_type = 'json' FROM information_schema.columns \
               WHERE table_schema = 'public' AND column_name = 'value' AND table_name <> 'meta'";
    let rows = client.query(sql, &[]).await.expect("read");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn changes<'a>(
    before: &'a Records,
    after: &'a Records,
) -> impl Iterator<Item = (&'a str, &'a Vec<u8>, &'a Vec<u8>)> {
    after.iter().flat_map(move |(table, entries)| {
        let old = before.get(table);
        let new = entries.iter();
        let new = new.filter(move |(key, value)| old.and_then(|old| old.get(*key)) != Some(value));
        new.map(move |(key, value)| (table.as_str(), key, value))
    })
}
