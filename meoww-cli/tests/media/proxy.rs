//! A bad network: a UDP relay between two sides that loses, delays and narrows.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use meoww_cli::core::event::PeerEvent;
use serde_json::value::RawValue;
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::Side;

/// Longest queue before the narrow link.
const QUEUE: Duration = Duration::from_millis(400);

/// What happens to packets each way.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    /// 0 to 1.
    pub(crate) loss: f64,
    pub(crate) delay: Duration,
    /// Bits a second.
    pub(crate) rate: f64,
}

impl Network {
    pub(crate) const PERFECT: Self = Self { loss: 0.0, delay: Duration::ZERO, rate: f64::INFINITY };
}

/// Connects two sides over a bad network, and waits for the first picture on both.
pub(crate) async fn connect(a: &mut Side, b: &mut Side) -> watch::Sender<Network> {
    let (network, conditions) = watch::channel(Network::PERFECT);
    let (mut host_a, mut host_b) = (None, None);
    while host_a.is_none() || host_b.is_none() {
        tokio::select! {
            event = a.events.recv() => host_a = hold_back(event, b).or(host_a),
            event = b.events.recv() => host_b = hold_back(event, a).or(host_b),
        }
    }
    let ((json_a, address_a), (json_b, address_b)) = (host_a.unwrap(), host_b.unwrap());
    let for_a = Arc::new(UdpSocket::bind((address_a.ip(), 0)).await.unwrap());
    let for_b = Arc::new(UdpSocket::bind((address_b.ip(), 0)).await.unwrap());
    tokio::spawn(relay(for_a.clone(), for_b.clone(), address_a, conditions.clone()));
    tokio::spawn(relay(for_b.clone(), for_a.clone(), address_b, conditions));
    let stand_in = |json: &str, of: SocketAddr, socket: &UdpSocket| {
        let port = socket.local_addr().unwrap().port();
        let json = json.replace(&format!(" {} ", of.port()), &format!(" {port} "));
        RawValue::from_string(json).unwrap()
    };
    b.peer().remote_candidate(stand_in(&json_a, address_a, &for_a));
    a.peer().remote_candidate(stand_in(&json_b, address_b, &for_b));
    let (mut ready_a, mut ready_b) = (false, false);
    while !(ready_a && ready_b) {
        tokio::select! {
            event = a.events.recv() => ready_a |= matches!(event, Some(PeerEvent::FirstFrame)),
            event = b.events.recv() => ready_b |= matches!(event, Some(PeerEvent::FirstFrame)),
        }
    }
    network
}

/// Passes descriptions on, and keeps candidates: returns the first for IPv4.
fn hold_back(event: Option<PeerEvent>, other: &mut Side) -> Option<(String, SocketAddr)> {
    match event {
        Some(PeerEvent::LocalOffer(offer)) => other.peer().remote_offer(offer),
        Some(PeerEvent::LocalAnswer(answer)) => other.peer().remote_answer(answer),
        Some(PeerEvent::LocalCandidate(json)) => {
            let value: serde_json::Value = serde_json::from_str(json.get()).unwrap();
            let words: Vec<_> = value["candidate"].as_str().unwrap().split(' ').collect();
            let address = format!("{}:{}", words[4], words[5]).parse().ok();
            return address.filter(SocketAddr::is_ipv4).map(|address| (json.get().into(), address));
        }
        other => panic!("{other:?}"),
    }
    None
}

/// What comes to `socket` is sent to `target` from `from`.
async fn relay(
    socket: Arc<UdpSocket>,
    from: Arc<UdpSocket>,
    target: SocketAddr,
    conditions: watch::Receiver<Network>,
) {
    let (due, mut queue) = mpsc::channel::<(Instant, Vec<u8>)>(4096);
    tokio::spawn(async move {
        while let Some((at, packet)) = queue.recv().await {
            sleep_until(at).await;
            let _ = from.send_to(&packet, target).await;
        }
    });
    let mut buffer = vec![0; 2048];
    let mut free = Instant::now();
    while let Ok((length, _)) = socket.recv_from(&mut buffer).await {
        let (Network { loss, delay, rate }, now) = (*conditions.borrow(), Instant::now());
        free = free.max(now);
        if rand::random::<f64>() < loss || free - now > QUEUE {
            continue;
        }
        free += Duration::from_secs_f64(length as f64 * 8.0 / rate);
        if due.try_send((free + delay, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}
