//! Listens in between clients and a relay.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::net::UdpSocket;

const HANDSHAKE: u8 = 22;
/// The first byte of all versions of DTLS.
const DTLS: u8 = 254;

/// Passes packets on, both ways.
pub(crate) struct Tap {
    pub(crate) port: u16,
    /// Packets of clients' DTLS handshakes, and how often each came.
    handshakes: Arc<Mutex<HashMap<Vec<u8>, usize>>>,
}

impl Tap {
    pub(crate) async fn before(relay: u16) -> Self {
        let clients = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = clients.local_addr().unwrap().port();
        let handshakes = Arc::<Mutex<HashMap<_, _>>>::default();
        tokio::spawn(listen(clients, relay, handshakes.clone()));
        Self { port, handshakes }
    }

    /// Packets of handshakes, and those of them that were sent more than once.
    pub(crate) fn handshakes(&self) -> (usize, usize) {
        let handshakes = self.handshakes.lock().unwrap();
        (handshakes.len(), handshakes.values().filter(|count| **count > 1).count())
    }
}

async fn listen(
    clients: Arc<UdpSocket>,
    relay: u16,
    handshakes: Arc<Mutex<HashMap<Vec<u8>, usize>>>,
) {
    let mut servers = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
    let mut packet = [0; 2048];
    while let Ok((length, client)) = clients.recv_from(&mut packet).await {
        let packet = &packet[..length];
        // After the header of a channel (RFC 8656, section 12.4).
        if let [_, _, _, _, HANDSHAKE, DTLS, ..] = packet {
            *handshakes.lock().unwrap().entry(packet.to_vec()).or_default() += 1;
        }
        if let Entry::Vacant(vacant) = servers.entry(client) {
            let server = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            server.connect(("127.0.0.1", relay)).await.unwrap();
            tokio::spawn(pass_back(server.clone(), clients.clone(), client));
            vacant.insert(server);
        }
        let _ = servers[&client].send(packet).await;
    }
}

async fn pass_back(server: Arc<UdpSocket>, clients: Arc<UdpSocket>, client: SocketAddr) {
    let mut packet = [0; 2048];
    while let Ok(length) = server.recv(&mut packet).await {
        let _ = clients.send_to(&packet[..length], client).await;
    }
}
