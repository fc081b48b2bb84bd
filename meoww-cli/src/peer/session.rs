//! The one owner of a connection: what is to be done about every event.

use std::{ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};

use anyhow::Context;
use meoww_paint::Grid;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep, timeout},
};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    peer_connection::PeerConnection,
    rtp_transceiver::RtpSender,
};

use super::{
    PeerMedia, Signal,
    connect::Connection,
    control::Control,
    negotiation::json,
    stats::Tally,
    threads::Threads,
    tracks::send::{Orders, Sender},
    webrtc_event::WebRtcEvent,
};
use crate::core::event::PeerEvent;

/// From the start to media; a partner behind a bad relay needs a few seconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// How long a connection may be silent; networks are changed and lifts are left within it.
pub(super) const RECONNECT_WITHIN: Duration = Duration::from_secs(8);
/// How long goodbye may take.
const BYE_WITHIN: Duration = Duration::from_millis(300);
/// Between two looks whether it is out.
const BYE_POLL: Duration = Duration::from_millis(5);
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
    Signal(Option<Signal>),
    WebRtcEvent(WebRtcEvent),
    Channel(Option<DataChannelEvent>),
    Grid,
    Camera,
    FirstFrame,
    Route,
    Deadline,
}

pub(super) struct Session {
    pub(super) webrtc: Arc<dyn PeerConnection>,
    pub(super) video_sender: Arc<dyn RtpSender>,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) webrtc_events: mpsc::Receiver<WebRtcEvent>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    pub(super) media: PeerMedia,
    pub(super) tally: Arc<Tally>,
    pub(super) orders: watch::Sender<Orders>,
    /// Whether the partner's camera is on, as it says.
    pub(super) partner_camera: watch::Sender<bool>,
    /// Whether the partner was told that our camera is on.
    pub(super) camera_told: bool,
    pub(super) channel: Option<Arc<dyn DataChannel>>,
    pub(super) channel_open: bool,
    /// Candidates that came before the description.
    pub(super) held: Vec<RTCIceCandidateInit>,
    pub(super) candidates: usize,
    pub(super) described: bool,
    pub(super) connected: bool,
    pub(super) first_frame: mpsc::Receiver<()>,
    /// Given to the receiving thread, when there is one.
    pub(super) tell_first_frame: Option<mpsc::Sender<()>>,
    pub(super) threads: Threads,
    /// Read so that nobody else has to: the partner's audio.
    pub(super) discarded: JoinSet<()>,
    pub(super) is_initiator: bool,
    pub(super) route: Interval,
    pub(super) deadline: Option<Pin<Box<Sleep>>>,
}

