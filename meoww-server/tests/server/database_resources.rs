//! A database that lacks something: connections or room at the start, or anything while a server runs.

use reqwest::StatusCode;

use crate::{
    engine::{self, Cluster},
    harness::{TestServer, patiently, signup},
    postgres::{demand_refusal_with, run_with},
};

#[tokio::test]
async fn a_database_without_a_free_connection_keeps_a_server_out() {
    let settings = [("max_connections", "6"), ("superuser_reserved_connections", "2")];
    let rules = "local all all trust\n";
    let cluster = tokio::task::spawn_blocking(move || Cluster::with(&settings, Some(rules)));
    let cluster = cluster.await.expect("a cluster");
    let admin = engine::client(&cluster.url("postgres")).await;
    admin.batch_execute("CREATE ROLE ada LOGIN").await.expect("made");
    let url = cluster.url("postgres").replace("postgres@", "ada@");
    let mut taken = Vec::new();
    while let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await
    {
        taken.push((client, tokio::spawn(connection)));
    }
    let env = [("MEOWW_DATABASE_URL", url.as_str())];
    demand_refusal_with(&env, 23, "has no free connection").await;
    let cluster = tokio::task::spawn_blocking(|| cluster.stop());
    cluster.await.expect("stopped");
}

#[tokio::test]
async fn a_full_disk_under_a_migration_has_its_sentence_and_exit_code() {
    let url = engine::fresh_database().await;
    let client = engine::client(&url).await;
    // As PostgreSQL says it, of the first table that is made.
    let full = "CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
                RAISE 'could not extend file: No space left' USING ERRCODE = 'disk_full'; END $$; \
                CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('CREATE TABLE') \
                EXECUTE FUNCTION full_disk()";
    client.batch_execute(full).await.expect("made");
    let env = [("MEOWW_DATABASE_URL", url.as_str())];
    for words in [&["db", "migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let (code, said) = patiently(run_with(&env, words)).await;
        assert_eq!(code, 24, "{said}");
        assert!(said.contains("has no room left") && said.contains("No space left"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_lacks_for_a_while_is_put_off() {
    let url = engine::fresh_database().await;
    let server = TestServer::with(|config| {
        config.database = Some(engine::url(&url));
        config.limits = meoww_server::config::Limits::OFF;
    })
    .await;
    let client = engine::client(&url).await;
    // Resources, an operator who steps in, and the system under the database.
    let states = ["53000", "53100", "53200", "53400", "57000", "57014", "57P05", "58000", "58030"];
    for state in states {
        let fail = format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE 'lacking' USING ERRCODE = '{state}'; END $$; \
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON accounts \
             FOR EACH ROW EXECUTE FUNCTION fail()"
        );
        client.batch_execute(&fail).await.expect("made");
        let answer = server.post("/api/auth/signup", signup("ada")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{state}: {}", answer.body);
        assert!(answer.headers.contains_key("retry-after"), "{state}");
    }
    client.batch_execute("DROP TRIGGER fail ON accounts").await.expect("done");
    assert_eq!(server.sign_up("ada").await.status, StatusCode::CREATED);
}
