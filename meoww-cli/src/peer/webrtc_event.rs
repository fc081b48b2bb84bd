//! What the `webrtc` crate reports, as values in the session's queue.

use std::sync::{Arc, Mutex, PoisonError};

use rtc::peer_connection::transport::RTCIceCandidateInit;
use tokio::sync::mpsc;
use webrtc::{
    data_channel::DataChannel,
    media_stream::track_remote::TrackRemote,
    peer_connection::{
        PeerConnectionEventHandler, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
    },
};

/// More than a well-behaved connection has in all its life. When it is full, the queue ends, and the
/// session with it.
const QUEUE: usize = 128;

/// One thing that happened.
pub(super) enum WebRtcEvent {
    /// A local candidate was found.
    Candidate(RTCIceCandidateInit),
    State(RTCPeerConnectionState),
    /// The partner sends media.
    Track(Arc<dyn TrackRemote>),
    /// The partner opened a data channel.
    Channel(Arc<dyn DataChannel>),
}

/// Hands events over without ever making the connection's own task wait.
pub(super) struct Reporter(Mutex<Option<mpsc::Sender<WebRtcEvent>>>);

impl Reporter {
    pub(super) fn new() -> (Self, mpsc::Receiver<WebRtcEvent>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(Mutex::new(Some(sender))), receiver)
    }

    fn report(&self, event: WebRtcEvent) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.as_ref().is_some_and(|queue| queue.try_send(event).is_err()) {
            tracing::debug!("a media event came too late or too many came at once");
            *queue = None;
        }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Reporter {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(mut candidate) = event.candidate.to_json() {
            // The crate leaves the name of the m-line empty, which no m-line has; its index says it.
            candidate.sdp_mid = candidate.sdp_mid.filter(|mid| !mid.is_empty());
            self.report(WebRtcEvent::Candidate(candidate));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.report(WebRtcEvent::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.report(WebRtcEvent::Track(track));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.report(WebRtcEvent::Channel(channel));
    }
}
