//! An operator at one node of a fleet: commands reach all nodes, and name those that do not answer.

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, Search, ServerMessage},
};
use serde_json::{Value, json};

use crate::{
    fleet::{Shared, match_two},
    harness::{Peer, patiently},
    operator::{Operator, Said},
    process::Process,
    sockets::{chat, welcomed},
};

/// Three nodes, each with a data directory, and who types at each.
struct Fleet {
    operators: [Operator; 3],
    nodes: [Process; 3],
    /// Of users, as headers have them.
    cookies: Vec<String>,
    _shared: Shared,
}

impl Fleet {
    /// Starts it with so many users, and waits until all know each other.
    async fn start(users: usize) -> Self {
        let shared = Shared::new().await;
        let operators = [Operator::new(), Operator::new(), Operator::new()];
        let nodes = [
            shared.process(&operators[0].data()).await,
            shared.process(&operators[1].data()).await,
            shared.process(&operators[2].data()).await,
        ];
        let count = users.to_string();
        let create = ["user", "create", "--count", &count, "--verified", "--tokens"];
        let created = operators[0].asks(&create).await;
        let cookie = |user: &Value| user["cookie"].as_str().expect("a cookie").to_owned();
        let cookies = created.iter().map(cookie).collect();
        let fleet = Self { operators, nodes, cookies, _shared: shared };
        for operator in &fleet.operators {
            // One that just began may be slow to answer.
            patiently(async {
                loop {
                    let said = operator.types(&["stats", "--json"]).await;
                    let nodes = said.json()[0]["nodes"].as_array().map_or(0, Vec::len);
                    if (said.code, nodes) == (0, 3) {
                        return;
                    }
                }
            })
            .await;
        }
        fleet
    }

    async fn connect(&self, user: usize, node: usize, query: &str) -> Peer {
        let url = format!("{}/ws{query}", self.nodes[node].url);
        Peer::at(&url, &[("cookie", &self.cookies[user])]).await.expect("a socket")
    }

    async fn arrive(&self, user: usize, node: usize) -> Peer {
        let mut peer = self.connect(user, node, "").await;
        assert_eq!(welcomed(&mut peer).await, None);
        peer
    }

    /// The number of a node, which it has from the database in the order of their starts.
    async fn number(&self, node: usize) -> String {
        let mut numbers = Vec::new();
        for row in self.operators[0].ask(&["stats"]).await["nodes"].as_array().expect("nodes") {
            numbers.push(row["node"].as_u64().expect("a number"));
        }
        numbers[node].to_string()
    }

    async fn json(&self, node: usize, command: &[&str]) -> Said {
        self.operators[node].types(&[command, &["--json"]].concat()).await
    }
}

fn count(stats: &Value, field: &str) -> u64 {
    stats["live"][field].as_u64().expect("a count")
}

/// The figures of all nodes, as soon as so many users are known: the node that matches tells how many
/// there are with its next beat.
async fn settled(operator: &Operator, users: u64) -> Value {
    patiently(async {
        loop {
            let said = operator.types(&["stats", "--json"]).await;
            let stats = said.json().swap_remove(0);
            if (said.code, count(&stats, "users")) == (0, users) {
                return stats;
            }
        }
    })
    .await
}

