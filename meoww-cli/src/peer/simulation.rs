//! Calls over emulated networks in virtual time: what packets really pass on their way (pacing,
//! retransmission, feedback, our estimate), with a model of an encoder before it and the assembly of
//! pictures behind it. Minutes of calls take seconds, and always end the same.

mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use meoww_examples::network::{Network, Profile, Way};
use meoww_paint::Grid;
use rtc::{
    interceptor::{
        AttributedPacket, Interceptor, Packet, RTCPFeedback, RTPHeaderExtension, StreamInfo,
        TaggedPacket,
    },
    peer_connection::configuration::media_engine::MediaEngine,
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp,
    shared::marshal::MarshalSize,
};
use tokio::sync::watch;

use super::{
    allocate::Shares,
    chain::{Chain, chain},
    tracks::{
        assemble::{self, Assembler, Unit},
        keyframes::Keyframes,
        lip_sync::LipSync,
        shape::Shape,
    },
};
use crate::clock;

const TICK: Duration = Duration::from_millis(1);
const SOUND: u32 = 1;
const PICTURES: u32 = 2;
/// IPv4, UDP, authentication.
const LOWER_HEADERS: usize = 38;
const MAX_PAYLOAD: usize = 1_150;
/// Size of what is filmed, and what encoders cannot do with less of, in bits a pixel.
const CAMERA: (usize, usize) = (640, 480);
const COARSEST: f64 = 0.01;
/// A key frame has as many bits as so many others.
const KEY: f64 = 4.0;

/// The call as a person on one side would notice it.
#[derive(Debug, Default)]
struct Seen {
    /// When pictures were shown, and how old they were.
    shown: Vec<(Duration, Duration)>,
    keys_asked: usize,
    sound_sent: usize,
    /// Ages of the packets of sound that came.
    sound: Vec<Duration>,
    /// The sender's estimate, ten times a second.
    estimates: Vec<(Duration, u32)>,
}

impl Seen {
    fn fps(&self, from: Duration, until: Duration) -> f64 {
        let shown = self.shown.iter().filter(|(at, _)| (from..until).contains(at)).count();
        shown as f64 / (until - from).as_secs_f64()
    }

    fn freeze(&self, from: Duration) -> Duration {
        let times = self.shown.iter().map(|(at, _)| *at).filter(|at| *at >= from);
        let times: Vec<_> = times.collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
    }

    fn age(&self, fraction: f64) -> Duration {
        percentile(self.shown.iter().map(|(_, age)| *age), fraction)
    }

    /// Part of the sound that came within so long.
    fn sound_within(&self, age: Duration) -> f64 {
        self.sound.iter().filter(|came| **came <= age).count() as f64 / self.sound_sent as f64
    }

    fn mean_estimate(&self, from: u64, until: u64) -> f64 {
        let time = Duration::from_secs(from)..Duration::from_secs(until);
        let of: Vec<_> = self.estimates.iter().filter(|(at, _)| time.contains(at)).collect();
        of.iter().map(|(_, bps)| f64::from(*bps)).sum::<f64>() / of.len() as f64
    }
}

