//! An operator at one node of a fleet: commands reach all nodes, and name those that do not answer.

use meoww_proto::{RoomId, signal::ServerMessage};
use serde_json::{Value, json};

use crate::{
    fleet::{Shared, match_two},
    harness::{Peer, patiently},
    operator::{Operator, Said},
    process::Process,
    sockets::welcomed,
    web::Web,
};

/// Three nodes, each with a data directory, and who types at each.
pub(crate) struct Fleet {
    pub(crate) operators: [Operator; 3],
    pub(crate) nodes: [Process; 3],
    /// Of users, as headers have them.
    cookies: Vec<String>,
    _shared: Shared,
}

impl Fleet {
    /// Starts it with so many users, and waits until all know each other.
    pub(crate) async fn start(users: usize) -> Self {
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

    pub(crate) async fn connect(&self, user: usize, node: usize, query: &str) -> Peer {
        let url = format!("{}/ws{query}", self.nodes[node].url);
        Peer::at(&url, &[("cookie", &self.cookies[user])]).await.expect("a socket")
    }

    pub(crate) async fn arrive(&self, user: usize, node: usize) -> Peer {
        let mut peer = self.connect(user, node, "").await;
        assert_eq!(welcomed(&mut peer).await, None);
        peer
    }

    pub(crate) async fn web(&self, user: usize, node: usize) -> Web {
        Web::at(&self.nodes[node].url, &self.cookies[user]).await
    }

    /// The number of a node, which it has from the database in the order of their starts.
    pub(crate) async fn number(&self, node: usize) -> String {
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

pub(crate) fn count(stats: &Value, field: &str) -> u64 {
    stats["live"][field].as_u64().expect("a count")
}

/// The figures of all nodes, as soon as so many users are known: the node that matches tells how many
/// there are with its next beat.
pub(crate) async fn settled(operator: &Operator, users: u64) -> Value {
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
pub(crate) async fn next(peer: &mut Peer) -> ServerMessage {
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
