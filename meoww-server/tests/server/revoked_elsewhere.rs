//! Sessions that end in the database of several servers, and servers that cannot look them up at once.

use std::time::Duration;

use futures_util::StreamExt;

use crate::{
    engine,
    harness::{Peer, TestServer, patiently},
};

/// Longer than two looks of a server.
const TWO_LOOKS: Duration = Duration::from_secs(3);

async fn demand_end(mut peer: Peer) {
    patiently(async { while let Some(Ok(_)) = peer.socket.next().await {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_is_closed_though_the_first_look_up_failed() {
    let url = engine::fresh_database().await;
    let server = TestServer::with(|config| config.database = Some(engine::url(&url))).await;
    let (_, peer) = server.peer("ada").await;
    let client = engine::client(&url).await;
    // Which session ended can be read, and which ones the user still has cannot.
    let fail = "ALTER TABLE accounts RENAME TO accounts_away; DELETE FROM sessions";
    client.batch_execute(fail).await.expect("done");
    tokio::time::sleep(TWO_LOOKS).await;
    client.batch_execute("ALTER TABLE accounts_away RENAME TO accounts").await.expect("done");
    demand_end(peer).await;
}
