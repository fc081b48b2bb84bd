//! The sockets of an emulated network: each stands for a socket of one peer, and carries what comes to it
//! on to that one when the network says so. ICE restarts with new sockets, which get new ones here.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use meoww_examples::network::{Network, Way};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    ears::wall_ms,
    impair::spawn,
    report::{NetReport, PathReport},
};

/// Tells the two members of a room apart.
pub(crate) type ConnectionId = u64;

/// Packets under way in one direction; full is as good as lost.
const UNDER_WAY: usize = 4096;
/// Sockets of both peers in one call.
const MAX_STAND_INS: usize = 64;

/// The socket of a peer, named in one generation of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) connection: ConnectionId,
    pub(crate) generation: String,
    pub(crate) address: SocketAddr,
}

/// A socket that stands for one of a peer.
struct StandIn {
    side: usize,
    of: Named,
    socket: Arc<UdpSocket>,
}

/// From which stand-in to which peer.
struct Packet {
    from: Arc<UdpSocket>,
    to: SocketAddr,
    contents: Vec<u8>,
}

/// Of one room.
pub(crate) struct Path {
    stand_ins: Mutex<Vec<StandIn>>,
    network: Mutex<Network>,
    /// To the task that hands packets over, each way.
    under_way: [mpsc::Sender<(Instant, Packet)>; 2],
    /// When the first packet was sent: the network's time begins.
    began: OnceLock<Instant>,
}

impl Path {
    /// Opens it; packets pass from now on.
    pub(crate) fn open(network: Network) -> Arc<Self> {
        let under_way = [Way::There, Way::Back].map(|_| {
            let (under_way, arriving) = mpsc::channel(UNDER_WAY);
            spawn(deliver(arriving));
            under_way
        });
        let (stand_ins, network) = (Mutex::default(), Mutex::new(network));
        Arc::new(Self { stand_ins, network, under_way, began: OnceLock::new() })
    }

    /// The port that stands for a peer's socket; `None` for a peer that has named another of this
    /// generation, and for a third.
    pub(crate) async fn stand_in(self: &Arc<Self>, of: Named) -> std::io::Result<Option<u16>> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?);
        let port = socket.local_addr()?.port();
        let mut stand_ins = self.stand_ins();
        let is_same = |other: &StandIn| {
            (other.of.connection, &other.of.generation) == (of.connection, &of.generation)
        };
        if let Some(same) = stand_ins.iter().find(|other| is_same(other)) {
            let told_again = (same.of == of).then(|| same.socket.local_addr());
            return Ok(told_again.transpose()?.map(|address| address.port()));
        }
        if stand_ins.len() >= MAX_STAND_INS {
            return Ok(None);
        }
        let known = stand_ins.iter().find(|other| other.of.connection == of.connection);
        let side = match (known, stand_ins.first()) {
            (Some(known), _) => known.side,
            (None, None) => 0,
            (None, Some(_)) if stand_ins.iter().all(|other| other.side == 0) => 1,
            (None, Some(_)) => return Ok(None),
        };
        stand_ins.push(StandIn { side, of: of.clone(), socket: socket.clone() });
        spawn(forward(self.clone(), side, of.address, socket));
        Ok(Some(port))
    }

    /// The record of each way.
    #[expect(clippy::disallowed_methods, reason = "a network has a clock")]
    pub(crate) fn report(&self) -> PathReport {
        let lasted = self.began.get().map(|began| Instant::now() - *began).unwrap_or_default();
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let ways = [Way::There, Way::Back].map(|way| NetReport::of(&network, way, lasted));
        let over = network.profile().outage().filter(|(_, until)| *until < lasted);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let outage_over_ms = over.map(|(_, until)| wall_ms() - ms(lasted - until));
        PathReport { ways, outage_over_ms }
    }

    fn stand_ins(&self) -> MutexGuard<'_, Vec<StandIn>> {
        self.stand_ins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The socket that stands for the sender of a packet to `side`.
    fn sender(&self, side: usize, source: SocketAddr) -> Option<Arc<UdpSocket>> {
        let stand_ins = self.stand_ins();
        let mut others = stand_ins.iter().rev().filter(|other| other.side != side);
        let newest = others.clone().next();
        let sender = others.find(|other| other.of.address.port() == source.port()).or(newest);
        sender.map(|sender| sender.socket.clone())
    }

    /// When the copies of a packet are to be handed over.
    fn carry(&self, way: Way, now: Instant, bytes: usize) -> impl Iterator<Item = Instant> {
        let began = *self.began.get_or_init(|| now);
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let arrivals = network.carry(way, now.saturating_duration_since(began), bytes);
        arrivals.into_iter().flatten().map(move |arrival| began + arrival)
    }
}

/// Packets that arrive where a socket of `side` is expected go on to it, from where it expects its
/// partner.
#[expect(clippy::disallowed_methods, reason = "a network has a clock")]
async fn forward(path: Arc<Path>, side: usize, to: SocketAddr, socket: Arc<UdpSocket>) {
    let way = [Way::Back, Way::There][side];
    let mut packet = vec![0; 2048];
    while let Ok((length, source)) = socket.recv_from(&mut packet).await {
        let Some(from) = path.sender(side, source) else { continue };
        for at in path.carry(way, Instant::now(), length) {
            let (from, contents) = (from.clone(), packet[..length].to_vec());
            let _ = path.under_way[side].try_send((at, Packet { from, to, contents }));
        }
    }
}

/// Hands packets over when they are due.
async fn deliver(mut arriving: mpsc::Receiver<(Instant, Packet)>) {
    // Ones that are due together, in the order they came.
    let mut waiting: BTreeMap<(Instant, u64), Packet> = BTreeMap::new();
    let mut number = 0;
    loop {
        let next = waiting.first_key_value().map(|((at, _), _)| *at);
        tokio::select! {
            packet = arriving.recv() => {
                let Some((at, packet)) = packet else { return };
                waiting.insert((at, number), packet);
                number += 1;
            }
            () = async { sleep_until(next.expect("guarded")).await }, if next.is_some() => {
                let Some((_, packet)) = waiting.pop_first() else { continue };
                let _ = packet.from.send_to(&packet.contents, packet.to).await;
            }
        }
    }
}
