//! A partner that is no client of ours: the bare `webrtc` crate, to do with what it likes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use meoww_cli::core::event::PeerEvent;
use rtc::{
    peer_connection::configuration::media_engine::{MIME_TYPE_VP8, MediaEngine},
    rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind},
    shared::ifaces::ifaces,
};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::mpsc;
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
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
        let mut media = MediaEngine::default();
        let codec = RTCRtpCodec {
            mime_type: MIME_TYPE_VP8.to_owned(),
            clock_rate: 90_000,
            ..RTCRtpCodec::default()
        };
        let vp8 = RTCRtpCodecParameters { rtp_codec: codec, payload_type: 96 };
        media.register_codec(vp8, RtpCodecKind::Video).unwrap();
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
