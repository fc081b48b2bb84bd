//! One side of a call with a test pattern for a camera.
#![allow(dead_code, reason = "each test file uses its part of it")]

pub(crate) mod coturn;
pub(crate) mod proxy;
pub(crate) mod stranger;
pub(crate) mod tap;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use meoww_cli::{
    core::event::{PeerEvent, Safety, Way},
    interfaces,
    peer::{Peer, PeerConfig, PeerMedia, PeerSound},
    picture::{
        slot::{FrameSlot, RoomSlot},
        source::pattern::{self, Stamp},
        wanted::Wanted,
    },
    sound::room::{self, OpusFrame, Playing, Received},
};
use meoww_paint::Frame;
use meoww_proto::RoomId;
use tokio::sync::{mpsc, watch};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// Samples in a frame of 20 ms.
pub(crate) const FRAME: u32 = 960;

/// The one that all of them are in.
pub(crate) fn room() -> RoomId {
    "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().unwrap()
}

/// Those of this machine, which do not change.
pub(crate) fn own_addresses() -> watch::Receiver<Vec<IpAddr>> {
    watch::channel(interfaces::addresses()).1
}

pub(crate) struct Side {
    peer: Option<Peer>,
    /// What is said, and what is heard.
    pub(crate) voice: mpsc::Sender<OpusFrame>,
    pub(crate) heard: mpsc::Receiver<Received>,
    pub(crate) sound_on: watch::Sender<bool>,
    pub(crate) live: watch::Receiver<bool>,
    pub(crate) playing: watch::Sender<Option<Playing>>,
    pub(crate) bitrate: watch::Receiver<u32>,
    pub(crate) loss_percent: watch::Receiver<u8>,
    pub(crate) events: mpsc::Receiver<PeerEvent>,
    pub(crate) wanted: watch::Sender<Wanted>,
    local: FrameSlot,
    pub(crate) remote: FrameSlot,
    camera_on: Arc<AtomicBool>,
    /// All that was said to the other side through the server.
    said: Mutex<String>,
    safety: Mutex<Option<Safety>>,
    _camera: tokio::task::JoinHandle<()>,
}

impl Side {
    pub(crate) async fn open(is_initiator: bool) -> Self {
        let config = PeerConfig {
            ice_servers: Vec::new(),
            way: Way::Direct,
            is_initiator,
            room_id: room(),
            addresses: own_addresses(),
            congestion_control: Default::default(),
        };
        Self::open_with(config).await
    }

    pub(crate) async fn open_with(config: PeerConfig) -> Self {
        let (remote, shown) = watch::channel(None);
        Self::open_in(RoomSlot::open(remote), shown, config, 0).await
    }

    /// Shows pictures in a room's slot, and films the pattern of a number.
    pub(crate) async fn open_in(
        remote: RoomSlot,
        shown: FrameSlot,
        config: PeerConfig,
        variant: u8,
    ) -> Self {
        let (local_sender, local) = watch::channel(None);
        let (wanted, wanted_out) = watch::channel(Wanted::ALL);
        let camera_on = Arc::new(AtomicBool::new(true));
        let camera = tokio::spawn(film(local_sender, camera_on.clone(), variant));
        let drawn = Arc::new(AtomicU64::new(0));
        let (sound, end) = room::pair();
        let (sound_on, switched) = watch::channel(true);
        let media = PeerMedia {
            local: local.clone(),
            remote,
            wanted: wanted_out,
            drawn,
            sound: PeerSound { room: sound, on: switched },
        };
        let (peer, events) = Peer::open(config, media).await.unwrap();
        let said = Mutex::new(String::new());
        let safety = Mutex::new(None);
        let peer = Some(peer);
        Self {
            peer,
            voice: end.outgoing,
            heard: end.incoming,
            sound_on,
            live: end.is_live,
            playing: end.playing,
            bitrate: end.bitrate,
            loss_percent: end.loss_percent,
            events,
            wanted,
            local,
            remote: shown,
            camera_on,
            said,
            safety,
            _camera: camera,
        }
    }

