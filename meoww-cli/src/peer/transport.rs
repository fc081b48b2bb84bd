//! Carries out on the WebRTC connection what the negotiation decides.

use std::sync::Arc;

use rtc::{
    peer_connection::transport::{RTCIceCandidateInit, RTCIceCandidateType},
    statistics::report::RTCStatsReportEntry,
};
use webrtc::{
    data_channel::DataChannel,
    peer_connection::{PeerConnection, RTCSessionDescription, StatsSelector},
    rtp_transceiver::RtpSender,
};

use super::{control::LABEL, safety_words::Fingerprints};
use crate::clock;

pub(super) struct Transport {
    pub(super) webrtc: Arc<dyn PeerConnection>,
    pub(super) video_sender: Arc<dyn RtpSender>,
    pub(super) sound_sender: Arc<dyn RtpSender>,
}

/// By which way the media goes, and how long it takes: the selected pair of candidates.
pub(super) struct Route {
    /// Seconds there and back.
    pub(super) rtt: f64,
    /// Through a TURN relay on either side.
    pub(super) relayed: bool,
}

impl Transport {
    /// This side's offer, and the data channel that is in it.
    pub(super) async fn offer(
        &self,
    ) -> anyhow::Result<(RTCSessionDescription, Arc<dyn DataChannel>)> {
        let channel = self.webrtc.create_data_channel(LABEL, None).await?;
        let offer = self.webrtc.create_offer(None).await?;
        self.webrtc.set_local_description(offer.clone()).await?;
        Ok((offer, channel))
    }

    pub(super) async fn answer(&self) -> anyhow::Result<RTCSessionDescription> {
        let answer = self.webrtc.create_answer(None).await?;
        self.webrtc.set_local_description(answer.clone()).await?;
        Ok(answer)
    }

    pub(super) async fn apply(&self, description: RTCSessionDescription) -> anyhow::Result<()> {
        Ok(self.webrtc.set_remote_description(description).await?)
    }

    pub(super) async fn add(&self, candidate: RTCIceCandidateInit) {
        if let Err(error) = self.webrtc.add_ice_candidate(candidate).await {
            tracing::debug!(?error, "a candidate is of no use");
        }
    }

    /// The RTP payload type that was agreed on for the pictures that are sent.
    pub(super) async fn video_payload_type(&self) -> Option<u8> {
        payload_type(&*self.video_sender).await
    }

    /// Likewise for sound.
    pub(super) async fn sound_payload_type(&self) -> Option<u8> {
        payload_type(&*self.sound_sender).await
    }

    /// `None` before a pair was selected.
    pub(super) async fn route(&self) -> Option<Route> {
        let report = self.webrtc.get_stats(clock::now(), StatsSelector::None).await;
        let pair = &report.transport()?.selected_candidate_pair_id;
        let Some(RTCStatsReportEntry::IceCandidatePair(pair)) = report.get(pair) else {
            return None;
        };
        // The pair names its candidates without the prefix that their own entries have.
        let of_pair = |id: &str| {
            id.ends_with(&pair.local_candidate_id) || id.ends_with(&pair.remote_candidate_id)
        };
        let relayed = report.iter().any(|entry| match entry {
            RTCStatsReportEntry::LocalCandidate(candidate)
            | RTCStatsReportEntry::RemoteCandidate(candidate) => {
                candidate.candidate_type == RTCIceCandidateType::Relay && of_pair(entry.id())
            }
            _ => false,
        });
        Some(Route { rtt: pair.current_round_trip_time, relayed })
    }

    /// The certificates' fingerprints; `None` before DTLS is up.
    pub(super) async fn fingerprints(&self) -> Option<Fingerprints> {
        let report = self.webrtc.get_stats(clock::now(), StatsSelector::None).await;
        let transport = report.transport()?;
        let fingerprint = |id: &str| match report.get(id) {
            Some(RTCStatsReportEntry::Certificate(certificate)) => {
                let algorithm = &certificate.fingerprint_algorithm;
                Some(format!("{algorithm} {}", certificate.fingerprint))
            }
            _ => None,
        };
        Some(Fingerprints {
            own: fingerprint(&transport.local_certificate_id)?,
            partner: fingerprint(&transport.remote_certificate_id)?,
        })
    }

    pub(super) async fn close(self) {
        if self.webrtc.close().await.is_err() {
            tracing::debug!("the connection was closed already");
        }
    }
}

async fn payload_type(sender: &dyn RtpSender) -> Option<u8> {
    let parameters = sender.get_parameters().await.ok()?;
    parameters.rtp_parameters.codecs.first().map(|codec| codec.payload_type)
}
