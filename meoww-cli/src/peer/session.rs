//! The one owner of a connection: what is to be done about every event.

use std::{net::IpAddr, ops::ControlFlow, sync::Arc, time::Duration};

use meoww_proto::RoomId;
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use webrtc::data_channel::DataChannelEvent;

use super::{
    Order, PeerConfig, PeerMedia,
    channel::ControlChannel,
    connect::Connection,
    direct::Direct,
    negotiation::{Agreed, Input as Negotiable},
    recovery::{self, Recovery},
    safety_words::{Role, SafetyWords},
    sdp::TheirVideo,
    stats::Tally,
    timer::{Timer, until},
    tracks::{Tracks, TracksEvent},
    transport::{Outcome, Transport},
    webrtc_event::WebRtcEvent,
};
use crate::core::event::{NoPicture, PeerEvent};

/// From the start to media; a partner behind a bad relay needs a few seconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// How long goodbye may take.
const BYE_WITHIN: Duration = Duration::from_millis(300);
/// Between two looks at the round trip time.
const ROUTE_INTERVAL: Duration = Duration::from_secs(1);

/// Why a session is over.
pub(super) enum End {
    /// The owner left.
    Left,
    /// The partner said goodbye.
    Bye,
    Failed(String),
}

/// What a session waits for.
enum Input {
    Order(Option<Order>),
    WebRtcEvent(Option<WebRtcEvent>),
    Channel(Option<DataChannelEvent>),
    Tracks(TracksEvent),
    Route,
    PictureDue,
    WordsDue,
    Deadline,
    NetworkChanged,
    RecoveryDue,
    Flood,
}

pub(super) struct Session {
    pub(super) transport: Transport,
    pub(super) channel: ControlChannel,
    pub(super) tracks: Tracks,
    pub(super) tally: Arc<Tally>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    orders: mpsc::Receiver<Order>,
    webrtc_events: mpsc::Receiver<WebRtcEvent>,
    pub(super) agreed: Option<Agreed>,
    pub(super) connected: bool,
    /// Whether the partner was told that our camera is on.
    pub(super) camera_told: bool,
    /// Whether the partner's sound is on, as it says.
    pub(super) partner_sound: bool,
    pub(super) room_id: RoomId,
    pub(super) role: Role,
    pub(super) words: Option<SafetyWords>,
    pub(super) words_due: Timer,
    route: Interval,
    pub(super) picture_due: Timer,
    pub(super) deadline: Timer,
    pub(super) recovery: Recovery,
    pub(super) addresses: watch::Receiver<Vec<IpAddr>>,
    pub(super) direct: Direct,
    /// Whether the owner was last told that media is relayed.
    pub(super) told_relayed: bool,
    flood: watch::Receiver<bool>,
    /// For the chain.
    pub(super) round_trip: watch::Sender<Duration>,
}