    pub(crate) fn peer(&mut self) -> &mut Peer {
        self.peer.as_mut().unwrap()
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) async fn close(&mut self) {
        self.peer.take().unwrap().close().await;
    }
}

impl Side {
    /// Hands a signal to the other side; says whether the connection failed.
    pub(crate) fn pass(&self, event: Option<PeerEvent>, other: &Self) -> bool {
        let other = other.peer.as_ref().unwrap();
        if let Some(
            PeerEvent::LocalOffer(json)
            | PeerEvent::LocalAnswer(json)
            | PeerEvent::LocalCandidate(json),
        ) = &event
        {
            self.said.lock().unwrap().push_str(json.get());
        }
        match event {
            Some(PeerEvent::LocalOffer(offer)) => other.remote_offer(offer),
            Some(PeerEvent::LocalAnswer(answer)) => other.remote_answer(answer),
            Some(PeerEvent::LocalCandidate(candidate)) => other.remote_candidate(candidate),
            Some(PeerEvent::Failed(_)) => return true,
            Some(PeerEvent::Safety(safety)) => *self.safety.lock().unwrap() = Some(safety),
            Some(
                PeerEvent::Connected { .. }
                | PeerEvent::Reconnecting(_)
                | PeerEvent::Reconnected { .. }
                | PeerEvent::Route { .. }
                | PeerEvent::GoDirect(_)
                | PeerEvent::FirstFrame
                | PeerEvent::Camera { .. }
                | PeerEvent::NoPicture(_)
                | PeerEvent::NoSound
                | PeerEvent::Sound { .. }
                | PeerEvent::Bye,
            )
            | None => {}
        }
        false
    }

