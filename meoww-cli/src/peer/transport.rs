//! The WebRTC connection, and the negotiation that decides what is done with it.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use rtc::{
    peer_connection::{
        configuration::RTCOfferOptions,
        transport::{RTCIceCandidateInit, RTCIceCandidateType},
    },
    statistics::{report::RTCStatsReportEntry, stats::ice_candidate::RTCIceCandidateStats},
};
use webrtc::{
    data_channel::DataChannel,
    peer_connection::{PeerConnection, RTCConfiguration, RTCSessionDescription, StatsSelector},
    rtp_transceiver::RtpSender,
};

use super::{
    candidates::Reach,
    control::LABEL,
    guarded_sockets::Guard,
    negotiation::{Agreed, Effect, Input, Negotiation},
    safety_words::Fingerprints,
};
use crate::{clock, core::event::PeerEvent};

pub(super) struct Transport {
    pub(super) negotiation: Negotiation,
    pub(super) guard: Guard,
    /// The candidates used without a relay, and the servers for that.
    pub(super) direct: (Reach, RTCConfiguration),
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

/// The result of an exchange, for the session.
pub(super) enum Outcome {
    /// The data channel that is in this side's offer.
    Channel(Arc<dyn DataChannel>),
    Agreed(Agreed),
    Restarted,
    Tell(PeerEvent),
}

impl Transport {
    /// Lets the negotiation decide, and carries it out.
    ///
    /// # Errors
    ///
    /// Why there will be no connection, for people.
    pub(super) async fn negotiate(&mut self, input: Input) -> Result<Vec<Outcome>, String> {
        let mut effects = VecDeque::from(self.negotiation.handle(input));
        let mut outcomes = Vec::new();
        while let Some(effect) = effects.pop_front() {
            let made = match effect {
                Effect::MakeOffer => self.offer(&mut outcomes).await.map(Some),
                Effect::MakeRestart => self.restart().await.map(Some),
                Effect::MakeAnswer => self.answer().await.map(Some),
                Effect::ApplyOwn(offer) => self.apply_own(*offer).await.map(|()| None),
                Effect::Apply(description) => self.apply(*description).await.map(|()| None),
                Effect::Add(candidate) => {
                    self.add(candidate).await;
                    Ok(None)
                }
                Effect::Agreed(agreed) => {
                    outcomes.push(Outcome::Agreed(agreed));
                    Ok(None)
                }
                Effect::Restarted => {
                    self.guard.restarted(clock::now());
                    outcomes.push(Outcome::Restarted);
                    Ok(None)
                }
                Effect::Tell(event) => {
                    outcomes.push(Outcome::Tell(event));
                    Ok(None)
                }
                Effect::Fail(why) => return Err(why),
            };
            let local = made.map_err(|error| {
                tracing::debug!(?error, "negotiation");
                "the partner's description and this side's do not go together".to_owned()
            })?;
            let input = local.map(|local| Input::Local(Box::new(local)));
            effects.extend(input.into_iter().flat_map(|input| self.negotiation.handle(input)));
        }
        Ok(outcomes)
    }

    /// From the next restart on, direct paths are looked for, too.
    pub(super) async fn allow_direct(&mut self) {
        let (reach, configuration) = self.direct.clone();
        self.guard.allow_direct();
        self.negotiation.allow_direct(reach);
        if let Err(error) = self.webrtc.set_configuration(configuration).await {
            tracing::debug!(%error, "direct addresses are not gathered");
        }
    }

    /// This side's first offer, with the data channel in it.
    async fn offer(&self, outcomes: &mut Vec<Outcome>) -> anyhow::Result<RTCSessionDescription> {
        outcomes.push(Outcome::Channel(self.webrtc.create_data_channel(LABEL, None).await?));
        let offer = self.webrtc.create_offer(None).await?;
        self.webrtc.set_local_description(offer.clone()).await?;
        Ok(offer)
    }

    async fn restart(&self) -> anyhow::Result<RTCSessionDescription> {
        Ok(self.webrtc.create_offer(Some(RTCOfferOptions { ice_restart: true })).await?)
    }

    async fn answer(&self) -> anyhow::Result<RTCSessionDescription> {
        let answer = self.webrtc.create_answer(None).await?;
        self.webrtc.set_local_description(answer.clone()).await?;
        Ok(answer)
    }

    async fn apply_own(&self, offer: RTCSessionDescription) -> anyhow::Result<()> {
        Ok(self.webrtc.set_local_description(offer).await?)
    }

    async fn apply(&self, description: RTCSessionDescription) -> anyhow::Result<()> {
        Ok(self.webrtc.set_remote_description(description).await?)
    }

    async fn add(&self, candidate: RTCIceCandidateInit) {
        // Why would quote the address.
        if self.webrtc.add_ice_candidate(candidate).await.is_err() {
            tracing::debug!("a candidate is of no use");
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
                of_pair(entry.id()) && self.is_relay(candidate)
            }
            _ => false,
        });
        Some(Route { rtt: pair.current_round_trip_time, relayed })
    }

    /// A partner's relay that sends before it is named is taken for an address of the partner.
    fn is_relay(&self, candidate: &RTCIceCandidateStats) -> bool {
        let address = candidate.address.as_deref().and_then(|address| address.parse().ok());
        let address = address.map(|ip| SocketAddr::new(ip, candidate.port));
        candidate.candidate_type == RTCIceCandidateType::Relay
            || address.is_some_and(|address| self.negotiation.is_relay(address))
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
