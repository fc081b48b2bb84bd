//! The codecs of a call, and the tracks that are sent in them.

use rtc::{
    media_stream::MediaStreamTrack,
    peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS},
    rtp_transceiver::rtp_sender::{
        RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
        RTCRtpEncodingParameters, RtpCodecKind,
    },
};

use crate::picture::decode::LEVEL_IDC;

/// Ticks of the RTP clock of video in a second (RFC 6184, section 5.1).
pub(super) const VIDEO_RATE: u32 = 90_000;

/// What a track needs to be sent. Tracks of one stream are played in step.
pub(super) fn track(
    stream_id: &str,
    kind: RtpCodecKind,
    codec: RTCRtpCodecParameters,
) -> MediaStreamTrack {
    // Random: with the same track id on both sides, RTCP about it is lost.
    let track_id = format!("{kind}-{:016x}", rand::random::<u64>());
    let ssrc = Some(rand::random::<u32>());
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc, ..Default::default() },
        codec: codec.rtp_codec,
        ..Default::default()
    };
    MediaStreamTrack::new(stream_id.to_owned(), track_id, kind.to_string(), kind, vec![coding])
}

/// Constrained baseline, which every browser with H.264 has, at the level of the decoder: the level
/// says what may be sent to this side (RFC 6184, section 8.1), and what it sends is of level 3.1.
pub(super) fn h264() -> RTCRtpCodecParameters {
    let feedback = [("ccm", "fir"), ("nack", ""), ("nack", "pli"), ("transport-cc", "")];
    let feedback = feedback.map(|(kind, parameter)| RTCPFeedback {
        typ: kind.to_owned(),
        parameter: parameter.to_owned(),
    });
    let format = format!(
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e0{LEVEL_IDC:02x}"
    );
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_H264.to_owned(),
            clock_rate: VIDEO_RATE,
            channels: 0,
            sdp_fmtp_line: format,
            rtcp_feedback: feedback.to_vec(),
        },
        payload_type: 102,
    }
}

/// Always of two channels in a description (RFC 7587, section 7), though one is sent. It is not asked
/// for again when it is lost: it would come too late, and the next packet helps out (in-band FEC).
pub(super) fn opus() -> RTCRtpCodecParameters {
    let feedback = RTCPFeedback { typ: "transport-cc".to_owned(), parameter: String::new() };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1;usedtx=1".to_owned(),
            rtcp_feedback: vec![feedback],
        },
        payload_type: 111,
    }
}