impl Session {
    pub(super) fn start(
        connection: Connection,
        media: PeerMedia,
        orders: mpsc::Receiver<Order>,
        events: mpsc::Sender<PeerEvent>,
        config: &PeerConfig,
    ) -> anyhow::Result<Self> {
        let Connection { transport, webrtc_events, video, sound, .. } = connection;
        let Connection { estimate, flood, round_trip, twice, .. } = connection;
        let tally = Arc::new(Tally::default());
        let tracks = Tracks::start(media, video, sound, (estimate, twice), tally.clone())?;
        let mut route = interval(ROUTE_INTERVAL);
        route.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            transport,
            channel: ControlChannel::default(),
            tracks,
            tally,
            events,
            orders,
            webrtc_events,
            agreed: None,
            connected: false,
            camera_told: true,
            partner_sound: true,
            room_id: config.room_id,
            role: if config.is_initiator { Role::Initiator } else { Role::Responder },
            words: None,
            words_due: Timer::default(),
            route,
            picture_due: Timer::default(),
            deadline: Timer::after(CONNECT_WITHIN),
            recovery: Recovery::new(config.is_initiator),
            addresses: config.addresses.clone(),
            direct: Direct::new(config.way),
            told_relayed: false,
            flood,
            round_trip,
        })
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    pub(super) async fn run(mut self) {
        let mut flow = self.negotiate(Negotiable::Start).await;
        while flow.is_continue() {
            let input = self.next().await;
            flow = self.handle(input).await;
        }
        if let ControlFlow::Break(end) = flow {
            self.end(end).await;
        }
    }

    async fn next(&mut self) -> Input {
        let told = self.channel.is_open().then_some(self.camera_told);
        let recovery_due = self.recovery.due();
        tokio::select! {
            order = self.orders.recv() => Input::Order(order),
            event = self.webrtc_events.recv() => Input::WebRtcEvent(event),
            event = self.channel.next() => Input::Channel(event),
            event = self.tracks.next(told) => Input::Tracks(event),
            _ = self.route.tick(), if self.connected => Input::Route,
            () = self.picture_due.expire() => Input::PictureDue,
            () = self.words_due.expire() => Input::WordsDue,
            () = self.deadline.expire() => Input::Deadline,
            Ok(()) = self.addresses.changed(), if self.connected => Input::NetworkChanged,
            () = until(recovery_due) => Input::RecoveryDue,
            Ok(_) = self.flood.wait_for(|is_flooded| *is_flooded) => Input::Flood,
        }
    }

    async fn handle(&mut self, input: Input) -> ControlFlow<End> {
        match input {
            Input::Order(None) => ControlFlow::Break(End::Left),
            Input::Order(Some(Order::Signal(signal))) => self.negotiate(signal.into()).await,
            Input::Order(Some(Order::GoDirect)) => {
                let effects = self.direct.asked();
                self.go_direct(effects).await
            }
            Input::WebRtcEvent(None) => fail("too much happens on the connection at once"),
            Input::WebRtcEvent(Some(WebRtcEvent::Candidate(candidate))) => {
                self.negotiate(Negotiable::LocalCandidate(candidate)).await
            }
            Input::WebRtcEvent(Some(WebRtcEvent::State(state))) => self.state(state).await,
            Input::WebRtcEvent(Some(WebRtcEvent::Track(track))) => {
                match self.tracks.receive(track).await {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => fail("there is no thread left for the decoder"),
                }
            }
            Input::WebRtcEvent(Some(WebRtcEvent::Channel(channel))) => {
                match self.channel.opened_by_partner(channel).await {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => fail("the partner opens one data channel after the other"),
                }
            }
            Input::Channel(event) => self.channel_event(event).await,
            Input::Tracks(event) => self.tracks_event(event).await,
            Input::Route => {
                self.look_at_route().await?;
                self.negotiate(Negotiable::Late).await
            }
            Input::PictureDue => self.no_picture_yet(),
            Input::WordsDue => self.no_words_yet(),
            Input::Deadline => fail("no connection could be made"),
            Input::NetworkChanged => self.network_changed().await,
            Input::Flood => fail("the partner sends more than any call needs"),
            Input::RecoveryDue => self.recover(recovery::Input::Due).await,
        }
    }

    /// Lets the negotiation decide, and tells what comes of it.
    pub(super) async fn negotiate(&mut self, input: Negotiable) -> ControlFlow<End> {
        let outcomes = match self.transport.negotiate(input).await {
            Ok(outcomes) => outcomes,
            Err(why) => return ControlFlow::Break(End::Failed(why)),
        };
        for outcome in outcomes {
            match outcome {
                Outcome::Channel(channel) => self.channel.own(channel),
                Outcome::Agreed(agreed) => self.agree(agreed).await?,
                Outcome::Restarted => Box::pin(self.recover(recovery::Input::Restarted)).await?,
                Outcome::Tell(event) => self.emit(event)?,
            }
        }
        ControlFlow::Continue(())
    }

    /// The first exchange says what comes of pictures and sound; a later one may change it.
    async fn agree(&mut self, agreed: Agreed) -> ControlFlow<End> {
        self.agreed = Some(agreed);
        if self.connected {
            self.send_media().await;
        }
        if !agreed.their_sound {
            self.emit(PeerEvent::NoSound)?;
        }
        match agreed.their_video {
            TheirVideo::Offered => ControlFlow::Continue(()),
            TheirVideo::NoCommonCodec => self.emit(PeerEvent::NoPicture(NoPicture::NoCommonCodec)),
            TheirVideo::NotSent => self.emit(PeerEvent::NoPicture(NoPicture::NotSent)),
        }
    }

    /// Tells the owner. One that does not take its events is gone.
    pub(super) fn emit(&self, event: PeerEvent) -> ControlFlow<End> {
        match self.events.try_send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Left),
        }
    }

    async fn end(mut self, end: End) {
        match end {
            End::Left => {
                let _ = timeout(BYE_WITHIN, self.channel.say_bye()).await;
            }
            End::Bye => drop(self.events.try_send(PeerEvent::Bye)),
            End::Failed(why) => drop(self.events.try_send(PeerEvent::Failed(why))),
        }
        let threads = self.tracks.stop();
        self.transport.close().await;
        threads.join().await;
    }
}

/// Ends the session; `why` is for people.
pub(super) fn fail(why: &str) -> ControlFlow<End> {
    ControlFlow::Break(End::Failed(why.to_owned()))
}
