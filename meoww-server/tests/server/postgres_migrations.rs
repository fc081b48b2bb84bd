//! Tables of every earlier version, with records in them, become those of this one; and of several
//! servers that begin at once, one makes the tables.

use meoww_proto::RoomId;
use meoww_server::{core::safety::Block, store::Store};
use time::Duration;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    engine,
    postgres::run_with,
    records::{self, Records},
    store::{START, account, confirm, create, session},
};

/// What each version did to the tables of the one before, as it was shipped.
const STEPS: [&str; 4] = [
    "CREATE TABLE accounts (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE challenges (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE password_resets (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE address_changes (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE sessions (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE refresh_tokens (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE blocks (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE reports (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE mail_queue (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE emails (key bytea PRIMARY KEY, value bytea NOT NULL);
     CREATE TABLE usernames (key bytea PRIMARY KEY, value bytea NOT NULL);
     CREATE TABLE user_sessions (key bytea PRIMARY KEY, value json NOT NULL);
     CREATE TABLE report_parties (key bytea PRIMARY KEY, value bytea NOT NULL);
     CREATE TABLE probe (key bytea PRIMARY KEY, value bytea NOT NULL);
     CREATE SEQUENCE node_ids AS integer MINVALUE 1 MAXVALUE 16777215 CYCLE;",
    "CREATE VIEW users AS SELECT encode(key, 'hex') AS id, value->'value'->>'username' AS username,
     value->'value'->>'email' AS email, (value->'value'->>'is_verified')::boolean AS is_verified
     FROM accounts;
     CREATE VIEW bans AS SELECT encode(key, 'hex') AS id, value->'value'->>'username' AS username,
     value->'value'->'ban' AS ban FROM accounts WHERE value->'value'->>'ban' IS NOT NULL;
     CREATE VIEW user_reports AS SELECT encode(key, 'hex') AS id, value->'value' AS report
     FROM reports;",
    "CREATE TABLE changes (id bigserial PRIMARY KEY,
     xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
     at timestamptz NOT NULL DEFAULT clock_timestamp(), kind text NOT NULL, user_id text NOT NULL);
     CREATE INDEX changes_by_xid ON changes (xid);
     CREATE FUNCTION note_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     INSERT INTO changes (kind, user_id) VALUES ('session', OLD.value->'value'->>'user');
     RETURN NULL; END $$;
     CREATE TRIGGER note_session AFTER DELETE ON sessions
     FOR EACH ROW EXECUTE FUNCTION note_session();
     CREATE FUNCTION note_blocks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
     INSERT INTO changes (kind, user_id) VALUES ('blocks',
     encode(substring((CASE TG_OP WHEN 'DELETE' THEN OLD.key ELSE NEW.key END)
     from 1 for 12), 'hex')); RETURN NULL; END $$;
     CREATE TRIGGER note_blocks AFTER INSERT OR UPDATE OR DELETE ON blocks
     FOR EACH ROW EXECUTE FUNCTION note_blocks();",
    "CREATE UNLOGGED TABLE tallies
     (key bytea PRIMARY KEY, used bigint NOT NULL, ends bigint NOT NULL);
     CREATE INDEX tallies_by_end ON tallies (ends);",
];
const META: &str = "CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL)";

/// Writes records of most kinds.
async fn fill(store: &Store) {
    for n in 1..=3 {
        let account = account(n, &format!("user{n}"), &format!("{n}@example.com"));
        create(store, &account, START).await;
        assert!(confirm(store, account.id, START).await);
        let new = session(account.id, &format!("token {n}"), START + Duration::days(9));
        store.open_session(new).await.expect("stored");
    }
    let [ada, bob] = [1, 2].map(|n| account(n, "user", "user@example.com").id);
    let block = Block { room: RoomId::from_uuid(Uuid::from_u128(1)), blocked: bob, since: START };
    store.add_block(ada, block).await.expect("kept");
}

/// Names every column, index, trigger and view there is.
async fn shape(client: &Client) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable) \
        FROM information_schema.columns WHERE table_schema = 'public' \
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
        UNION ALL SELECT concat_ws(' ', relname, relpersistence) FROM pg_class \
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v') \
        UNION ALL SELECT regexp_replace(prosrc, '\\s+', ' ', 'g') FROM pg_proc \
        WHERE pronamespace = 'public'::regnamespace \
        UNION ALL SELECT value FROM meta WHERE key = 'version' ORDER BY 1";
    let rows = client.query(sql, &[]).await.expect("read");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn tables_with_records_of_each_earlier_version_become_those_of_this_one() {
    let url = engine::fresh_database().await;
    fill(&engine::connect(&url).await).await;
    let newest = engine::client(&url).await;
    let (expected, records) = (shape(&newest).await, records::of_postgres(&newest).await);
    for version in 1..=STEPS.len() {
        let url = engine::fresh_database().await;
        let client = engine::client(&url).await;
        client.batch_execute(META).await.expect("made");
        client.batch_execute(&STEPS[..version].concat()).await.expect("made");
        let mark = format!("INSERT INTO meta VALUES ('version', '{version}')");
        client.batch_execute(&mark).await.expect("made");
        records::write_postgres(&client, &Records::new(), &records).await;
        let store = engine::connect(&url).await;
        assert_eq!(shape(&client).await, expected, "from version {version}");
        assert!(records::of_postgres(&client).await == records, "from version {version}");
        assert_eq!(store.check().await.expect("checked").1, [], "from version {version}");
        // What a later version counts begins to be counted.
        let ada = account(1, "user", "user@example.com").id;
        let room = RoomId::from_uuid(Uuid::from_u128(2));
        let block =
            Block { room, blocked: account(3, "user", "user@example.com").id, since: START };
        store.add_block(ada, block).await.expect("kept");
        let count = "SELECT blocks_version FROM accounts WHERE blocks_version > 0";
        assert_eq!(client.query(count, &[]).await.expect("read").len(), 1, "version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_migrate_at_once_one_does_it() {
    let url = engine::fresh_database().await;
    let env = [("MEOWW_DATABASE_URL", url.as_str())];
    let migrations = (0..4).map(|_| run_with(&env, &["db", "migrate"]));
    let said = futures_util::future::join_all(migrations).await;
    assert!(said.iter().all(|(code, _)| *code == 0), "{said:?}");
    let made = said.iter().filter(|(_, said)| said.contains("make the tables")).count();
    let idle = said.iter().filter(|(_, said)| said.contains("up to date")).count();
    assert_eq!((made, idle), (1, 3), "{said:?}");
}
