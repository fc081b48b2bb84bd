//! Offer, answer and candidates (RFC 8829): one exchange a connection, and no second.

use std::ops::ControlFlow;

use rtc::peer_connection::transport::RTCIceCandidateInit;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    control::LABEL,
    remote::{self, Kind, MAX_CANDIDATES},
    session::{End, Session, fail},
};
use crate::core::event::PeerEvent;

impl Session {
    pub(super) async fn offer(&mut self) -> ControlFlow<End> {
        let offer = async {
            self.channel = Some(self.webrtc.create_data_channel(LABEL, None).await?);
            let offer = self.webrtc.create_offer(None).await?;
            self.webrtc.set_local_description(offer.clone()).await?;
            anyhow::Ok(offer)
        };
        match offer.await {
            Ok(offer) => self.emit(json(&offer).map(PeerEvent::LocalOffer)),
            Err(error) => {
                tracing::debug!(?error, "offer");
                fail("no offer could be made")
            }
        }
    }

    pub(super) async fn answer(&mut self, offer: &RawValue) -> ControlFlow<End> {
        if !self.describe(offer, Kind::Offer).await? {
            return ControlFlow::Continue(());
        }
        // Fails, for one, when the partner has none of our codecs.
        let answer = async {
            let answer = self.webrtc.create_answer(None).await?;
            self.webrtc.set_local_description(answer.clone()).await?;
            anyhow::Ok(answer)
        };
        match answer.await {
            Ok(answer) => self.emit(json(&answer).map(PeerEvent::LocalAnswer)),
            Err(error) => {
                tracing::debug!(?error, "answer");
                fail("the partner's offer cannot be answered")
            }
        }
    }

    pub(super) async fn answered(&mut self, answer: &RawValue) -> ControlFlow<End> {
        self.describe(answer, Kind::Answer).await.map_continue(drop)
    }

    /// Applies the partner's description; says whether it did. A second one is ignored.
    async fn describe(&mut self, json: &RawValue, kind: Kind) -> ControlFlow<End, bool> {
        let due = if self.is_initiator { Kind::Answer } else { Kind::Offer };
        if self.described || kind != due {
            tracing::debug!(?kind, "a description that is not due");
            return ControlFlow::Continue(false);
        }
        let description = match remote::description(json, kind) {
            Ok(description) => description,
            Err(error) => return ControlFlow::Break(End::Failed(error.to_string())),
        };
        if let Err(error) = self.webrtc.set_remote_description(description).await {
            tracing::debug!(?error, "remote description");
            return ControlFlow::Break(End::Failed("the partner's description is unusable".into()));
        }
        self.described = true;
        for candidate in std::mem::take(&mut self.held) {
            self.add(candidate).await;
        }
        ControlFlow::Continue(true)
    }

    /// Takes a candidate, or holds it until there is a description it belongs to.
    pub(super) async fn candidate(&mut self, json: &RawValue) {
        let Some(candidate) = remote::candidate(json) else {
            return;
        };
        self.candidates += 1;
        if self.candidates > MAX_CANDIDATES {
            tracing::debug!("the partner names too many addresses");
        } else if self.described {
            self.add(candidate).await;
        } else {
            self.held.push(candidate);
        }
    }

    async fn add(&self, candidate: RTCIceCandidateInit) {
        if let Err(error) = self.webrtc.add_ice_candidate(candidate).await {
            tracing::debug!(?error, "a candidate is of no use");
        }
    }
}

/// For the wire.
pub(super) fn json(value: &impl Serialize) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
