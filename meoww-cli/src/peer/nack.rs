//! Asks for missing packets (generic NACK, RFC 4585, section 6.2.1): soon, and again as often as an
//! answer could have come and has not.
//!
//! Not the generator of the `rtc` crate, which asks at fixed times: over a path of 300 ms, each packet
//! would be sent again seven times before the first copy can be here.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use rtc::{
    interceptor::{Packet, StreamInfo, TaggedPacket},
    rtcp::transport_feedbacks::transport_layer_nack::{
        TransportLayerNack, nack_pairs_from_sequence_numbers,
    },
};
use tokio::sync::watch;

use super::stage::{Passing, Stage, made};

/// Packets that others overtake come within this time, and are not asked for.
const OVERTAKEN: Duration = Duration::from_millis(10);
/// Each time, a packet is asked for twice, this far apart: a request or an answer that is lost would
/// cost a round trip, and a second answer costs a packet.
const SECOND_REQUEST: Duration = Duration::from_millis(20);
/// Beyond the round trip until a packet is asked for once more: the sender's pacing.
const ANSWER: Duration = Duration::from_millis(25);
/// The round trip before it is measured.
pub(super) const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Those due within this time are asked for together.
const TOGETHER: Duration = Duration::from_millis(4);
/// Requests for one packet, and the time from the first to the last: after that, the picture is given
/// up.
const MAX_REQUESTS: u32 = 10;
const GIVEN_UP_AFTER: Duration = Duration::from_secs(1);
/// Packets of a stream that are missing at once. After a larger gap it is another stream, or the path
/// was down.
const MAX_MISSING: usize = 256;

/// A packet that has not come.
struct Missing {
    since: Instant,
    due: Instant,
    requests: u32,
}

#[derive(Default)]
struct Stream {
    /// Extended sequence number of the newest packet (RFC 3550, appendix A.1).
    newest: Option<i64>,
    missing: BTreeMap<i64, Missing>,
}

impl Stream {
    fn received(&mut self, sequence: u16, now: Instant) {
        let newest = *self.newest.get_or_insert(i64::from(sequence));
        let step = sequence.wrapping_sub(newest as u16).cast_signed();
        let number = newest + i64::from(step);
        self.missing.remove(&number);
        if step <= 0 {
            return;
        }
        self.newest = Some(number);
        let gap = newest + 1..number;
        if self.missing.len() + step.unsigned_abs() as usize > MAX_MISSING {
            return self.missing.clear();
        }
        let missing = |number| (number, Missing { since: now, due: now + OVERTAKEN, requests: 0 });
        self.missing.extend(gap.map(missing));
    }

    /// The sequence numbers to ask for now.
    fn due(&mut self, now: Instant, round_trip: Duration) -> Vec<u16> {
        self.missing.retain(|_, packet| {
            packet.requests < MAX_REQUESTS && now < packet.since + GIVEN_UP_AFTER
        });
        let due = self.missing.iter_mut().filter(|(_, packet)| packet.due <= now + TOGETHER);
        let asked = due.map(|(number, packet)| {
            packet.requests += 1;
            let is_second = packet.requests.is_multiple_of(2);
            packet.due = now + if is_second { round_trip + ANSWER } else { SECOND_REQUEST };
            *number as u16
        });
        asked.collect()
    }
}

/// In the chain of interceptors.
pub(super) struct NackRequests {
    round_trip: watch::Receiver<Duration>,
    streams: HashMap<u32, Stream>,
}

impl NackRequests {
    pub(super) fn new(round_trip: watch::Receiver<Duration>) -> Self {
        Self { round_trip, streams: HashMap::new() }
    }
}

impl Stage for NackRequests {
    fn incoming(&mut self, packet: TaggedPacket, out: &mut Passing) {
        if let Packet::Rtp(rtp) = &packet.message.packet
            && let Some(stream) = self.streams.get_mut(&rtp.header.ssrc)
        {
            stream.received(rtp.header.sequence_number, packet.now);
        }
        out.incoming(packet);
    }

    fn due(&self) -> Option<Instant> {
        let missing = self.streams.values().flat_map(|stream| stream.missing.values());
        missing.map(|packet| packet.due).min()
    }

    fn elapsed(&mut self, now: Instant, out: &mut Passing) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        let round_trip = *self.round_trip.borrow();
        for (&media_ssrc, stream) in &mut self.streams {
            let due = stream.due(now, round_trip);
            if due.is_empty() {
                continue;
            }
            let nacks = nack_pairs_from_sequence_numbers(&due);
            let request = TransportLayerNack { sender_ssrc: 0, media_ssrc, nacks };
            out.outgoing(made(now, Packet::Rtcp(vec![Box::new(request)])));
        }
    }

    fn bind_remote(&mut self, info: &StreamInfo) {
        let takes_requests = |kind: &str, parameter: &str| kind == "nack" && parameter.is_empty();
        if info
            .rtcp_feedback
            .iter()
            .any(|feedback| takes_requests(&feedback.typ, &feedback.parameter))
        {
            self.streams.insert(info.ssrc, Stream::default());
        }
    }

    fn unbind_remote(&mut self, info: &StreamInfo) {
        self.streams.remove(&info.ssrc);
    }
}
