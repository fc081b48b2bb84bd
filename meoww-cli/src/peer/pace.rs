//! Spreads packets of pictures over time, so that sound does not wait behind a key frame in the queue
//! of a narrow path.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Attribute, Packet, StreamInfo, TaggedPacket},
    rtp,
    shared::marshal::MarshalSize,
};
use tokio::sync::watch;

use super::{
    allocate::{LEAST_SOUND, SOUND_OVERHEAD},
    stage::{Passing, Stage, is_video},
};

/// As fast as this many times what sound leaves of the estimate: a path is rarely as narrow as it is
/// estimated, and a picture is not to be late. And this part of all at least.
const SPEED: f64 = 1.5;
const LEAST_PART: f64 = 0.3;
/// Timers are no more exact than this.
const TIMER: Duration = Duration::from_millis(1);
/// Packets that may wait. The sender leaves out pictures long before; what is asked for again beyond
/// that is not repeated.
const MAX_WAITING: usize = 512;
/// Repetitions pass other pictures, which wait for them at the partner's. Nothing is repeated
/// behind so many seconds of repetitions: it is asked for again if it is still of use.
const MAX_REPEATS: f64 = 0.150;

/// In the chain of interceptors, below all that makes packets.
pub(super) struct Pacer {
    /// Bits a second.
    estimate: watch::Receiver<u32>,
    /// Counts packets that are sent.
    sent: Arc<AtomicU32>,
    /// The streams that are paced.
    pictures: HashSet<u32>,
    waiting: VecDeque<TaggedPacket>,
    /// When the next one may leave.
    free: Option<Instant>,
}

impl Pacer {
    pub(super) fn new(estimate: watch::Receiver<u32>, sent: Arc<AtomicU32>) -> Self {
        Self { estimate, sent, pictures: HashSet::new(), waiting: VecDeque::new(), free: None }
    }

    fn picture<'a>(&self, packet: &'a TaggedPacket) -> Option<&'a rtp::Packet> {
        match &packet.message.packet {
            Packet::Rtp(rtp) if self.pictures.contains(&rtp.header.ssrc) => Some(rtp),
            _ => None,
        }
    }

    /// Whether there is no room for a packet, or it waits already.
    fn is_refused(&self, packet: &TaggedPacket) -> bool {
        if !packet.message.has(&Attribute::Retransmission) {
            return self.waiting.len() >= MAX_WAITING;
        }
        let number = |packet| self.picture(packet).map(|rtp| rtp.header.sequence_number);
        self.repeats().map(bits).sum::<f64>() / self.speed() > MAX_REPEATS
            || self.waiting.iter().any(|waiting| number(waiting) == number(packet))
    }

    /// The repetitions that wait: before all others.
    fn repeats(&self) -> impl Iterator<Item = &TaggedPacket> {
        self.waiting.iter().take_while(|packet| packet.message.has(&Attribute::Retransmission))
    }

    /// Bits a second.
    fn speed(&self) -> f64 {
        let estimate = f64::from(*self.estimate.borrow());
        let sound = f64::from(LEAST_SOUND + SOUND_OVERHEAD);
        ((estimate - sound).max(estimate * LEAST_PART) * SPEED).max(1.0)
    }

    fn release(&mut self, now: Instant, out: &mut Passing) {
        while self.free.is_none_or(|free| free <= now + TIMER)
            && let Some(mut packet) = self.waiting.pop_front()
        {
            let took = Duration::from_secs_f64(bits(&packet) / self.speed());
            self.free = Some(self.free.map_or(now, |free| free.max(now)) + took);
            // The time under way begins now.
            packet.now = now;
            out.outgoing(packet);
        }
    }
}

fn bits(packet: &TaggedPacket) -> f64 {
    match &packet.message.packet {
        Packet::Rtp(rtp) => rtp.marshal_size() as f64 * 8.0,
        _ => 0.0,
    }
}

