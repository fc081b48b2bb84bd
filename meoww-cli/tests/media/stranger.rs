//! A partner that is no client of ours: the bare `webrtc` crate, to do with what it likes.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use meoww_cli::core::event::PeerEvent;
use rtc::{
    interceptor::{Interceptor, Packet, Registry, Slot, StreamInfo, TaggedPacket},
    media_stream::MediaStreamTrack,
    peer_connection::configuration::media_engine::{
        MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine,
    },
    rtcp, rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
        RtpCodecKind,
    },
    sansio::Protocol,
    shared::{error::Error, ifaces::ifaces},
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

    /// Sends reports and requests, in one packet.
    pub(crate) async fn report(&self, reports: Vec<Box<dyn rtcp::Packet>>) {
        let _ = self.track.write_rtcp(reports).await;
    }
}

/// The voice of a stranger.
pub(crate) struct Voice {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    source: Arc<AtomicU32>,
    sequence: u16,
    timestamp: u32,
}

impl Voice {
    /// Sends one packet of 20 ms.
    pub(crate) async fn send(&mut self, payload: &[u8]) {
        let header = rtp::Header {
            version: 2,
            payload_type: PAYLOAD_TYPE,
            sequence_number: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
        let packet = rtp::Packet { header, payload: payload.to_vec().into() };
        // Fails before there is a connection, and after.
        let _ = self.track.write_rtp(packet).await;
    }

    /// Begins anew as another source (RFC 3550, section 8.2), with a time and numbers of its own.
    pub(crate) fn change_source(&mut self) {
        self.source.fetch_add(1, Relaxed);
        (self.sequence, self.timestamp) = (rand::random(), rand::random());
    }
}

/// Adds a number to the source of each packet, last on the way out: the library sends no other than that
/// of its description.
struct OtherSource {
    add: Arc<AtomicU32>,
    outgoing: VecDeque<TaggedPacket>,
    incoming: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for OtherSource {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.incoming.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.incoming.pop_front()
    }

    fn handle_write(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            rtp.header.ssrc = rtp.header.ssrc.wrapping_add(self.add.load(Relaxed));
        }
        self.outgoing.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outgoing.pop_front()
    }
}

impl Interceptor for OtherSource {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
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
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: 90_000,
            ..RTCRtpCodec::default()
        };
        Self::knowing(codec, RtpCodecKind::Video, Registry::new()).await
    }

    /// Sends H.264, or what it calls so.
    pub(crate) async fn filming() -> (Self, Film) {
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_H264.to_owned(),
            clock_rate: 90_000,
            sdp_fmtp_line: "packetization-mode=1;profile-level-id=42e01f".to_owned(),
            ..RTCRtpCodec::default()
        };
        let stranger = Self::knowing(codec.clone(), RtpCodecKind::Video, Registry::new()).await;
        let (track, ssrc) = stranger.track(codec, RtpCodecKind::Video).await;
        (stranger, Film { track, ssrc, sequence: 0, timestamp: 0 })
    }

    /// Talks, and has no camera.
    pub(crate) async fn talking() -> (Self, Voice) {
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            ..RTCRtpCodec::default()
        };
        let source = Arc::<AtomicU32>::default();
        let (outgoing, incoming) = Default::default();
        let other = OtherSource { add: source.clone(), outgoing, incoming };
        let registry = Registry::new().with(Slot::from(100), other);
        let stranger = Self::knowing(codec.clone(), RtpCodecKind::Audio, registry).await;
        let (track, ssrc) = stranger.track(codec, RtpCodecKind::Audio).await;
        (stranger, Voice { track, ssrc, source, sequence: 0, timestamp: 0 })
    }

    /// Adds a track; returns its source as well.
    async fn track(
        &self,
        codec: RTCRtpCodec,
        kind: RtpCodecKind,
    ) -> (Arc<TrackLocalStaticRTP>, u32) {
        let ssrc = rand::random();
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let coding =
            RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec, ..Default::default() };
        let [stream, track, label] = ["stream", "hostile", "label"].map(str::to_owned);
        let track = MediaStreamTrack::new(stream, track, label, kind, vec![coding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        self.webrtc.add_track(track.clone()).await.unwrap();
        (track, ssrc)
    }

    async fn knowing(codec: RTCRtpCodec, kind: RtpCodecKind, registry: Registry) -> Self {
        let mut media = MediaEngine::default();
        let codec = RTCRtpCodecParameters { rtp_codec: codec, payload_type: PAYLOAD_TYPE };
        media.register_codec(codec, kind).unwrap();
        let (sender, candidates) = mpsc::unbounded_channel();
        let webrtc = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler(sender)))
            .with_udp_addrs(vec![address()])
            // Of its own, so that what it has not sent takes no memory here.
            .with_data_channel_send_buffer_limit(64 << 10)
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
