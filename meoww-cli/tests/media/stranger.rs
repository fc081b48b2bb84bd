//! A partner that is no client of ours: the bare `webrtc` crate, to do with what it likes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use meoww_cli::core::event::PeerEvent;
use rtc::{
    media_stream::MediaStreamTrack,
    peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_VP8, MediaEngine},
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
        RtpCodecKind,
    },
    shared::ifaces::ifaces,
};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::mpsc;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCPeerConnectionIceEvent, RTCSessionDescription,
    },
};

use super::{LONG, Side};

pub(crate) struct Stranger {
    pub(crate) webrtc: Arc<dyn PeerConnection>,
    candidates: mpsc::UnboundedReceiver<Box<RawValue>>,
}

/// RTP payload type of its only codec.
const PAYLOAD_TYPE: u8 = 96;

/// The scene that a stranger films.
pub(crate) struct Film {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Film {
    /// Sends one picture: NAL units, each in a packet of its own.
    pub(crate) async fn send(&mut self, units: &[&[u8]]) {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        for (n, unit) in units.iter().enumerate() {
            let header = rtp::Header {
                version: 2,
                marker: n + 1 == units.len(),
                payload_type: PAYLOAD_TYPE,
                sequence_number: self.sequence,
                timestamp: self.timestamp,
                ssrc: self.ssrc,
                ..Default::default()
            };
            self.sequence = self.sequence.wrapping_add(1);
            let packet = rtp::Packet { header, payload: unit.to_vec().into() };
            // Fails once the other side has had enough.
            let _ = self.track.write_rtp(packet).await;
        }
    }
}

struct Handler(mpsc::UnboundedSender<Box<RawValue>>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(candidate) = event.candidate.to_json() {
            let _ = self.0.send(to_raw_value(&candidate).unwrap());
        }
    }
}

/// An address that others can reach too, if there is one.
fn address() -> SocketAddr {
    let interfaces = ifaces().unwrap().into_iter();
    let addresses = interfaces.filter_map(|interface| Some(interface.addr?.ip()));
    let mut reachable = addresses.filter(|address| address.is_ipv4() && !address.is_loopback());
    SocketAddr::new(reachable.next().unwrap_or([127, 0, 0, 1].into()), 0)
}

impl Stranger {
    /// Knows no video but VP8.
    pub(crate) async fn new() -> Self {
        Self::knowing(RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: 90_000,
            ..RTCRtpCodec::default()
        })
        .await
    }

    /// Sends H.264, or what it calls so.
    pub(crate) async fn filming() -> (Self, Film) {
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_H264.to_owned(),
            clock_rate: 90_000,
            sdp_fmtp_line: "packetization-mode=1;profile-level-id=42e01f".to_owned(),
            ..RTCRtpCodec::default()
        };
        let stranger = Self::knowing(codec.clone()).await;
        let ssrc = rand::random();
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let coding =
            RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec, ..Default::default() };
        let kind = RtpCodecKind::Video;
        let [stream, track, label] = ["stream", "hostile", "video"].map(str::to_owned);
        let track = MediaStreamTrack::new(stream, track, label, kind, vec![coding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        stranger.webrtc.add_track(track.clone()).await.unwrap();
        (stranger, Film { track, ssrc, sequence: 0, timestamp: 0 })
    }

    async fn knowing(codec: RTCRtpCodec) -> Self {
        let mut media = MediaEngine::default();
        let codec = RTCRtpCodecParameters { rtp_codec: codec, payload_type: PAYLOAD_TYPE };
        media.register_codec(codec, RtpCodecKind::Video).unwrap();
        let (sender, candidates) = mpsc::unbounded_channel();
        let webrtc = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_handler(Arc::new(Handler(sender)))
            .with_udp_addrs(vec![address()])
            .build()
            .await
            .unwrap();
        Self { webrtc: Arc::new(webrtc), candidates }
    }

    pub(crate) async fn channel(&self, label: &str) -> Arc<dyn DataChannel> {
        self.webrtc.create_data_channel(label, None).await.unwrap()
    }

    /// Makes the offer.
    pub(crate) async fn call(&self, side: &mut Side) {
        let offer = self.webrtc.create_offer(None).await.unwrap();
        self.webrtc.set_local_description(offer.clone()).await.unwrap();
        side.peer().remote_offer(to_raw_value(&offer).unwrap());
    }

    /// Hands signals across until the side reports what is wanted; returns all it reported but
    /// signals.
    pub(crate) async fn until(
        &mut self,
        side: &mut Side,
        wanted: impl Fn(&PeerEvent) -> bool,
    ) -> Vec<PeerEvent> {
        let mut reported = Vec::new();
        let find = async {
            while !reported.last().is_some_and(&wanted) {
                tokio::select! {
                    Some(candidate) = self.candidates.recv() => {
                        side.peer().remote_candidate(candidate);
                    }
                    event = side.events.recv() => match event.expect("the events end") {
                        PeerEvent::LocalOffer(offer) => {
                            self.apply(&offer).await;
                            let answer = self.webrtc.create_answer(None).await.unwrap();
                            self.webrtc.set_local_description(answer.clone()).await.unwrap();
                            side.peer().remote_answer(to_raw_value(&answer).unwrap());
                        }
                        PeerEvent::LocalAnswer(answer) => self.apply(&answer).await,
                        PeerEvent::LocalCandidate(candidate) => {
                            let candidate = serde_json::from_str(candidate.get()).unwrap();
                            self.webrtc.add_ice_candidate(candidate).await.unwrap();
                        }
                        event => reported.push(event),
                    },
                }
            }
        };
        tokio::time::timeout(LONG, find).await.expect("the event never comes");
        reported
    }

    /// Hands signals across until the side answers; returns the answer, which was not applied.
    pub(crate) async fn answer_of(&mut self, side: &mut Side) -> Box<RawValue> {
        let find = async {
            loop {
                tokio::select! {
                    Some(candidate) = self.candidates.recv() => {
                        side.peer().remote_candidate(candidate);
                    }
                    event = side.events.recv() => match event.expect("the events end") {
                        PeerEvent::LocalAnswer(answer) => return answer,
                        PeerEvent::Failed(why) => panic!("{why}"),
                        _ => {}
                    },
                }
            }
        };
        tokio::time::timeout(LONG, find).await.expect("it is never answered")
    }

    /// Hands signals across until ICE has a path again. The side says so only if it took long.
    pub(crate) async fn until_path(&mut self, side: &mut Side) {
        let is_lost = |event: &PeerEvent| matches!(event, PeerEvent::Reconnecting(_));
        let is_back = |event: &PeerEvent| matches!(event, PeerEvent::Reconnected { .. });
        let lost = self.until(side, is_lost);
        if tokio::time::timeout(Duration::from_secs(1), lost).await.is_ok() {
            self.until(side, is_back).await;
        }
    }

    pub(crate) async fn apply(&self, description: &RawValue) {
        let description: RTCSessionDescription = serde_json::from_str(description.get()).unwrap();
        self.webrtc.set_remote_description(description).await.unwrap();
    }
}

/// Waits until a channel is closed by the other side.
pub(crate) async fn closed(channel: &dyn DataChannel) {
    let closed = async {
        while let Some(event) = channel.poll().await {
            if matches!(event, DataChannelEvent::OnClose) {
                return;
            }
        }
    };
    let _: () = tokio::time::timeout(Duration::from_secs(30), closed).await.expect("it stays open");
}