    /// Waits for an event, past others.
    pub(crate) async fn event(&mut self, wanted: impl Fn(&PeerEvent) -> bool) -> PeerEvent {
        let find = async {
            loop {
                let event = self.events.recv().await.expect("the events end");
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(LONG, find).await.expect("the event never comes")
    }

    /// Waits for the outcome of the safety check.
    pub(crate) async fn safety(&mut self) -> Safety {
        let known = *self.safety.lock().unwrap();
        if let Some(safety) = known {
            return safety;
        }
        match self.event(|event| matches!(event, PeerEvent::Safety(_))).await {
            PeerEvent::Safety(safety) => safety,
            _ => unreachable!("it was waited for"),
        }
    }

    /// Waits for a picture.
    pub(crate) async fn picture(&mut self, wanted: impl Fn(&Frame) -> bool) -> Arc<Frame> {
        let wanted = |slot: &Option<Arc<Frame>>| slot.as_deref().is_some_and(&wanted);
        let found = tokio::time::timeout(LONG, self.remote.wait_for(wanted)).await;
        found.expect("no such picture comes").unwrap().clone().unwrap()
    }

    /// Waits for a picture that was not seen yet.
    pub(crate) async fn next_stamp(&mut self) -> Stamp {
        self.remote.mark_unchanged();
        loop {
            let changed = tokio::time::timeout(LONG, self.remote.changed()).await;
            changed.expect("no picture comes").unwrap();
            let picture = self.remote.borrow_and_update().clone();
            if let Some(stamp) = picture.and_then(|picture| pattern::read(&picture)) {
                return stamp;
            }
        }
    }

    /// Waits for a stamp.
    pub(crate) async fn stamp(&mut self, wanted: impl Fn(&Stamp) -> bool) -> Stamp {
        loop {
            let stamp = self.next_stamp().await;
            if wanted(&stamp) {
                return stamp;
            }
        }
    }

    /// Waits until this side's camera has taken that many pictures.
    pub(crate) async fn stamp_sent(&mut self, counter: u32) {
        let taken = |picture: &Option<Arc<Frame>>| {
            let stamp = picture.as_deref().and_then(pattern::read);
            stamp.is_some_and(|stamp| stamp.counter >= counter)
        };
        self.local.wait_for(taken).await.unwrap();
    }

    /// The number of the newest picture of this side's camera.
    pub(crate) fn filmed(&self) -> u32 {
        let newest = self.local.borrow().clone();
        newest.and_then(|picture| pattern::read(&picture)).map_or(0, |stamp| stamp.counter)
    }

    /// Looks for what comes from now on.
    pub(crate) fn forget(&mut self) {
        while self.heard.try_recv().is_ok() {}
        self.remote.mark_unchanged();
    }

    pub(crate) async fn no_picture(&mut self) {
        let gone = tokio::time::timeout(LONG, self.remote.wait_for(Option::is_none)).await;
        gone.expect("the picture stays").unwrap();
    }

    pub(crate) fn switch_camera(&self, on: bool) {
        self.camera_on.store(on, Ordering::Relaxed);
    }
}

/// 320x240 at 30 pictures a second, until nobody looks.
async fn film(slot: watch::Sender<Option<Arc<Frame>>>, on: Arc<AtomicBool>, variant: u8) {
    let mut due = tokio::time::interval(Duration::from_micros(33_333));
    for counter in 0.. {
        due.tick().await;
        let picture = on.load(Ordering::Relaxed).then(|| {
            let stamp = Stamp { counter, sent: counter * 333 };
            Arc::new(grainy(pattern::draw(320, 240, variant, stamp), counter))
        });
        if slot.send(picture).is_err() {
            return;
        }
    }
}

/// With the noise of a real camera, below the stamp: it is what makes video large.
fn grainy(mut picture: Frame, seed: u32) -> Frame {
    let (width, height) = (picture.width(), picture.height());
    let [luma, _, _] = picture.planes_mut();
    let mut dice = seed;
    for pixel in &mut luma[width * height * 2 / 5..] {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *pixel = pixel.saturating_add((dice >> 28) as u8);
    }
    picture
}

/// The `n`th frame of a talk without a pause; the packets are not looked into.
pub(crate) fn frame(n: u32) -> OpusFrame {
    let payload = Bytes::from(format!("frame {n}"));
    OpusFrame { captured: Instant::now(), timestamp: n * FRAME, starts_talk: n == 0, payload }
}

/// Talks until the room is over.
pub(crate) async fn talk(voice: mpsc::Sender<OpusFrame>) {
    talk_of(voice, Duration::ZERO).await;
}

/// Talks with a microphone that gives each frame so long after its first sample was recorded.
pub(crate) async fn talk_of(voice: mpsc::Sender<OpusFrame>, held_back: Duration) {
    let mut due = tokio::time::interval(Duration::from_millis(20));
    for n in 0.. {
        due.tick().await;
        let captured = Instant::now() - held_back;
        if voice.send(OpusFrame { captured, ..frame(n) }).await.is_err() {
            return;
        }
    }
}

/// Two sides; the first makes the offer.
pub(crate) async fn pair() -> (Side, Side) {
    (Side::open(true).await, Side::open(false).await)
}

/// Hands signals across until both are connected and have a picture.
pub(crate) async fn connect(a: &mut Side, b: &mut Side) {
    let (mut ready_a, mut ready_b) = (false, false);
    let connected = async {
        while !(ready_a && ready_b) {
            tokio::select! {
                event = a.events.recv() => {
                    ready_a |= matches!(event, Some(PeerEvent::FirstFrame));
                    assert!(!a.pass(event, b), "the first side failed");
                }
                event = b.events.recv() => {
                    ready_b |= matches!(event, Some(PeerEvent::FirstFrame));
                    assert!(!b.pass(event, a), "the second side failed");
                }
            }
        }
    };
    tokio::time::timeout(LONG, connected).await.expect("no connection");
}
