//! Carries out what the call machine decides: the one owner of the link, the camera and the media
//! connection.

mod camera;
mod ice;
mod media;
mod network;
mod sound;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use meoww_paint::Frame;
use meoww_proto::{
    RoomId,
    account::IceServer,
    signal::{Matched, Search},
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};

use self::{
    media::{Connector, Media},
    network::Network,
};
use crate::{
    api::Api,
    clock,
    core::{
        call::{Call, Effect, Input},
        event::{CallEvent, Command, PeerEvent, Way},
    },
    error::Error,
    interfaces,
    link::{Link, LinkEvent, Order, Stake},
    peer::{CongestionControl, PeerConfig, PeerMedia, PeerSound},
    picture::{
        slot::{FrameSlot, RoomSlot},
        source::Camera,
        wanted::Wanted,
    },
    sound::{SoundConfig, SoundEvent},
};

pub use self::sound::SoundSwitch;

const QUEUE: usize = 64;
/// Time for partner, camera and threads to be released; the server has its own, at the same time.
const RELEASE: Duration = Duration::from_millis(1500);

/// What a call needs to know beforehand.
pub struct Options {
    /// The server, with a session.
    pub api: Arc<Api>,
    /// What the other side sees.
    pub camera: Camera,
    /// What it hears, and where it is heard.
    pub sound: SoundConfig,
    /// By which way media may go; without it, through the server's relay first, if it has one.
    pub way: Option<Way>,
    /// Whom to meet.
    pub terms: Search,
    /// Ours, but for measurements.
    pub congestion_control: CongestionControl,
}

/// A running client, from the side of the screen or the script.
pub struct ClientHandle {
    /// What the user wants.
    pub commands: mpsc::Sender<Command>,
    /// What the user is told; ends when the client has.
    pub events: mpsc::Receiver<CallEvent>,
    /// The partner's newest picture.
    pub remote: FrameSlot,
    /// One's own newest picture.
    pub local: FrameSlot,
    /// Whether the camera is on; off releases it.
    pub camera_on: watch::Sender<bool>,
    /// Sound, as the user turns it.
    pub sound: SoundSwitch,
    /// What the screen can show of the partner.
    pub wanted: watch::Sender<Wanted>,
    /// Pictures drawn, counted by whoever draws them.
    pub drawn: Arc<AtomicU64>,
    /// What goes on behind all this.
    pub running: Running,
}

/// The client at work.
pub struct Running(JoinHandle<Result<(), Error>>);

impl ClientHandle {
    /// Opens the link, then camera and sound. Nothing is searched yet.
    ///
    /// # Errors
    /// The camera or a file of sound cannot be used, the server cannot be reached, or there is no session.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Options { api, camera, sound, way, terms, congestion_control } = options;
        let (commands, commanded) = mpsc::channel(QUEUE);
        let (told, events) = mpsc::channel(QUEUE);
        let (camera_on, camera_wanted) = watch::channel(true);
        let (stake, link_stake) = watch::channel(Stake::default());
        let link = Link::open(api.clone(), link_stake).await?;
        let (ice, notice) = ice::Servers::fetch(api, way).await?;
        // Last: a camera does not light up for a user who turns out not to be logged in.
        let opened = tokio::try_join!(
            SoundSwitch::open(sound),
            camera::Switch::open(camera, camera_wanted, told.clone()),
        );
        let ((sound, sound_events), camera) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                link.close().await;
                return Err(error);
            }
        };
        if let Some(notice) = notice {
            let _ = told.try_send(CallEvent::Notice(notice));
        }
        let (shown, remote) = watch::channel(None);
        let (wanted, wanted_out) = watch::channel(Wanted::ALL);
        let (local, drawn) = (camera.slot(), Arc::new(AtomicU64::new(0)));
        let pictures =
            Pictures { local: local.clone(), shown, wanted: wanted_out, drawn: drawn.clone() };
        let driver = Driver {
            call: Call::new(terms),
            link,
            network: Network::new(interfaces::addresses()),
            stake,
            ice,
            connector: Connector::WebRtc,
            way,
            congestion_control,
            pictures,
            camera,
            sound: sound.clone(),
            sound_events,
            told,
            open: None,
            closing: JoinSet::new(),
        };
        #[expect(clippy::disallowed_methods, reason = "the client owns its driver")]
        let running = Running(tokio::spawn(driver.run(commanded)));
        Ok(Self { commands, events, remote, local, camera_on, sound, wanted, drawn, running })
    }

    /// Ends the client, if it has not ended yet, and waits until everything is released.
    ///
    /// # Errors
    /// What ended it, unless that was the user.
    pub async fn finish(self) -> Result<(), Error> {
        let Self { running, commands, events, .. } = self;
        drop((commands, events));
        running.finish().await
    }
}

