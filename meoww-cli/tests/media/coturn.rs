//! A real TURN relay of one's own.

use std::{process::Stdio, time::Duration};

use meoww_cli::{core::event::Way, interfaces, peer::PeerConfig};
use meoww_proto::account::IceServer;
use tokio::{
    net::UdpSocket,
    process::{Child, Command},
    sync::watch,
};

/// coturn on this machine; dropping it kills it.
pub(crate) struct Coturn {
    _process: Child,
    port: u16,
}

impl Coturn {
    /// Returns once it answers.
    pub(crate) async fn start() -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new("turnserver")
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech"])
            .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--realm", "meoww"])
            .args(["--user", "user:secret", "--log-file", "/dev/null", "--pidfile", "/dev/null"])
            .args(["--allow-loopback-peers", "--listening-port", &port.to_string()])
            .kill_on_drop(true)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let _process = process.expect("coturn (scripts/setup test installs it)");
        // A STUN binding request (RFC 8489), until it is answered.
        let probe = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42meowwmeowwme";
        let mut answer = [0; 512];
        let answered = async {
            loop {
                let _ = probe.send_to(request, ("127.0.0.1", port)).await;
                let received = probe.recv_from(&mut answer);
                if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(50), received).await {
                    return;
                }
            }
        };
        let answered = tokio::time::timeout(Duration::from_secs(20), answered).await;
        answered.expect("coturn does not start");
        Self { _process, port }
    }

    pub(crate) fn config(&self, is_initiator: bool, way: Way) -> PeerConfig {
        let server = IceServer {
            urls: format!("turn:127.0.0.1:{}?transport=udp", self.port),
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
