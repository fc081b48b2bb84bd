//! One side of a simulated call: what packets really pass, between a model of an encoder and the
//! assembly of pictures.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use meoww_paint::Grid;
use rtc::{
    interceptor::{Interceptor, Packet, RTCPFeedback, RTPHeaderExtension, StreamInfo},
    peer_connection::configuration::media_engine::MediaEngine,
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp,
};
use tokio::sync::watch;

use super::seen::Seen;
use crate::{
    peer::{
        allocate::Shares,
        chain::{Chain, chain},
        estimate::CongestionControl,
        stage::made,
        tracks::{
            assemble::{self, Assembler, Unit},
            keyframes::Keyframes,
            lip_sync::LipSync,
            shape::Shape,
        },
    },
    sound::{
        SILENCE,
        playout::Playout,
        room::{OpusPacket, Received},
    },
};

const SOUND: u32 = 1;
const PICTURES: u32 = 2;
/// A packet of sound, of 20 ms (RFC 6716, table 2).
const SOUND_CONFIGURATION: u8 = 31 << 3;
const MAX_PAYLOAD: usize = 1_150;
/// Size of what is filmed, and what encoders cannot do with less of, in bits a pixel.
const CAMERA: (usize, usize) = (640, 480);
const COARSEST: f64 = 0.01;
/// A key frame has as many bits as so many others.
const KEY: f64 = 4.0;

/// One side of a call.
pub(super) struct End {
    pub(super) chain: Box<dyn Interceptor>,
    pub(super) estimate: watch::Receiver<u32>,
    pub(super) flood: watch::Receiver<bool>,
    round_trip: watch::Sender<Duration>,
    twice: watch::Receiver<bool>,
    shape: Shape,
    sequences: [u16; 2],
    /// Packets that came, by stream and sequence number.
    came: HashSet<(u32, u16)>,
    frame: u32,
    dice: u32,
    assembler: Assembler,
    keyframes: Keyframes,
    lip_sync: LipSync<Duration>,
    /// Number of the last picture that could be decoded.
    decoded: Option<u32>,
    /// Where sound is heard.
    pub(super) playout: Option<Playout>,
    /// The grid of the partner's terminal.
    pub(super) grid: Grid,
    /// Bits a pixel beyond which what is filmed gets no better.
    pub(super) enough: f64,
    pub(super) seen: Seen,
}

impl End {
    pub(super) fn new() -> Self {
        let Chain { registry, estimate, flood, round_trip, twice, .. } =
            chain(&mut MediaEngine::default(), CongestionControl::Ours).unwrap();
        let mut chain = Box::new(registry.build());
        for stream in [stream(SOUND, "audio/opus", false), stream(PICTURES, "video/H264", true)] {
            chain.bind_local_stream(&stream);
            chain.bind_remote_stream(&stream);
        }
        Self {
            chain,
            estimate,
            flood,
            round_trip,
            twice,
            shape: Shape::default(),
            sequences: [0; 2],
            came: HashSet::new(),
            frame: 0,
            dice: 1,
            assembler: Assembler::default(),
            keyframes: Keyframes::new(),
            lip_sync: LipSync::default(),
            decoded: None,
            playout: None,
            grid: Grid::FULL,
            enough: f64::INFINITY,
            seen: Seen::default(),
        }
    }

    fn write(&mut self, now: Instant, ssrc: u32, marker: bool, at: Duration, payload: Bytes) {
        let sequence = &mut self.sequences[ssrc as usize - 1];
        let sequence_number = *sequence;
        *sequence = sequence.wrapping_add(1);
        let timestamp = at.as_millis() as u32;
        let header = rtp::Header {
            version: 2,
            marker,
            sequence_number,
            timestamp,
            ssrc,
            ..Default::default()
        };
        self.send(now, Packet::Rtp(rtp::Packet { header, payload }));
    }

    fn send(&mut self, now: Instant, packet: Packet) {
        self.chain.handle_write(made(now, packet)).unwrap();
    }

    /// Takes twice what the last sound took, as ICE would measure it.
    pub(super) fn measure_round_trip(&mut self) {
        let Some(round_trip) = self.seen.sound.last().map(|sound| *sound * 2) else { return };
        self.round_trip.send_replace(round_trip);
        self.assembler.set_round_trip(round_trip);
        self.keyframes.set_round_trip(round_trip);
    }

