//! A connection that stands: its state, the partner's words, and what comes of its pictures.

use std::{ops::ControlFlow, time::Duration};

use meoww_paint::Grid;
use webrtc::{data_channel::DataChannelEvent, peer_connection::RTCPeerConnectionState};

use super::{
    channel::ChannelEvent,
    control::Control,
    recovery,
    safety_words::{Outcome, SafetyWords, Said},
    sdp::TheirVideo,
    session::{End, Session, fail},
    timer::Timer,
    tracks::{Report, TracksEvent},
};
use crate::{
    core::event::{NoPicture, PeerEvent, Safety},
    picture::wanted::{MOST_FPS, Wanted},
};

/// From the connection to the first picture. The slowest camera is open by then.
const PICTURE_WITHIN: Duration = Duration::from_secs(5);
/// From the connection to the safety words: two messages each way, of which some may be lost.
const WORDS_WITHIN: Duration = Duration::from_secs(10);

impl Session {
    pub(super) async fn state(&mut self, state: RTCPeerConnectionState) -> ControlFlow<End> {
        tracing::debug!(%state, "media connection");
        match state {
            RTCPeerConnectionState::Connected => return self.up().await,
            RTCPeerConnectionState::Disconnected | RTCPeerConnectionState::Failed
                if self.connected =>
            {
                return self.recover(recovery::Input::Silent).await;
            }
            RTCPeerConnectionState::Disconnected => {}
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
        if self.connected {
            self.look_at_route().await?;
            return self.recover(recovery::Input::Up).await;
        }
        self.deadline = Timer::default();
        self.connected = true;
        // Before anything else: the first picture is what everyone waits for.
        self.send_media().await;
        match self.agreed.map(|agreed| agreed.their_video) {
            Some(TheirVideo::Offered) => self.picture_due = Timer::after(PICTURE_WITHIN),
            // Nothing to wait for.
            Some(TheirVideo::NoCommonCodec | TheirVideo::NotSent) | None => self.tracks.go_live(),
        }
        self.words_due = Timer::after(WORDS_WITHIN);
        // Told with what follows.
        self.told_relayed = self.transport.route().await.is_some_and(|route| route.relayed);
        self.look_at_route().await?;
        self.emit(PeerEvent::Connected { relayed: self.told_relayed })
    }

    /// Sends what the partner takes.
    pub(super) async fn send_media(&mut self) {
        if self.agreed.is_some_and(|agreed| agreed.our_video)
            && let Some(payload_type) = self.transport.video_payload_type().await
        {
            self.tracks.send(payload_type);
        }
        if self.agreed.is_some_and(|agreed| agreed.our_sound)
            && let Some(payload_type) = self.transport.sound_payload_type().await
        {
            self.tracks.send_sound(payload_type);
        }
    }

    /// Time is up for the first picture.
    pub(super) fn no_picture_yet(&self) -> ControlFlow<End> {
        if !self.tracks.lacks_picture() {
            return ControlFlow::Continue(());
        }
        self.tracks.go_live();
        self.emit(PeerEvent::NoPicture(match self.tracks.receives() {
            true => NoPicture::NotDecoded,
            false => NoPicture::NotSent,
        }))
    }

    pub(super) async fn tracks_event(&mut self, event: TracksEvent) -> ControlFlow<End> {
        match event {
            TracksEvent::Report(Report::FirstFrame) => {
                self.tracks.go_live();
                return self.emit(PeerEvent::FirstFrame);
            }
            TracksEvent::Report(Report::TooLarge { width, height }) => {
                self.picture_due = Timer::default();
                self.tracks.go_live();
                return self.emit(PeerEvent::NoPicture(NoPicture::TooLarge { width, height }));
            }
            TracksEvent::Report(Report::Flood) => {
                return fail(
                    "the partner sends more pictures, or more sizes of them, than any camera",
                );
            }
            TracksEvent::Wanted => self.tell_wanted().await,
            TracksEvent::Camera => {
                self.camera_told = self.tracks.camera();
                self.channel.tell(Control::Camera { on: self.camera_told }).await;
            }
            TracksEvent::Sound => {
                let on = self.tracks.follow_sound();
                self.channel.tell(Control::Sound { on }).await;
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) async fn channel_event(
        &mut self,
        event: Option<DataChannelEvent>,
    ) -> ControlFlow<End> {
        match self.channel.read(event) {
            ChannelEvent::Opened => {
                self.tell_wanted().await;
                if !self.tracks.follow_sound() {
                    self.channel.tell(Control::Sound { on: false }).await;
                }
                self.begin_words().await;
                let wish = self.direct.opened();
                return self.go_direct(wish.into_iter().collect()).await;
            }
            ChannelEvent::Said(Control::Direct) => {
                let effects = self.direct.heard();
                return self.go_direct(effects).await;
            }
            ChannelEvent::Said(Control::Safety(said)) => return self.safety_said(said).await,
            ChannelEvent::Said(Control::Grid { width, height, fps }) => {
                let fps = fps.unwrap_or(MOST_FPS);
                self.tracks.set_partner_wanted(Wanted::new(Grid::new(width, height), fps));
            }
            ChannelEvent::Said(Control::Camera { on }) => {
                if !self.tracks.set_partner_camera(on) {
                    return ControlFlow::Continue(());
                }
                if !on {
                    self.tracks.go_live();
                } else if self.tracks.lacks_picture() {
                    self.picture_due = Timer::after(PICTURE_WITHIN);
                }
                return self.emit(PeerEvent::Camera { on });
            }
            ChannelEvent::Said(Control::Sound { on }) => {
                if std::mem::replace(&mut self.partner_sound, on) != on {
                    return self.emit(PeerEvent::Sound { on });
                }
            }
            // A browser that closes its connection says nothing else, and its media just stops.
            ChannelEvent::Said(Control::Bye) | ChannelEvent::Closed => {
                return ControlFlow::Break(End::Bye);
            }
            ChannelEvent::Flood => return fail("the partner sends one message after the other"),
            ChannelEvent::Other => {}
        }
        ControlFlow::Continue(())
    }

    /// Says the first part of what leads to the safety words.
    async fn begin_words(&mut self) {
        let Some(fingerprints) = self.transport.fingerprints().await else { return };
        let (words, said) =
            SafetyWords::start(self.role, self.room_id, fingerprints, rand::random());
        self.words = Some(words);
        self.channel.tell(Control::Safety(said)).await;
    }

    async fn safety_said(&mut self, said: Said) -> ControlFlow<End> {
        let safety = match self.words.as_mut().and_then(|words| words.handle(said)) {
            None => return ControlFlow::Continue(()),
            Some(Outcome::Say(said)) => {
                self.channel.tell(Control::Safety(said)).await;
                return ControlFlow::Continue(());
            }
            Some(Outcome::Words(words)) => Safety::Words(words),
            Some(Outcome::Broken) => Safety::Broken,
        };
        self.words_due = Timer::default();
        self.emit(PeerEvent::Safety(safety))
    }

    /// Time is up for the safety words.
    pub(super) fn no_words_yet(&self) -> ControlFlow<End> {
        self.emit(PeerEvent::Safety(Safety::Unverified))
    }

    async fn tell_wanted(&mut self) {
        let wanted = self.tracks.wanted();
        self.channel.tell_wanted(wanted).await;
    }
}
