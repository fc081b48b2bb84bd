//! The sound of a call as media: Opus frames to RTP (RFC 7587), and RTP to the room's sound.

mod receive;
mod send;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use webrtc::media_stream::track_remote::TrackRemote;

use self::{receive::Receiver, send::Sender};
use super::{super::stats::Tally, stream::LocalTrack};
use crate::sound::room::{Playing, Received, RoomFigures, RoomSound};

/// Both ways, each idle until there is something to do for it.
pub(super) struct Sound {
    sender: Option<Sender>,
    /// Where the partner's packets go.
    incoming: Option<mpsc::Sender<Received>>,
    is_live: watch::Sender<bool>,
    timing: Option<Timing>,
    tally: Arc<Tally>,
    tasks: JoinSet<()>,
}

/// The link between pictures and sound that keeps them in step.
pub(super) struct Timing {
    playing: watch::Receiver<Option<Playing>>,
    wait_at_least: watch::Sender<Duration>,
    figures: Arc<RoomFigures>,
}

impl Timing {
    /// The moment of the partner's sound that is being played, and how long it waited for that.
    pub(super) fn playing(&self) -> Option<(Playing, Duration)> {
        let playing = *self.playing.borrow();
        playing.map(|playing| (playing, Duration::from_millis(self.figures.now().delay_ms)))
    }

    /// Lets sound wait at least so long.
    pub(super) fn wait_at_least(&self, delay: Duration) {
        self.wait_at_least.send_replace(delay);
    }
}

impl Sound {
    /// `estimate` is how many bits a second the path carries.
    pub(super) fn new(
        room: RoomSound,
        track: LocalTrack,
        estimate: watch::Receiver<u32>,
        tally: Arc<Tally>,
    ) -> Self {
        let RoomSound { outgoing: frames, incoming, is_live, bitrate, loss_percent, .. } = room;
        let RoomSound { playing, wait_at_least, figures, .. } = room;
        let timing = Some(Timing { playing, wait_at_least, figures });
        let sender = Sender { frames, bitrate, loss_percent, track, estimate };
        let (sender, incoming) = (Some(sender), Some(incoming));
        Self { sender, incoming, is_live, timing, tally, tasks: JoinSet::new() }
    }

    /// Begins to send, once there is a connection; without effect the second time.
    pub(super) fn send(&mut self, payload_type: u8) {
        if let Some(sender) = self.sender.take() {
            self.tasks.spawn(sender.run(payload_type));
        }
    }

    /// Switches the microphone on, as far as the user has not muted it.
    pub(super) fn go_live(&self) {
        self.is_live.send_replace(true);
    }

    /// For the pictures, once.
    pub(super) fn timing(&mut self) -> Option<Timing> {
        self.timing.take()
    }

    /// Whether sound is sent.
    pub(super) fn is_sending(&self) -> bool {
        self.sender.is_none()
    }

    /// Takes the partner's first track of sound, and gives back any other.
    pub(super) fn receive(&mut self, track: Arc<dyn TrackRemote>) -> Option<Arc<dyn TrackRemote>> {
        let Some(packets) = self.incoming.take() else { return Some(track) };
        let receiver = Receiver { track, packets, tally: self.tally.clone() };
        self.tasks.spawn(receiver.run());
        None
    }
}