fn percentile(values: impl Iterator<Item = Duration>, fraction: f64) -> Duration {
    let mut values: Vec<_> = values.collect();
    values.sort();
    let rank = (fraction * values.len() as f64) as usize;
    values.get(rank.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// One side of a call.
struct End {
    chain: Box<dyn Interceptor>,
    estimate: watch::Receiver<u32>,
    flood: watch::Receiver<bool>,
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
    seen: Seen,
}

impl End {
    fn new() -> Self {
        let Chain { registry, estimate, flood, round_trip, twice, .. } =
            chain(&mut MediaEngine::default()).unwrap();
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
        let message = AttributedPacket::new(packet);
        let packet = TaggedPacket { now, transport: Default::default(), message };
        self.chain.handle_write(packet).unwrap();
    }

    /// Says and films what is due.
    fn send_media(&mut self, now: Instant, at: Duration, ms: u64) {
        let Shares { sound, picture } = Shares::of(*self.estimate.borrow(), true);
        let times = if *self.twice.borrow() { 2 } else { 1 };
        if ms.is_multiple_of(20) {
            self.seen.sound_sent += 1;
            let payload = vec![0; sound as usize / 50 / 8];
            self.write(now, SOUND, false, at, payload.into());
        }
        if (ms % 100).is_multiple_of(33)
            && ms % 100 < 99
            && let Some(plan) = self.shape.plan(now, CAMERA, Grid::FULL, picture / times)
        {
            self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = 0.8 + 0.4 * f64::from(self.dice >> 8) / f64::from(1 << 24);
            let least = (plan.size.0 * plan.size.1) as f64 * COARSEST;
            let bits = f64::from(plan.bps) / 30.0 * noise * if plan.key { KEY } else { 1.0 };
            let bytes = (bits.max(least) / 8.0) as usize;
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

    fn received(&mut self, now: Instant, at: Duration, packet: Packet) {
        // As replay protection does (RFC 3711, section 3.3.2).
        if let Packet::Rtp(rtp::Packet { header, .. }) = &packet
            && !self.came.insert((header.ssrc, header.sequence_number))
        {
            return;
        }
        let message = AttributedPacket::new(packet);
        let packet = TaggedPacket { now, transport: Default::default(), message };
        self.chain.handle_read(packet).unwrap();
        while let Some(packet) = self.chain.poll_read() {
            match packet.message.packet {
                Packet::Rtp(rtp::Packet { header, .. }) if header.ssrc == SOUND => {
                    let sent = Duration::from_millis(header.timestamp.into());
                    self.seen.sound.push(at - sent);
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

    /// Decodes and shows what is due, and asks for what is missing.
    fn show(&mut self, now: Instant, at: Duration) {
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

/// A call of two sides over a network.
struct Call {
    ends: [End; 2],
    network: Network,
}

impl Call {
    fn run(profile: &str, seconds: u64) -> Self {
        Self::run_with(Profile::named(profile).unwrap(), seconds)
    }

    fn run_with(profile: Profile, seconds: u64) -> Self {
        let mut network = Network::new(profile, 1);
        let mut ends = [End::new(), End::new()];
        let start = clock::now();
        let mut under_way: BTreeMap<(Duration, u64), (usize, Packet)> = BTreeMap::new();
        let mut number = 0_u64;
        for ms in 0..seconds * 1000 {
            let at = TICK * ms as u32;
            let now = start + at;
            while let Some(entry) = under_way.first_entry().filter(|next| next.key().0 <= at) {
                let (to, packet) = entry.remove();
                ends[to].received(now, at, packet);
            }
            for (from, end) in ends.iter_mut().enumerate() {
                if ms.is_multiple_of(1000)
                    && let Some(sound) = end.seen.sound.last()
                {
                    // As ICE measures it, and as often.
                    let round_trip = *sound * 2;
                    end.round_trip.send_replace(round_trip);
                    end.assembler.set_round_trip(round_trip);
                    end.keyframes.set_round_trip(round_trip);
                }
                if end.chain.poll_timeout().is_some_and(|due| due <= now) {
                    end.chain.handle_timeout(now).unwrap();
                }
                end.send_media(now, at, ms);
                end.show(now, at);
                if ms.is_multiple_of(100) {
                    let estimate = *end.estimate.borrow();
                    end.seen.estimates.push((at, estimate));
                }
                while let Some(packet) = end.chain.poll_write() {
                    let packet = packet.message.packet;
                    let way = [Way::There, Way::Back][from];
                    for arrival in network.carry(way, at, size(&packet)).into_iter().flatten() {
                        number += 1;
                        under_way.insert((arrival, number), (1 - from, packet.clone()));
                    }
                }
            }
        }
        Self { ends, network }
    }

    /// The worse side, by pictures.
    fn seen(&self) -> &Seen {
        let [a, b] = self.ends.each_ref().map(|end| &end.seen);
        if a.shown.len() < b.shown.len() { a } else { b }
    }

    fn report(&self, seconds: u64) {
        let all = Duration::from_secs(1)..Duration::from_secs(seconds);
        for (end, way) in self.ends.iter().zip([Way::There, Way::Back]) {
            let (seen, record) = (&end.seen, self.network.record(way));
            println!(
                "{:10} fps {:5.1} freeze {:4} ms, age p50 {:4} p95 {:4} ms, keys {:2}, sound {:.3} p99 {:4} ms, \
                 queue {:4} ms, sent {:4} kbit/s, estimate {:4}",
                self.network.profile().name,
                seen.fps(all.start, all.end),
                seen.freeze(all.start).as_millis(),
                seen.age(0.5).as_millis(),
                seen.age(0.95).as_millis(),
                seen.keys_asked,
                seen.sound.len() as f64 / seen.sound_sent as f64,
                percentile(seen.sound.iter().copied(), 0.99).as_millis(),
                record.longest_queue.as_millis(),
                (record.sent_bps(all.clone()) / 1e3) as u32,
                (seen.mean_estimate(seconds / 2, seconds) / 1e3) as u32,
            );
        }
    }
}

fn size(packet: &Packet) -> usize {
    LOWER_HEADERS
        + match packet {
            Packet::Rtp(rtp) => rtp.marshal_size(),
            Packet::Rtcp(packets) => packets.iter().map(|packet| packet.marshal_size()).sum(),
            _ => 0,
        }
}
