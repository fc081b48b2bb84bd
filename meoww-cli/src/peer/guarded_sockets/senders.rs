//! Packets that are sent later or again: checks in their turn, and those of the DTLS handshake until they
//! are answered.

use std::{future::poll_fn, net::SocketAddr, sync::Arc};

use tokio::{sync::mpsc, time::sleep};
use webrtc::runtime::{AsyncUdpSocket, Runtime, Transmit};

use super::super::{
    checks::{TA, payload},
    handshake::{self, Repeats},
    timer::until,
};
use crate::clock;

/// Checks that may wait for their turn, for a third of a second, and packets of the handshake; more
/// are lost.
const MAX_WAITING: usize = 64;

/// A packet that is sent later, or again.
#[derive(Debug, Clone)]
struct Datagram {
    socket: Arc<dyn AsyncUdpSocket>,
    destination: SocketAddr,
    contents: Vec<u8>,
}

impl Datagram {
    fn new(socket: &Arc<dyn AsyncUdpSocket>, destination: SocketAddr, packet: &[u8]) -> Self {
        Self { socket: socket.clone(), destination, contents: packet.to_vec() }
    }

    async fn send(&self) {
        let (destination, contents) = (self.destination, &self.contents[..]);
        let transmit =
            Transmit { destination, contents, ecn: None, segment_size: None, src_ip: None };
        // Lost where it cannot be sent, as on the network.
        let _ = poll_fn(|cx| self.socket.poll_send(cx, &transmit)).await;
    }
}

/// A packet of the DTLS handshake.
#[derive(Debug)]
enum Handshake {
    Sent(Datagram),
    Received(Vec<u8>),
}

/// To the tasks that send. They end with the connection.
#[derive(Debug, Clone)]
pub(super) struct Senders {
    paced: mpsc::Sender<Datagram>,
    handshake: mpsc::Sender<Handshake>,
}

impl Senders {
    pub(super) fn spawn(runtime: &dyn Runtime) -> Self {
        let (paced, checks) = mpsc::channel(MAX_WAITING);
        let (handshake, packets) = mpsc::channel(MAX_WAITING);
        runtime.spawn(Box::pin(pace(checks)));
        runtime.spawn(Box::pin(repeat(packets)));
        Self { paced, handshake }
    }

    /// Sends a packet in its turn.
    pub(super) fn send_paced(
        &self,
        socket: &Arc<dyn AsyncUdpSocket>,
        destination: SocketAddr,
        packet: &[u8],
    ) {
        let _ = self.paced.try_send(Datagram::new(socket, destination, packet));
    }

    /// Remembers packets of the handshake that were sent.
    pub(super) fn sent(&self, socket: &Arc<dyn AsyncUdpSocket>, transmit: &Transmit<'_>) {
        let size = transmit.segment_size.unwrap_or(usize::MAX).max(1);
        for packet in transmit.contents.chunks(size) {
            if handshake::is_handshake(payload(packet)) {
                let datagram = Datagram::new(socket, transmit.destination, packet);
                let _ = self.handshake.try_send(Handshake::Sent(datagram));
            }
        }
    }

    /// Looks for answers to them in what came.
    pub(super) fn received(&self, packet: &[u8]) {
        let payload = payload(packet);
        if handshake::is_dtls(payload) {
            let _ = self.handshake.try_send(Handshake::Received(payload.to_vec()));
        }
    }
}

/// Sends what comes, one each [`TA`].
async fn pace(mut checks: mpsc::Receiver<Datagram>) {
    while let Some(check) = checks.recv().await {
        check.send().await;
        sleep(TA).await;
    }
}

/// Sends again what is not answered.
async fn repeat(mut handshake: mpsc::Receiver<Handshake>) {
    let mut repeats = Repeats::default();
    loop {
        tokio::select! {
            next = handshake.recv() => match next {
                Some(Handshake::Sent(datagram)) => repeats.sent(clock::now(), datagram),
                Some(Handshake::Received(packet)) => repeats.received(&packet),
                None => return,
            },
            () = until(repeats.due()) => {
                for datagram in repeats.take_due(clock::now()) {
                    datagram.send().await;
                }
            }
        }
    }
}