/// The next event but the echo of a search and how many there are.
async fn next(peer: &mut Peer) -> ServerMessage {
    loop {
        match peer.next().await {
            ServerMessage::Searching => {}
            event => return event,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_at_one_node_hears_of_all_and_of_who_is_silent() {
    let fleet = Fleet::start(5).await;
    let mut ada = fleet.arrive(0, 0).await;
    let mut bob = fleet.arrive(1, 1).await;
    let mut cyd = fleet.arrive(2, 2).await;
    let mut dan = fleet.arrive(3, 2).await;
    let across = match_two(&mut ada, &mut bob).await;
    let within = match_two(&mut cyd, &mut dan).await;
    let _eve = fleet.arrive(4, 2).await;
    for operator in &fleet.operators {
        let stats = settled(operator, 5).await;
        assert_eq!((count(&stats, "connections"), count(&stats, "rooms")), (5, 2), "{stats}");
        let matching = stats["nodes"].as_array().expect("nodes").iter();
        assert_eq!(matching.filter(|node| node["isMatching"] == true).count(), 1, "{stats}");
        let mut rooms: Vec<RoomId> = Vec::new();
        for room in operator.asks(&["rooms"]).await {
            rooms.push(room["room"].as_str().expect("an id").parse().expect("an id"));
        }
        rooms.sort_unstable();
        let mut expected = [across, within];
        expected.sort_unstable();
        assert_eq!(rooms, expected);
    }
    let said = fleet.operators[1].ask(&["broadcast", "Down at noon"]).await;
    assert_eq!(said, json!({ "connections": 5 }));
    for peer in [&mut ada, &mut bob, &mut cyd, &mut dan] {
        assert!(
            matches!(next(peer).await, ServerMessage::Notice { text } if text == "Down at noon")
        );
    }

    let third = fleet.number(2).await;
    fleet.nodes[2].signal("STOP");
    let drain = ["drain", third.as_str()];
    let (stats, rooms, told, drained) = tokio::join!(
        fleet.json(0, &["stats"]),
        fleet.json(0, &["rooms"]),
        fleet.json(1, &["broadcast", "Still here"]),
        fleet.json(1, &drain),
    );
    let named = format!("did not answer within 2 seconds: node {third}");
    for said in [&stats, &rooms, &told, &drained] {
        assert!(said.code == 19 && said.err.contains(&named), "{} {}", said.code, said.err);
    }
    let number: u64 = third.parse().expect("a number");
    let stats = &stats.json()[0];
    assert_eq!((count(stats, "connections"), &stats["silent"]), (2, &json!([number])), "{stats}");
    let rooms = rooms.json();
    assert_eq!(rooms[0]["room"], across.to_string());
    assert_eq!(rooms[1..], [json!({ "silent": [number] })]);
    assert_eq!(told.json(), [json!({ "connections": 2, "silent": [number] })]);
    assert!(matches!(next(&mut ada).await, ServerMessage::Notice { text } if text == "Still here"));
    assert_eq!(fleet.operators[0].code(&["drain", "99"]).await, 8);
    fleet.nodes[2].signal("CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_node_that_drains_go_on_at_another() {
    let mut fleet = Fleet::start(4).await;
    let mut ada = fleet.arrive(0, 0).await;
    let mut bob = fleet.arrive(1, 1).await;
    let mut cyd = fleet.arrive(2, 0).await;
    let room = match_two(&mut ada, &mut bob).await;
    cyd.send(ClientMessage::Search(Search::default())).await;
    assert!(matches!(cyd.next().await, ServerMessage::Searching));

    let first = fleet.number(0).await;
    let draining = fleet.operators[1].ask(&["drain", &first, "--for", "1h"]).await;
    assert_eq!(draining["node"].to_string(), first);
    assert_eq!((&draining["connections"], &draining["seconds"]), (&json!(2), &json!(3600)));
    for peer in [&mut ada, &mut cyd] {
        let event = next(peer).await;
        assert!(matches!(event, ServerMessage::Draining { seconds: 3590.. }), "{event:?}");
        peer.expect_error(SignalErrorCode::ShuttingDown).await;
    }
    // The last has gone, so the node goes, and its operator is told nothing of silence.
    assert_eq!(fleet.nodes[0].ended().await, 0);
    let mut ada = fleet.connect(0, 2, &format!("?resume={room}")).await;
    assert_eq!(welcomed(&mut ada).await, Some(room));
    chat(&mut ada, &mut bob, room, "moved").await;
    chat(&mut bob, &mut ada, room, "stayed").await;
    let mut cyd = fleet.arrive(2, 1).await;
    let mut dan = fleet.arrive(3, 2).await;
    match_two(&mut cyd, &mut dan).await;
    let stats = fleet.operators[1].ask(&["stats"]).await;
    assert_eq!(stats["nodes"].as_array().expect("nodes").len(), 2, "{stats}");
}
