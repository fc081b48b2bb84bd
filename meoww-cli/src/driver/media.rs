//! The media connection of a room: WebRTC, or in tests what the test makes of it.

use std::time::Instant;

use meoww_proto::signal::RelayPayload;
use tokio::sync::mpsc;

use crate::{
    core::event::{PeerEvent, Stats},
    peer::{Peer, PeerConfig, PeerMedia},
};

/// How media connections are made.
pub(super) enum Connector {
    WebRtc,
    /// Each connection is played by a test.
    #[cfg(test)]
    Played(mpsc::Sender<Played>),
}

/// A media connection.
pub(super) enum Media {
    WebRtc(Peer),
    #[cfg(test)]
    Played(mpsc::Sender<RelayPayload>),
}

/// A media connection from the side of the test.
#[cfg(test)]
pub(super) struct Played {
    /// What the partner said through the server; ends when the connection is closed.
    pub(super) signals: mpsc::Receiver<RelayPayload>,
    pub(super) events: mpsc::Sender<PeerEvent>,
}

impl Connector {
    /// Starts to connect.
    ///
    /// # Errors
    /// Those of [`Peer::open`].
    pub(super) async fn open(
        &self,
        config: PeerConfig,
        media: PeerMedia,
    ) -> anyhow::Result<(Media, mpsc::Receiver<PeerEvent>)> {
        match self {
            Self::WebRtc => {
                let (peer, events) = Peer::open(config, media).await?;
                Ok((Media::WebRtc(peer), events))
            }
            #[cfg(test)]
            Self::Played(to_test) => {
                let ((tell, signals), (events, received)) = (mpsc::channel(8), mpsc::channel(8));
                to_test.try_send(Played { signals, events })?;
                Ok((Media::Played(tell), received))
            }
        }
    }
}

impl Media {
    /// Takes what the partner said through the server.
    pub(super) fn apply(&self, payload: RelayPayload) {
        match self {
            Self::WebRtc(peer) => match payload {
                RelayPayload::Offer(offer) => peer.remote_offer(offer),
                RelayPayload::Answer(answer) => peer.remote_answer(answer),
                RelayPayload::Candidate(candidate) => peer.remote_candidate(candidate),
                // Chat is the machine's, and never comes here.
                RelayPayload::Chat(_) => {}
            },
            #[cfg(test)]
            Self::Played(signals) => drop(signals.try_send(payload)),
        }
    }

    /// Asks for a direct path, or agrees to one.
    pub(super) fn go_direct(&self) {
        match self {
            Self::WebRtc(peer) => peer.go_direct(),
            #[cfg(test)]
            Self::Played(_) => {}
        }
    }

    /// Rates since the last call, and counts since the call began.
    pub(super) fn stats(&mut self, now: Instant) -> Stats {
        match self {
            Self::WebRtc(peer) => peer.stats(now),
            #[cfg(test)]
            Self::Played(_) => Stats::default(),
        }
    }

    /// Says goodbye and closes.
    pub(super) async fn close(self) {
        match self {
            Self::WebRtc(peer) => peer.close().await,
            #[cfg(test)]
            Self::Played(_) => {}
        }
    }
}
