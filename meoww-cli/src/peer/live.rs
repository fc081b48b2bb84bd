//! A connection that stands: its state, the partner's track, and the data channel.

use std::{
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use meoww_paint::Grid;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::time::sleep;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::track_remote::TrackRemote,
    peer_connection::RTCPeerConnectionState,
};

use super::{
    control::{Control, LABEL},
    route,
    session::{End, RECONNECT_WITHIN, Session, fail},
    tracks::receive::Receiver,
};
use crate::core::event::PeerEvent;

impl Session {
    pub(super) async fn state(&mut self, state: RTCPeerConnectionState) -> ControlFlow<End> {
        match state {
            RTCPeerConnectionState::Connected => return self.up().await,
            RTCPeerConnectionState::Disconnected => {
                self.deadline = Some(Box::pin(sleep(RECONNECT_WITHIN)));
            }
            RTCPeerConnectionState::Failed if self.connected => {
                return fail("the connection was lost");
            }
            RTCPeerConnectionState::Failed => return fail("no connection could be made"),
            RTCPeerConnectionState::Closed => return fail("the connection was closed"),
            RTCPeerConnectionState::Unspecified
            | RTCPeerConnectionState::New
            | RTCPeerConnectionState::Connecting => {}
            // The enum is open; what is not known asks for nothing.
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Connected, or connected again.
    async fn up(&mut self) -> ControlFlow<End> {
        self.deadline = None;
        if self.connected {
            return ControlFlow::Continue(());
        }
        self.connected = true;
        let parameters = self.video_sender.get_parameters().await.ok();
        let codec = parameters.and_then(|parameters| {
            parameters.rtp_parameters.codecs.first().map(|codec| codec.payload_type)
        });
        // Before anything else: the first picture is what everyone waits for.
        self.orders.send_modify(|orders| orders.payload_type = codec);
        self.look_at_route().await;
        self.emit(Some(PeerEvent::Connected { relayed: self.tally.relayed.load(Relaxed) }))
    }

    pub(super) async fn look_at_route(&self) {
        if let Some(route) = route::of(&*self.webrtc).await {
            self.tally.rtt.store((route.rtt * 1e6) as u64, Relaxed);
            self.tally.relayed.store(route.relayed, Relaxed);
        }
    }

    /// The first video track is shown, and all else thrown away.
    pub(super) async fn track(&mut self, track: Arc<dyn TrackRemote>) -> ControlFlow<End> {
        let is_video = track.kind().await == RtpCodecKind::Video;
        let (Some(first), true) = (self.tell_first_frame.take_if(|_| is_video), is_video) else {
            self.discard(track);
            return ControlFlow::Continue(());
        };
        let receiver = Receiver {
            ssrc: track.ssrcs().await.first().copied().unwrap_or_default(),
            track,
            pictures: self.media.remote.clone(),
            camera_on: self.partner_camera.subscribe(),
            tally: self.tally.clone(),
            first,
        };
        match self.threads.start("meoww-decode", move |runtime| receiver.run(runtime)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => fail("there is no thread left for the decoder"),
        }
    }

    /// Keeps the track's queue from filling up, which the library would complain about.
    fn discard(&mut self, track: Arc<dyn TrackRemote>) {
        self.discarded.spawn(async move { while track.poll().await.is_some() {} });
    }

    /// The partner opened a data channel: ours, or one that is ignored.
    pub(super) async fn adopt(&mut self, channel: Arc<dyn DataChannel>) {
        let ours = channel.label().await.is_ok_and(|label| label == LABEL);
        if ours && self.channel.is_none() {
            self.channel = Some(channel);
        }
    }

    pub(super) async fn channel_event(
        &mut self,
        event: Option<DataChannelEvent>,
    ) -> ControlFlow<End> {
        match event {
            Some(DataChannelEvent::OnOpen) => {
                self.channel_open = true;
                self.tell_grid().await;
            }
            Some(DataChannelEvent::OnMessage(message)) if message.is_string => {
                return self.obey(Control::parse(&message.data));
            }
            // A browser that closes its connection says nothing else, and its media just stops.
            Some(DataChannelEvent::OnClose) | None if self.channel_open => {
                return ControlFlow::Break(End::Bye);
            }
            Some(DataChannelEvent::OnClose) | None => self.channel = None,
            Some(_) => {}
        }
        ControlFlow::Continue(())
    }

    fn obey(&mut self, control: Option<Control>) -> ControlFlow<End> {
        match control {
            Some(Control::Grid { width, height }) => {
                let grid = Grid::new(width, height);
                self.orders
                    .send_if_modified(|orders| std::mem::replace(&mut orders.grid, grid) != grid);
            }
            Some(Control::Camera { on }) => {
                self.partner_camera.send_if_modified(|was| std::mem::replace(was, on) != on);
            }
            Some(Control::Bye) => return ControlFlow::Break(End::Bye),
            None => {}
        }
        ControlFlow::Continue(())
    }

    pub(super) async fn tell_grid(&mut self) {
        let grid = *self.media.grid.borrow_and_update();
        self.tell(Control::grid(grid)).await;
    }

    pub(super) async fn tell_camera(&mut self) {
        self.camera_told = self.media.local.borrow_and_update().is_some();
        self.tell(Control::Camera { on: self.camera_told }).await;
    }

    async fn tell(&self, control: Control) {
        if let Some(channel) = &self.channel
            && channel.try_send_text(&control.to_json()).await.is_err()
        {
            tracing::debug!(?control, "could not be said");
        }
    }
}
