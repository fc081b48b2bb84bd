//! Calls through a real TURN relay.

use meoww_cli::{core::event::Way, interfaces, peer::PeerConfig};
use meoww_examples::coturn::Coturn;
use meoww_proto::account::IceServer;
use tokio::sync::watch;

pub(crate) async fn start() -> Coturn {
    let settings = ["--lt-cred-mech", "--user=user:secret", "--no-tls"];
    let start = move || Coturn::start("127.0.0.1", &settings);
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// Of a side that knows the relay at a port as `user` with the password `secret`.
pub(crate) fn config(relay: u16, is_initiator: bool, way: Way) -> PeerConfig {
    let server = IceServer {
        urls: format!("turn:127.0.0.1:{relay}?transport=udp"),
        username: Some("user".to_owned()),
        credential: Some("secret".to_owned()),
    };
    // Of loopback as the relay is, or it could not be told from what it hides.
    let own = if is_initiator { INITIATOR } else { RESPONDER };
    PeerConfig {
        ice_servers: vec![server],
        way,
        is_initiator,
        room_id: super::room(),
        addresses: watch::channel(vec![own.into()]).1,
        congestion_control: Default::default(),
    }
}

const INITIATOR: [u8; 4] = [127, 0, 0, 2];
const RESPONDER: [u8; 4] = [127, 0, 0, 3];

/// Messages through the server name the relay, and not the addresses it is there to hide.
pub(crate) fn assert_names_no_address(said: &str) {
    assert!(said.contains("127.0.0.1 "), "{said}");
    for hidden in ["127.0.0.2", "127.0.0.3", ".local", "typ host", "typ srflx"] {
        assert!(!said.contains(hidden), "{hidden} in {said}");
    }
    for address in interfaces::addresses() {
        assert!(!said.contains(&address.to_string()), "{said}");
    }
}