impl Session {
    pub(super) fn start(
        connection: Connection,
        media: PeerMedia,
        signals: mpsc::Receiver<Signal>,
        events: mpsc::Sender<PeerEvent>,
        is_initiator: bool,
    ) -> anyhow::Result<Self> {
        let Connection { webrtc, webrtc_events, video, video_sender, estimate } = connection;
        let tally = Arc::new(Tally::default());
        let (orders, ordered) = watch::channel(Orders { payload_type: None, grid: Grid::FULL });
        let mut threads = Threads::new();
        let sender = Sender {
            pictures: media.local.clone(),
            orders: ordered,
            estimate,
            track: video,
            tally: tally.clone(),
        };
        threads
            .start("meoww-encode", move |runtime| sender.run(runtime))
            .context("starting the encoder's thread")?;
        let (tell_first_frame, first_frame) = mpsc::channel(1);
        let mut route = interval(ROUTE_INTERVAL);
        route.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            webrtc,
            video_sender,
            signals,
            webrtc_events,
            events,
            media,
            tally,
            orders,
            partner_camera: watch::channel(true).0,
            camera_told: true,
            channel: None,
            channel_open: false,
            held: Vec::new(),
            candidates: 0,
            described: false,
            connected: false,
            first_frame,
            tell_first_frame: Some(tell_first_frame),
            threads,
            discarded: JoinSet::new(),
            is_initiator,
            route,
            deadline: Some(Box::pin(sleep(CONNECT_WITHIN))),
        })
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        self.tally.clone()
    }

    pub(super) async fn run(mut self) {
        let mut flow = match self.is_initiator {
            true => self.offer().await,
            false => ControlFlow::Continue(()),
        };
        while flow.is_continue() {
            let input = self.next().await;
            flow = self.handle(input).await;
        }
        if let ControlFlow::Break(end) = flow {
            self.end(end).await;
        }
    }

    async fn next(&mut self) -> Input {
        let channel = self.channel.clone();
        let told = self.camera_told;
        tokio::select! {
            signal = self.signals.recv() => Input::Signal(signal),
            Some(event) = self.webrtc_events.recv() => Input::WebRtcEvent(event),
            event = poll(channel) => Input::Channel(event),
            Some(()) = self.first_frame.recv() => Input::FirstFrame,
            Ok(()) = self.media.grid.changed(), if self.channel_open => Input::Grid,
            Ok(_) = self.media.local.wait_for(|picture| picture.is_some() != told),
                if self.channel_open => Input::Camera,
            _ = self.route.tick(), if self.connected => Input::Route,
            () = expire(self.deadline.as_mut()) => Input::Deadline,
        }
    }

    async fn handle(&mut self, input: Input) -> ControlFlow<End> {
        match input {
            Input::Signal(None) => return ControlFlow::Break(End::Left),
            Input::Signal(Some(Signal::Offer(offer))) => return self.answer(&offer).await,
            Input::Signal(Some(Signal::Answer(answer))) => return self.answered(&answer).await,
            Input::Signal(Some(Signal::Candidate(json))) => self.candidate(&json).await,
            Input::WebRtcEvent(WebRtcEvent::Candidate(candidate)) => {
                return self.emit(json(&candidate).map(PeerEvent::LocalCandidate));
            }
            Input::WebRtcEvent(WebRtcEvent::State(state)) => return self.state(state).await,
            Input::WebRtcEvent(WebRtcEvent::Track(track)) => return self.track(track).await,
            Input::WebRtcEvent(WebRtcEvent::Channel(channel)) => self.adopt(channel).await,
            Input::Channel(event) => return self.channel_event(event).await,
            Input::Grid => self.tell_grid().await,
            Input::Camera => self.tell_camera().await,
            Input::FirstFrame => return self.emit(Some(PeerEvent::FirstFrame)),
            Input::Route => self.look_at_route().await,
            Input::Deadline if self.connected => return fail("the connection was lost"),
            Input::Deadline => return fail("no connection could be made"),
        }
        ControlFlow::Continue(())
    }

    /// Tells the owner. One that does not take its events is gone.
    pub(super) fn emit(&self, event: Option<PeerEvent>) -> ControlFlow<End> {
        match event.map(|event| self.events.try_send(event)) {
            Some(Err(_)) => ControlFlow::Break(End::Left),
            Some(Ok(())) | None => ControlFlow::Continue(()),
        }
    }

    async fn end(mut self, end: End) {
        match end {
            End::Left => {
                let _ = timeout(BYE_WITHIN, self.say_bye()).await;
            }
            End::Bye => drop(self.events.try_send(PeerEvent::Bye)),
            End::Failed(why) => drop(self.events.try_send(PeerEvent::Failed(why))),
        }
        let Self { webrtc, threads, orders, partner_camera, .. } = self;
        drop((orders, partner_camera));
        if webrtc.close().await.is_err() {
            tracing::debug!("the connection was closed already");
        }
        threads.join().await;
    }

    /// Until the partner has acknowledged it, or the channel is gone.
    async fn say_bye(&mut self) {
        let Some(channel) = self.channel.take().filter(|_| self.channel_open) else {
            return;
        };
        if channel.try_send_text(&Control::Bye.to_json()).await.is_ok() {
            while channel.outstanding_bytes().await.is_ok_and(|bytes| bytes > 0) {
                sleep(BYE_POLL).await;
            }
        }
    }
}

/// Ends the session; `why` is for people.
pub(super) fn fail(why: &str) -> ControlFlow<End> {
    ControlFlow::Break(End::Failed(why.to_owned()))
}

/// The next event of a channel; never, when there is none.
async fn poll(channel: Option<Arc<dyn DataChannel>>) -> Option<DataChannelEvent> {
    match channel {
        Some(channel) => channel.poll().await,
        None => std::future::pending().await,
    }
}

/// When a deadline, if any, has passed.
async fn expire(deadline: Option<&mut Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.await,
        None => std::future::pending().await,
    }
}