impl Running {
    /// Waits until everything is released. The client ends once nobody can command it any more.
    ///
    /// # Errors
    /// What ended it, unless that was the user.
    pub async fn finish(self) -> Result<(), Error> {
        self.0.await.map_err(|error| Error::Other(format!("The client broke: {error}")))?
    }
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

/// The media connection of a room.
struct Open {
    room_id: RoomId,
    media: Media,
    slot: RoomSlot,
    events: mpsc::Receiver<PeerEvent>,
}

/// Pictures in and out, of one room after the other.
struct Pictures {
    local: FrameSlot,
    shown: watch::Sender<Option<Arc<Frame>>>,
    wanted: watch::Receiver<Wanted>,
    drawn: Arc<AtomicU64>,
}

impl Pictures {
    fn of_room(&self, sound: PeerSound) -> PeerMedia {
        PeerMedia {
            local: self.local.clone(),
            remote: RoomSlot::open(self.shown.clone()),
            wanted: self.wanted.clone(),
            drawn: self.drawn.clone(),
            sound,
        }
    }
}

struct Driver {
    call: Call,
    link: Link,
    network: Network,
    stake: watch::Sender<Stake>,
    ice: ice::Servers,
    connector: Connector,
    way: Option<Way>,
    congestion_control: CongestionControl,
    pictures: Pictures,
    camera: camera::Switch,
    sound: SoundSwitch,
    sound_events: mpsc::Receiver<SoundEvent>,
    told: mpsc::Sender<CallEvent>,
    open: Option<Open>,
    closing: JoinSet<()>,
}

impl Driver {
    async fn run(mut self, mut wanted: mpsc::Receiver<Command>) -> Result<(), Error> {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(network::LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut result = Ok(());
        loop {
            let next = tokio::select! {
                command = wanted.recv() => {
                    self.handle(Input::Command(command.unwrap_or(Command::Quit))).await
                }
                event = self.link.events.recv() => match event {
                    Some(LinkEvent::Message(message)) => self.handle(Input::Server(message)).await,
                    Some(LinkEvent::Down { retry_in }) => self.handle(Input::LinkDown(retry_in)).await,
                    Some(LinkEvent::Lost(error)) => {
                        result = Err(error);
                        self.handle(Input::Command(Command::Quit)).await
                    }
                    None => self.handle(Input::Command(Command::Quit)).await,
                },
                (room_id, event) = peer_event(&mut self.open) => {
                    self.handle(Input::Peer(room_id, event)).await
                }
                Some(event) = self.sound_events.recv() => self.tell_sound(event),
                _ = second.tick() => self.tell_stats(),
                _ = look.tick() => self.look_at_network().await,
                Some(_) = self.closing.join_next() => Next::Go,
            };
            if next == Next::Stop {
                break;
            }
        }
        self.finish().await;
        result
    }

    async fn handle(&mut self, input: Input) -> Next {
        let effects = self.call.handle(input);
        let stake = Stake { room: self.call.resume(), is_urgent: self.call.is_at_stake() };
        self.stake.send_if_modified(|known| std::mem::replace(known, stake) != stake);
        for effect in effects {
            match effect {
                // A link that just broke loses it; the machine says anew what matters then.
                Effect::Send(message) => _ = self.link.orders.send(Order::Say(message)).await,
                Effect::Reconnect => _ = self.link.orders.send(Order::Reconnect).await,
                Effect::OpenPeer(matched) => self.open_peer(matched).await,
                Effect::Apply(payload) => {
                    if let Some(open) = &self.open {
                        open.media.apply(payload);
                    }
                }
                Effect::ClosePeer => self.close_peer(),
                Effect::GoDirect => {
                    if let Some(open) = &self.open {
                        open.media.go_direct();
                    }
                }
                Effect::Mute(muted) => self.sound.set_muted(muted),
                Effect::Tell(event) => _ = self.told.send(event).await,
                Effect::Quit => return Next::Stop,
            }
        }
        Next::Go
    }

    async fn open_peer(&mut self, matched: Matched) {
        let Matched { room_id, is_initiator } = matched;
        let ice_servers: Vec<IceServer> = self.ice.list().await;
        let way = self.way.unwrap_or(match ice::have_relay(&ice_servers) {
            true => Way::RelayFirst,
            false => Way::Direct,
        });
        let config = PeerConfig {
            ice_servers,
            way,
            is_initiator,
            room_id,
            addresses: self.network.addresses(),
            congestion_control: self.congestion_control,
        };
        let pictures = self.pictures.of_room(self.sound.room());
        let slot = pictures.remote.clone();
        match self.connector.open(config, pictures).await {
            Ok((media, events)) => self.open = Some(Open { room_id, media, slot, events }),
            Err(error) => {
                let failed = PeerEvent::Failed(format!("{error:#}"));
                Box::pin(self.handle(Input::Peer(room_id, failed))).await;
            }
        }
    }

    /// Goodbyes take a moment, in which the next partner may already be found.
    fn close_peer(&mut self) {
        if let Some(Open { media, slot, .. }) = self.open.take() {
            slot.close();
            self.closing.spawn(media.close());
        }
    }

    fn tell_sound(&self, event: SoundEvent) -> Next {
        let _ = self.told.try_send(match event {
            SoundEvent::Notice(text) => CallEvent::Notice(text),
            SoundEvent::MutedButTalking => CallEvent::MutedButTalking,
        });
        Next::Go
    }

    #[expect(clippy::disallowed_methods, reason = "the driver keeps the time")]
    fn tell_stats(&mut self) -> Next {
        if let Some(Open { media, .. }) = &mut self.open {
            // Whoever is too slow to read this second's reads the next.
            let mut stats = media.stats(std::time::Instant::now());
            stats.sound.input_dbfs = self.sound.input_level().unwrap_or(-100);
            stats.sound.output_dbfs = self.sound.output_level();
            let _ = self.told.try_send(CallEvent::Stats(stats));
        }
        Next::Go
    }

    /// The media connection hears of a change by itself.
    async fn look_at_network(&mut self) -> Next {
        if self.network.look(clock::now(), clock::date(), interfaces::addresses()) {
            let _ = self.link.orders.send(Order::NetworkChanged).await;
        }
        Next::Go
    }

    /// Says all goodbyes at once: one that is not taken delays no other.
    async fn finish(mut self) {
        self.close_peer();
        let Self { link, mut closing, camera, .. } = self;
        let released = async {
            tokio::join!(async { while closing.join_next().await.is_some() {} }, camera.close())
        };
        let (_, released) = tokio::join!(link.close(), timeout(RELEASE, released));
        if released.is_err() {
            tracing::warn!("a connection or the camera is not released; it is left behind");
        }
    }
}

async fn peer_event(open: &mut Option<Open>) -> (RoomId, PeerEvent) {
    let Some(Open { room_id, events, .. }) = open else { return std::future::pending().await };
    let gone = || PeerEvent::Failed("the media connection ended".into());
    (*room_id, events.recv().await.unwrap_or_else(gone))
}

#[cfg(test)]
mod tests;