    /// Says and films what is due.
    pub(super) fn send_media(&mut self, now: Instant, at: Duration, ms: u64) {
        let Shares { sound, picture } = Shares::of(*self.estimate.borrow(), true);
        let times = if *self.twice.borrow() { 2 } else { 1 };
        // The microphone is off until the partner is seen.
        if ms.is_multiple_of(20) && self.decoded.is_some() {
            self.seen.sound_sent += 1;
            let mut payload = vec![0; sound as usize / 50 / 8];
            payload[0] = SOUND_CONFIGURATION;
            self.write(now, SOUND, false, at, payload.into());
        }
        if (ms % 100).is_multiple_of(33)
            && ms % 100 < 99
            && let Some(plan) = self.shape.plan(now, CAMERA, self.grid, picture / times)
        {
            self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = 0.8 + 0.4 * f64::from(self.dice >> 8) / f64::from(1 << 24);
            let pixels = (plan.size.0 * plan.size.1) as f64;
            let wanted = (f64::from(plan.bps) / 30.0).min(pixels * self.enough);
            let bits = wanted * noise * if plan.key { KEY } else { 1.0 };
            let bytes = (bits.max(pixels * COARSEST) / 8.0) as usize;
            self.shape.coded(now, bytes, plan.key);
            let frame = self.frame.to_be_bytes();
            self.frame += 1;
            let packets = bytes.div_ceil(MAX_PAYLOAD).max(1);
            for packet in 0..packets {
                let kind = if plan.key && packet == 0 { 0x67 } else { 0x61 };
                let mut payload = [&[kind][..], &frame].concat();
                payload.resize((bytes / packets).max(5), 1);
                self.write(now, PICTURES, packet + 1 == packets, at, payload.into());
            }
        }
    }

    pub(super) fn received(&mut self, now: Instant, at: Duration, packet: Packet) {
        // As replay protection does (RFC 3711, section 3.3.2).
        if let Packet::Rtp(rtp::Packet { header, .. }) = &packet
            && !self.came.insert((header.ssrc, header.sequence_number))
        {
            return;
        }
        self.chain.handle_read(made(now, packet)).unwrap();
        while let Some(packet) = self.chain.poll_read() {
            match packet.message.packet {
                Packet::Rtp(rtp::Packet { header, payload }) if header.ssrc == SOUND => {
                    let rtp::Header { ssrc, sequence_number: sequence, timestamp, .. } = header;
                    self.seen.sound.push(at - Duration::from_millis(timestamp.into()));
                    let timestamp = timestamp.wrapping_mul(48);
                    let packet = OpusPacket { ssrc, sequence, timestamp, payload, arrived: now };
                    if let Some(playout) = &mut self.playout {
                        playout.receive(Received::Packet(packet));
                    }
                }
                Packet::Rtp(rtp::Packet { header, payload }) => {
                    let rtp::Header { sequence_number: sequence, marker, timestamp, .. } = header;
                    let packet = assemble::Packet { sequence, marker, timestamp, payload };
                    self.assembler.push(packet, now);
                }
                Packet::Rtcp(packets) => {
                    let asked =
                        packets.iter().any(|packet| packet.as_any().is::<PictureLossIndication>());
                    if asked {
                        self.shape.want_key();
                    }
                }
                _ => {}
            }
        }
    }

    /// Plays a block of sound.
    pub(super) fn play(&mut self, now: Instant, at: Duration) {
        let Some(playout) = &mut self.playout else { return };
        let before = playout.figures().concealed;
        playout.play(now, &mut SILENCE.clone());
        // Samples are counted once the next packet tells that they were not silence.
        let blocks = (playout.figures().concealed - before).div_ceil(SILENCE.len() as u64);
        self.seen.concealed.extend((0..blocks).map(|_| at));
    }

    /// Decodes and shows what is due, and asks for what is missing.
    pub(super) fn show(&mut self, now: Instant, at: Duration) {
        while let Some(unit) = self.assembler.pop(now) {
            let Unit::Whole(stream, timestamp) = unit else {
                self.keyframes.lost();
                continue;
            };
            let frame = u32::from_be_bytes(stream[5..9].try_into().unwrap());
            let is_key = stream[4] == 0x67;
            if is_key || self.decoded.is_some_and(|last| frame == last + 1) {
                self.decoded = Some(frame);
                self.keyframes.decoded();
                let sent = Duration::from_millis(timestamp.into());
                self.lip_sync.push(timestamp.wrapping_mul(90), sent, None, now);
            } else {
                self.keyframes.lost();
            }
        }
        if let Some(sent) = self.lip_sync.pop(now) {
            self.seen.shown.push((at, at - sent));
        }
        if self.keyframes.is_needed() && self.keyframes.ask(now) {
            self.seen.keys_asked += 1;
            let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: PICTURES };
            self.send(now, Packet::Rtcp(vec![Box::new(request)]));
        }
    }
}

fn stream(ssrc: u32, mime_type: &str, is_repeated: bool) -> StreamInfo {
    let feedback = |kind: &str| RTCPFeedback { typ: kind.to_owned(), parameter: String::new() };
    let mut rtcp_feedback = vec![feedback("transport-cc")];
    rtcp_feedback.extend(is_repeated.then(|| feedback("nack")));
    let uri = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    StreamInfo {
        ssrc,
        mime_type: mime_type.to_owned(),
        rtcp_feedback,
        rtp_header_extensions: vec![RTPHeaderExtension { uri: uri.to_owned(), id: 5 }],
        ..StreamInfo::default()
    }
}
