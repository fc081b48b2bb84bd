//! Sets up the `webrtc` crate.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use meoww_proto::account::IceServer;
use rtc::{
    ice::mdns::MulticastDnsMode,
    peer_connection::configuration::{
        media_engine::MediaEngine, setting_engine::SctpMaxMessageSize,
    },
    rtp_transceiver::rtp_sender::RtpCodecKind,
};
use tokio::sync::{mpsc, watch};
use webrtc::{
    media_stream::track_local::static_rtp::TrackLocalStaticRTP,
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, RTCConfiguration, RTCConfigurationBuilder,
        RTCIceServer, RTCIceTransportPolicy, SettingEngineBuilder,
    },
};

use super::{
    PeerConfig,
    candidates::{Reach, own::is_private},
    chain::{Chain, chain},
    codecs::{h264, opus, track},
    guarded_sockets::{Guard, GuardedRuntime},
    negotiation::Negotiation,
    stream_relays::StreamRelays,
    tracks::stream::LocalTrack,
    transport::Transport,
    webrtc_event::{Reporter, WebRtcEvent},
};
use crate::{core::event::Way, interfaces};

/// Between two connectivity checks of a pair. The default of 200 ms makes connecting take 400 ms.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Checks after which a pair is given up: 40 s, as long as any partner is waited for.
const MAX_CHECKS: u16 = 2000;
/// Bytes of control messages that may wait to be sent.
const MAX_CONTROL_BUFFER: usize = 64 * 1024;

/// Bytes of control messages that may wait to be read, and of the longest, which is many times what
/// is read of one.
const MAX_CONTROL_RECEIVED: u32 = 64 * 1024;
const MAX_MESSAGE: u32 = 16 * 1024;
/// A connection is checked all the time (RFC 7675), also while no pictures come, and counts as silent
/// when nothing has come for so long: a partner whose machine or network is gone says no goodbye.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(2);
const CONSENT_INTERVAL: Duration = Duration::from_millis(500);
/// After which the `rtc` crate would give a connection up; the session does earlier.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);

/// A connection that is not negotiated yet.
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) webrtc_events: mpsc::Receiver<WebRtcEvent>,
    pub(super) video: LocalTrack,
    pub(super) sound: LocalTrack,
    /// Bits a second the path carries.
    pub(super) estimate: watch::Receiver<u32>,
    pub(super) flood: watch::Receiver<bool>,
    pub(super) round_trip: watch::Sender<Duration>,
    pub(super) twice: watch::Receiver<bool>,
}

/// # Errors
///
/// When an ICE server's URL is malformed, or no socket can be opened.
pub(super) async fn connect(config: &PeerConfig) -> anyhow::Result<Connection> {
    // Addresses at home are hidden behind .local names, the partner's and this side's
    // (draft-ietf-mmusic-mdns-ice-candidates). Where multicast is not to be had, they are neither
    // looked up nor told, and all else works.
    match attempt(config, MulticastDnsMode::QueryAndGather).await {
        Ok(connection) => Ok(connection),
        Err(error) => {
            tracing::debug!(%error, "connecting without multicast DNS");
            attempt(config, MulticastDnsMode::Disabled).await
        }
    }
}

async fn attempt(config: &PeerConfig, mdns: MulticastDnsMode) -> anyhow::Result<Connection> {
    let mut media = MediaEngine::default();
    media.register_codec(h264(), RtpCodecKind::Video)?;
    media.register_codec(opus(), RtpCodecKind::Audio)?;
    let Chain { registry, estimate, flood, round_trip, twice, sound, pictures } =
        chain(&mut media, config.congestion_control)?;
    let loopback = config.addresses.borrow().iter().all(IpAddr::is_loopback);
    let direct = if loopback { Reach::Loopback } else { Reach::Network };
    let reach = if config.way == Way::Direct { direct } else { Reach::Relay };
    let settings = SettingEngineBuilder::new()
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(MAX_CHECKS))
        .with_ice_timeouts(Some(SILENT_AFTER), Some(GIVEN_UP_AFTER), Some(CONSENT_INTERVAL))
        .with_sctp_max_receive_buffer_size(MAX_CONTROL_RECEIVED)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_MESSAGE))
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_relay_acceptance_min_wait(Some(Duration::ZERO))
        .with_include_loopback_candidate(loopback)
        // A restart has sockets of its own, as the addresses may be others.
        .with_discard_local_candidates_during_ice_restart(true)
        .with_multicast_dns_mode(if loopback { MulticastDnsMode::Disabled } else { mdns })
        .with_multicast_dns_local_ip(interfaces::main().filter(is_private))
        .build();
    let (reporter, webrtc_events) = Reporter::new();
    let guard = Guard::new(reach == Reach::Relay);
    let (servers, stream_relays) = StreamRelays::of(&config.ice_servers);
    let webrtc = PeerConnectionBuilder::new()
        .with_configuration(configuration(&servers, RTCIceTransportPolicy::All))
        .with_media_engine(media)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(reporter))
        .with_runtime(Arc::new(GuardedRuntime::new(guard.clone(), stream_relays)))
        .with_udp_addrs(vec![Addresses(config.addresses.clone())])
        .with_data_channel_send_buffer_limit(MAX_CONTROL_BUFFER)
        .build()
        .await
        .context("opening the media connection")?;
    if reach == Reach::Relay {
        // Only now: the crate lets what it is built with be narrowed, and not widened.
        webrtc.set_configuration(configuration(&servers, RTCIceTransportPolicy::Relay)).await?;
    }
    // Always both, so that nothing has to be negotiated anew when a microphone is plugged in.
    let stream_id = format!("meoww-{:08x}", rand::random::<u32>());
    let local = |kind, codec, clock| {
        let track = Arc::new(TrackLocalStaticRTP::new(track(&stream_id, kind, codec)));
        LocalTrack { track, clock }
    };
    let video = local(RtpCodecKind::Video, h264(), pictures);
    let sound = local(RtpCodecKind::Audio, opus(), sound);
    let video_sender = webrtc.add_track(video.track.clone()).await?;
    let sound_sender = webrtc.add_track(sound.track.clone()).await?;
    let negotiation = Negotiation::new(config.is_initiator, reach);
    let webrtc = Arc::new(webrtc);
    let direct = (direct, configuration(&servers, RTCIceTransportPolicy::All));
    let transport = Transport { negotiation, guard, direct, webrtc, video_sender, sound_sender };
    Ok(Connection { transport, webrtc_events, video, sound, estimate, flood, round_trip, twice })
}

fn configuration(servers: &[IceServer], policy: RTCIceTransportPolicy) -> RTCConfiguration {
    let server = |server: &IceServer| RTCIceServer {
        urls: vec![server.urls.clone()],
        username: server.username.clone().unwrap_or_default(),
        credential: server.credential.clone().unwrap_or_default(),
    };
    RTCConfigurationBuilder::new()
        .with_ice_servers(servers.iter().map(server).collect())
        .with_ice_transport_policy(policy)
        .build()
}

/// One socket for each address of this machine, as they are when sockets are opened; of loopback where
/// there is no other.
struct Addresses(watch::Receiver<Vec<IpAddr>>);

impl ToSocketAddrs for Addresses {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let known = self.0.borrow().clone();
        let usable = known.into_iter().map(|ip| SocketAddr::new(ip, 0));
        // A connection that finds no socket at all ends, and an address may be gone by now.
        let mut usable: Vec<_> = usable.filter(|at| UdpSocket::bind(at).is_ok()).collect();
        if usable.is_empty() {
            usable.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        Ok(usable.into_iter())
    }
}
