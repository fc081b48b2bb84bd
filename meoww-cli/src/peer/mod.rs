//! The media connection to one partner: WebRTC, with a track of video and one of sound each way and a
//! data channel.
//!
//! A [`Peer`] is a handle on a session, which owns the connection, and on two threads, which scale
//! and encode pictures that are sent, and decode those that come.

mod allocate;
mod budget;
mod candidates;
mod capture_clock;
mod chain;
mod channel;
mod checks;
mod codecs;
mod connect;
pub(crate) mod control;
mod direct;
mod estimate;
mod flood;
mod guarded_sockets;
pub(crate) mod handshake;
mod live;
mod nack;
mod negotiation;
mod pace;
mod path;
mod recovery;
pub(crate) mod remote;
mod rtcp;
pub(crate) mod safety_words;
mod sdp;
mod session;
#[cfg(test)]
mod simulation;
mod sound_source;
mod stage;
mod stats;
pub(crate) mod stream_relays;
mod threads;
mod timer;
pub(crate) mod tracks;
mod transport;
mod twice;
mod webrtc_event;

use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use futures_util::FutureExt;
use meoww_proto::{RoomId, account::IceServer};
use serde_json::value::RawValue;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

pub use self::estimate::CongestionControl;
use self::{session::Session, stats::Meter};
use crate::{
    clock,
    core::event::{PeerEvent, Stats, Way},
    picture::{
        slot::{FrameSlot, RoomSlot},
        wanted::Wanted,
    },
    sound::room::RoomSound,
};

/// Descriptions and candidates that may wait for the session; more are dropped.
const ORDER_QUEUE: usize = 64;
/// Events that may wait for the owner; an owner that lets more pile up is taken for dead.
const EVENT_QUEUE: usize = 128;

/// How to connect.
pub struct PeerConfig {
    /// STUN and TURN servers.
    pub ice_servers: Vec<IceServer>,
    /// By which way media may go. With a relay alone, the partner does not learn one's address.
    pub way: Way,
    /// Whether this side makes the offer.
    pub is_initiator: bool,
    /// The room; the safety words depend on it.
    pub room_id: RoomId,
    /// Addresses of this machine. It is looked at anew when ICE restarts, and a change tells that the
    /// network is another one, or that the machine slept.
    pub addresses: watch::Receiver<Vec<IpAddr>>,
    /// Ours, but for measurements.
    pub congestion_control: CongestionControl,
}

/// Pictures and sound in and out.
pub struct PeerMedia {
    /// What is sent; `None` in it while the camera is off.
    pub local: FrameSlot,
    /// Where the partner's newest picture is put; `None` while there is none.
    pub remote: RoomSlot,
    /// What this side can show: the partner sends no more than that.
    pub wanted: watch::Receiver<Wanted>,
    /// Pictures drawn, counted by the screen.
    pub drawn: Arc<AtomicU64>,
    /// What is said and heard.
    pub sound: PeerSound,
}

/// Sound in and out.
pub struct PeerSound {
    /// Of the room; it ends with the connection, and is live from the first picture on.
    pub room: RoomSound,
    /// Whether there is anything to be heard of this side; the partner is told.
    pub on: watch::Receiver<bool>,
}

/// A connection to one partner. Closes when dropped, but then nobody waits for it.
pub struct Peer {
    orders: mpsc::Sender<Order>,
    session: JoinHandle<()>,
    meter: Meter,
}

/// What the partner said through the server.
enum Signal {
    Offer(Box<RawValue>),
    Answer(Box<RawValue>),
    Candidate(Box<RawValue>),
}

/// An order to a session.
enum Order {
    Signal(Signal),
    GoDirect,
}

impl From<Signal> for negotiation::Input {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Offer(json) => Self::Offer(json),
            Signal::Answer(json) => Self::Answer(json),
            Signal::Candidate(json) => Self::Candidate(json),
        }
    }
}

impl Peer {
    /// Opens sockets and starts to connect. Events end with [`PeerEvent::Bye`] or
    /// [`PeerEvent::Failed`], or without either once [`Peer::close`] was called.
    ///
    /// # Errors
    ///
    /// When an ICE server's URL is malformed, or no socket or thread can be had.
    pub async fn open(
        config: PeerConfig,
        media: PeerMedia,
    ) -> anyhow::Result<(Self, mpsc::Receiver<PeerEvent>)> {
        let (orders, ordered) = mpsc::channel(ORDER_QUEUE);
        let (events, received) = mpsc::channel(EVENT_QUEUE);
        let (drawn, figures) = (media.drawn.clone(), media.sound.room.figures.clone());
        let connection = connect::connect(&config).await?;
        let session = Session::start(connection, media, ordered, events, &config)?;
        let meter = Meter::new(session.tally(), drawn, figures, clock::now());
        let session = spawn(session);
        Ok((Self { orders, session, meter }, received))
    }

    /// The partner's offer (`RTCSessionDescriptionInit`).
    pub fn remote_offer(&self, offer: Box<RawValue>) {
        self.signal(Signal::Offer(offer));
    }

    /// The partner's answer (`RTCSessionDescriptionInit`).
    pub fn remote_answer(&self, answer: Box<RawValue>) {
        self.signal(Signal::Answer(answer));
    }

    /// One of the partner's candidates (`RTCIceCandidateInit`); may come before its description.
    pub fn remote_candidate(&self, candidate: Box<RawValue>) {
        self.signal(Signal::Candidate(candidate));
    }

    /// Asks the partner for a direct path, or agrees to one.
    pub fn go_direct(&self) {
        self.order(Order::GoDirect);
    }

    /// Rates since the last call, and counts since the call began.
    pub fn stats(&mut self, now: Instant) -> Stats {
        self.meter.stats(now)
    }

    /// Says goodbye, waits for it to go out (0.3 s at most), and closes. No task, thread or socket
    /// is left after it.
    pub async fn close(self) {
        drop(self.orders);
        // Fails only when the runtime is being shut down.
        let _ = self.session.await;
    }

    fn signal(&self, signal: Signal) {
        self.order(Order::Signal(signal));
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::debug!("an order for a connection that is over, or one too many");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the peer owns its one task, and waits for it")]
fn spawn(session: Session) -> JoinHandle<()> {
    let events = session.events.clone();
    tokio::spawn(async move {
        // What a stranger sends goes through much code of others; a panic in it ends this call only.
        if AssertUnwindSafe(session.run()).catch_unwind().await.is_err() {
            let _ = events.try_send(PeerEvent::Failed("the connection broke".to_owned()));
        }
    })
}
