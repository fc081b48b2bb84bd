//! Calls over emulated networks in virtual time: what packets really pass on their way (pacing,
//! retransmission, feedback, our estimate), with a model of an encoder before it and the assembly of
//! pictures behind it. Minutes of calls take seconds, and always end the same.

mod end;
mod seen;
mod tests;

use std::{collections::BTreeMap, time::Duration};

use meoww_examples::network::{Network, Profile, Way};
use rtc::{interceptor::Packet, shared::marshal::MarshalSize};

use self::{
    end::End,
    seen::{Seen, percentile},
};
use crate::{clock, sound::playout::Playout};

const TICK: Duration = Duration::from_millis(1);
const BLOCK: Duration = Duration::from_millis(10);
/// IPv4, UDP, authentication.
const LOWER_HEADERS: usize = 38;

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
        Self::run_between([End::new(), End::new()], profile, seconds)
    }

    /// Likewise, with sound that is played.
    fn heard(profile: &str, seconds: u64) -> Self {
        let ends = [(); 2].map(|()| {
            let mut end = End::new();
            end.playout = Playout::new(clock::now()).ok();
            end
        });
        Self::run_between(ends, Profile::named(profile).unwrap(), seconds)
    }

    fn run_between(ends: [End; 2], profile: Profile, seconds: u64) -> Self {
        Self::run_after(Duration::ZERO, ends, profile, seconds)
    }

    /// Likewise, where others have used the network for some time.
    fn run_after(before: Duration, mut ends: [End; 2], profile: Profile, seconds: u64) -> Self {
        let mut network = Network::new(profile, 1);
        if before > Duration::ZERO {
            let _ = network.carry(Way::There, Duration::ZERO, 0);
        }
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
                if ms.is_multiple_of(1000) {
                    end.measure_round_trip();
                }
                if end.chain.poll_timeout().is_some_and(|due| due <= now) {
                    end.chain.handle_timeout(now).unwrap();
                }
                end.send_media(now, at, ms);
                end.show(now, at);
                if ms.is_multiple_of(10) {
                    end.play(now, at);
                }
                if ms.is_multiple_of(100) {
                    let estimate = *end.estimate.borrow();
                    end.seen.estimates.push((at, estimate));
                }
                while let Some(packet) = end.chain.poll_write() {
                    let packet = packet.message.packet;
                    let way = [Way::There, Way::Back][from];
                    for arrival in
                        network.carry(way, before + at, size(&packet)).into_iter().flatten()
                    {
                        number += 1;
                        under_way.insert((arrival - before, number), (1 - from, packet.clone()));
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
