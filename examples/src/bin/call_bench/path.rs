//! The sockets of an emulated network: each stands for one peer, and carries what comes to it on to
//! that peer when the network says so.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use meoww_examples::network::{Network, Way};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{impair::spawn, report::NetReport};

/// Tells the two members of a room apart.
pub(crate) type ConnectionId = u64;

/// Packets under way in one direction; full is as good as lost.
const UNDER_WAY: usize = 4096;

/// Of one room.
pub(crate) struct Path {
    sockets: [UdpSocket; 2],
    peers: [OnceLock<(ConnectionId, SocketAddr)>; 2],
    network: Mutex<Network>,
    /// When the first packet was sent: the network's time begins.
    began: OnceLock<Instant>,
}

impl Path {
    pub(crate) async fn open(network: Network) -> std::io::Result<Arc<Self>> {
        let sockets = [any_socket().await?, any_socket().await?];
        let (peers, network) = (Default::default(), Mutex::new(network));
        Ok(Arc::new(Self { sockets, peers, network, began: OnceLock::new() }))
    }

    /// Lets packets pass from now on.
    pub(crate) fn start(self: &Arc<Self>) {
        spawn(forward(self.clone(), 1, Way::There));
        spawn(forward(self.clone(), 0, Way::Back));
    }

    /// The port that stands for a peer; `None` for a peer that has one, and for a third.
    pub(crate) fn stand_in(
        &self,
        connection: ConnectionId,
        real: SocketAddr,
    ) -> std::io::Result<Option<u16>> {
        if self.peers.iter().any(|peer| peer.get().is_some_and(|(id, _)| *id == connection)) {
            return Ok(None);
        }
        let side = (0..2).find(|&side| self.peers[side].set((connection, real)).is_ok());
        side.map(|side| Ok(self.sockets[side].local_addr()?.port())).transpose()
    }

    /// The record of each way.
    #[expect(clippy::disallowed_methods, reason = "a network has a clock")]
    pub(crate) fn report(&self) -> [NetReport; 2] {
        let lasted = self.began.get().map(|began| Instant::now() - *began).unwrap_or_default();
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        [Way::There, Way::Back].map(|way| NetReport::of(&network, way, lasted))
    }

    /// When the copies of a packet are to be handed over.
    fn carry(&self, way: Way, now: Instant, bytes: usize) -> impl Iterator<Item = Instant> {
        let began = *self.began.get_or_init(|| now);
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = network.carry(way, now.saturating_duration_since(began), bytes);
        arrivals.into_iter().flatten().map(move |arrival| began + arrival)
    }
}

async fn any_socket() -> std::io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await
}

/// Packets that arrive where `side` is expected go on to `side`, from where it expects its partner.
#[expect(clippy::disallowed_methods, reason = "a network has a clock")]
async fn forward(path: Arc<Path>, side: usize, way: Way) {
    let (under_way, arriving) = mpsc::channel(UNDER_WAY);
    spawn(deliver(path.clone(), side, arriving));
    let mut packet = vec![0; 2048];
    while let Ok((length, _)) = path.sockets[side].recv_from(&mut packet).await {
        for at in path.carry(way, Instant::now(), length) {
            let _ = under_way.try_send((at, packet[..length].to_vec()));
        }
    }
}

/// Hands packets over when they are due; ones that are due together in the order they came.
async fn deliver(path: Arc<Path>, side: usize, mut arriving: mpsc::Receiver<(Instant, Vec<u8>)>) {
    let mut waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut number = 0;
    loop {
        let next = waiting.peek().map(|Reverse((at, ..))| *at);
        tokio::select! {
            packet = arriving.recv() => {
                let Some((at, packet)) = packet else { return };
                waiting.push(Reverse((at, number, packet)));
                number += 1;
            }
            () = async { sleep_until(next.expect("guarded")).await }, if next.is_some() => {
                let Some(Reverse((_, _, packet))) = waiting.pop() else { continue };
                if let Some((_, peer)) = path.peers[side].get() {
                    let _ = path.sockets[1 - side].send_to(&packet, peer).await;
                }
            }
        }
    }
}
