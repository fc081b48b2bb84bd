//! What keeps a node from its fleet, each with its sentence and exit code, at the start and from
//! `config check`.

use crate::{
    engine,
    nats::Nats,
    postgres::{demand_refusal_with, run_with},
};

#[tokio::test]
async fn each_fault_of_nats_has_its_sentence_and_exit_code() {
    let guarded = Nats::start_with(&["--user", "ada", "--pass", "hunter2"]).await;
    let at = guarded.address;
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("nats.conf");
    std::fs::write(&config, "max_payload: 65536").expect("written");
    let small = Nats::start_with(&["--config", config.to_str().expect("text")]).await;
    let nobody = format!("nats://ada:hunter2@127.0.0.1:{}", engine::free_port());
    for (url, code, words) in [
        ("http://ada:hunter2@one", 3, "it is no URL of a NATS server"),
        (&nobody, 20, "cannot use a NATS server at 127.0.0.1"),
        (&format!("nats://{at}"), 21, "does not take this user and password"),
        (&format!("nats://ada:hunter3@{at}"), 21, "does not take this user and password"),
        (&small.url(), 22, "takes messages of 65536 bytes at most"),
    ] {
        // Each start leaves a mark of its secrets.
        let database = engine::fresh_database().await;
        let env = [("MEOWW_DATABASE_URL", database.as_str()), ("MEOWW_NATS_URL", url)];
        demand_refusal_with(&env, code, words).await;
    }
    let env = [("MEOWW_NATS_URL", nobody.as_str())];
    demand_refusal_with(&env, 3, "nodes share a database: set MEOWW_DATABASE_URL, too").await;
}

#[tokio::test]
async fn what_a_fleet_needs_beside_it_is_named() {
    let database = engine::fresh_database().await;
    let nats = Nats::start_with(&[]).await;
    let url = nats.url();
    let fleet = [("MEOWW_DATABASE_URL", database.as_str()), ("MEOWW_NATS_URL", url.as_str())];
    let (code, said) = run_with(&fleet, &["config", "check"]).await;
    let named = [
        "MEOWW_PHOTO_STORE: a photo in a folder",
        "MEOWW_SMTP_URL: without a mail server",
        "MEOWW_NATS_URL: no user is named",
    ];
    assert!(code == 9 && named.iter().all(|words| said.contains(words)), "{code} {said}");
    let bucket = [
        ("MEOWW_PHOTO_STORE", "s3://photos"),
        ("AWS_ACCESS_KEY_ID", "ada"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("MEOWW_SMTP_URL", "smtp://localhost:25"),
    ];
    let (code, said) = run_with(&[&fleet[..], &bucket].concat(), &["config", "check"]).await;
    assert!(code == 9 && said.contains(named[2]) && !said.contains(named[0]), "{code} {said}");
    let guarded = Nats::start_with(&["--user", "ada", "--pass", "hunter2"]).await;
    let url = format!("nats://ada:hunter2@{}", guarded.address);
    let all = [&fleet[..1], &bucket, &[("MEOWW_NATS_URL", url.as_str())]].concat();
    let (code, said) = run_with(&all, &["config", "check"]).await;
    assert_eq!(code, 0, "{said}");
    // A server that is alone lacks neither.
    let (code, said) = run_with(&fleet[..1], &["config", "check"]).await;
    assert_eq!(code, 0, "{said}");
}

/// The database's clock is moved, and not this machine's, which tests share.
#[tokio::test]
async fn a_clock_that_differs_keeps_a_server_out() {
    for (ahead, words) in [("3 seconds", "behind that of the database"), ("-1 hour", "ahead of")] {
        let database = engine::fresh_database().await;
        let client = engine::client(&database).await;
        let name = database.split('?').next().and_then(|url| url.rsplit('/').next());
        let skewed = format!(
            "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
             $$ SELECT pg_catalog.clock_timestamp() + interval '{ahead}' $$; \
             ALTER DATABASE {} SET search_path = public, pg_catalog",
            name.expect("a name")
        );
        client.batch_execute(&skewed).await.expect("done");
        let env = [("MEOWW_DATABASE_URL", database.as_str())];
        demand_refusal_with(&env, 18, words).await;
    }
}