impl Stage for Pacer {
    fn outgoing(&mut self, packet: TaggedPacket, out: &mut Passing) {
        if matches!(packet.message.packet, Packet::Rtp(_)) {
            self.sent.fetch_add(1, Relaxed);
        }
        if self.picture(&packet).is_none() {
            out.outgoing(packet);
        } else if !self.is_refused(&packet) {
            let now = packet.now;
            let is_repeat = packet.message.has(&Attribute::Retransmission);
            let place = if is_repeat { self.repeats().count() } else { self.waiting.len() };
            self.waiting.insert(place, packet);
            self.release(now, out);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.free.filter(|_| !self.waiting.is_empty())
    }

    fn elapsed(&mut self, now: Instant, out: &mut Passing) {
        self.release(now, out);
    }

    fn bind_local(&mut self, info: &StreamInfo) {
        if is_video(info) {
            self.pictures.insert(info.ssrc);
        }
    }

    fn unbind_local(&mut self, info: &StreamInfo) {
        self.pictures.remove(&info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use rtc::{interceptor::Interceptor, sansio::Protocol};

    use super::{
        super::stage::{Staged, made},
        *,
    };
    use crate::clock;

    const PICTURES: u32 = 7;

    fn packet(ssrc: u32, sequence_number: u16, now: Instant) -> TaggedPacket {
        let header = rtp::Header { version: 2, ssrc, sequence_number, ..Default::default() };
        // With its header of 12 bytes, 8000 bits.
        let packet = rtp::Packet { header, payload: vec![0; 988].into() };
        made(now, Packet::Rtp(packet))
    }

    fn pacer(bps: u32) -> Staged<Pacer> {
        let mut pacer = Staged::new(Pacer::new(watch::channel(bps).1, Arc::default()));
        let mime_type = "video/H264".to_owned();
        pacer.bind_local_stream(&StreamInfo { ssrc: PICTURES, mime_type, ..Default::default() });
        pacer
    }

    /// Sequence numbers that leave until then.
    fn left(pacer: &mut Staged<Pacer>) -> Vec<u16> {
        let number = |packet: TaggedPacket| match packet.message.packet {
            Packet::Rtp(rtp) => rtp.header.sequence_number,
            _ => unreachable!(),
        };
        std::iter::from_fn(|| pacer.poll_write().map(number)).collect()
    }

    #[test]
    fn pictures_are_spread_and_sound_passes_them() {
        let (mut pacer, start) = (pacer(100_000), clock::now());
        for number in 0..5 {
            pacer.handle_write(packet(PICTURES, number, start)).unwrap();
        }
        pacer.handle_write(packet(8, 100, start)).unwrap();
        assert_eq!(left(&mut pacer), [0, 100]);
        // 100 - 24 - 23.2 = 52.8 kbit/s are left by sound; at 79.2 kbit/s, 8000 bits take 101 ms.
        let due = pacer.poll_timeout().unwrap() - start;
        assert!((due.as_secs_f64() - 0.101).abs() < 0.001, "{due:?}");
        pacer.handle_timeout(start + Duration::from_millis(20)).unwrap();
        assert!(left(&mut pacer).is_empty());
        pacer.handle_timeout(start + due).unwrap();
        assert_eq!(left(&mut pacer), [1]);
        // It does not make up for timers that were late.
        pacer.handle_timeout(start + Duration::from_secs(1)).unwrap();
        assert_eq!(left(&mut pacer), [2]);
    }

    #[test]
    fn a_fast_path_holds_nothing_up() {
        let (mut pacer, start) = (pacer(100_000_000), clock::now());
        for number in 0..10 {
            pacer.handle_write(packet(PICTURES, number, start)).unwrap();
        }
        let numbers: Vec<u16> = (0..10).collect();
        assert_eq!(left(&mut pacer), numbers);
        assert_eq!(pacer.poll_timeout(), None);
    }

    #[test]
    fn what_is_asked_for_again_passes_other_pictures() {
        let (mut pacer, start) = (pacer(1_000_000), clock::now());
        for number in 10..15 {
            pacer.handle_write(packet(PICTURES, number, start)).unwrap();
        }
        for number in [3, 4] {
            let mut again = packet(PICTURES, number, start);
            again.message.add(Attribute::Retransmission);
            pacer.handle_write(again).unwrap();
        }
        let mut numbers = Vec::new();
        while let Some(due) = pacer.poll_timeout() {
            pacer.handle_timeout(due).unwrap();
            numbers.extend(left(&mut pacer));
        }
        assert_eq!(numbers, [10, 3, 4, 11, 12, 13, 14]);
    }

    /// A stranger asks for everything again and again.
    #[test]
    fn what_is_asked_for_again_is_repeated_once_and_bounded() {
        let (mut pacer, start) = (pacer(50_000), clock::now());
        for round in 0..100 {
            for number in 0..200 {
                let mut again = packet(PICTURES, number, start);
                again.message.add(Attribute::Retransmission);
                pacer.handle_write(again).unwrap();
                // 22.5 kbit/s in 150 ms are 3375 bits: more than one does not wait.
                assert!(pacer.stage.waiting.len() <= 1, "{round}");
            }
        }
        for number in 0..10_000 {
            pacer.handle_write(packet(PICTURES, number, start)).unwrap();
        }
        assert_eq!(pacer.stage.waiting.len(), MAX_WAITING);
    }
}
