use proptest::prelude::*;
use rtc::{
    interceptor::{Interceptor, RTCPFeedback},
    rtp,
    sansio::Protocol,
};

use super::{super::stage::Staged, *};
use crate::clock;

const PICTURES: u32 = 7;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn requests(round_trip: Duration) -> Staged<NackRequests> {
    let mut requests = Staged::new(NackRequests::new(watch::channel(round_trip).1));
    let feedback = RTCPFeedback { typ: "nack".to_owned(), parameter: String::new() };
    let rtcp_feedback = vec![feedback];
    let stream = StreamInfo { ssrc: PICTURES, rtcp_feedback, ..Default::default() };
    requests.bind_remote_stream(&stream);
    requests
}

fn receive(requests: &mut Staged<NackRequests>, sequence_number: u16, now: Instant) {
    let header = rtp::Header { ssrc: PICTURES, sequence_number, ..Default::default() };
    let packet = rtp::Packet { header, payload: Default::default() };
    requests.handle_read(made(now, Packet::Rtp(packet))).unwrap();
}

/// The packets asked for at each millisecond of so many, from `start` on.
fn asked(requests: &mut Staged<NackRequests>, start: Instant, ms: u64) -> Vec<(u64, Vec<u16>)> {
    let mut asked = Vec::new();
    for ms in 0..ms {
        requests.handle_timeout(start + millis(ms)).unwrap();
        while let Some(packet) = requests.poll_write() {
            let Packet::Rtcp(packets) = packet.message.packet else { panic!("no RTCP") };
            let nack: &TransportLayerNack = packets[0].as_any().downcast_ref().unwrap();
            let pairs = nack.nacks.iter().flat_map(|pair| pair.packet_list());
            asked.push((ms, pairs.collect()));
        }
    }
    asked
}

#[test]
fn a_gap_is_asked_for_soon_twice_and_again_when_an_answer_is_missed() {
    let (mut requests, start) = (requests(millis(80)), clock::now());
    for sequence in [u16::MAX, 2, 3] {
        receive(&mut requests, sequence, start);
    }
    // 80 ms there and back, and 25 for the pacing of the sender.
    let both = vec![0, 1];
    let expected = [(10, both.clone()), (30, both.clone()), (135, both)];
    assert_eq!(asked(&mut requests, start, 140), expected);
    receive(&mut requests, 0, start + millis(140));
    assert_eq!(asked(&mut requests, start + millis(140), 100), [(15, vec![1])]);
    receive(&mut requests, 1, start + millis(230));
    assert_eq!(requests.poll_timeout(), None);
}

#[test]
fn what_is_only_overtaken_is_not_asked_for() {
    let (mut requests, start) = (requests(millis(80)), clock::now());
    for (sequence, at) in [(5, 0), (7, 1), (6, 9), (8, 10)] {
        receive(&mut requests, sequence, start + millis(at));
    }
    assert_eq!(asked(&mut requests, start, 1000), []);
}

#[test]
fn on_a_long_path_an_answer_is_waited_for_and_then_the_picture_is_given_up() {
    let (mut requests, start) = (requests(millis(300)), clock::now());
    receive(&mut requests, 5, start);
    receive(&mut requests, 7, start);
    let asked = asked(&mut requests, start, 3000);
    // 300 ms there and back and 25 for the pacing of the sender, from the second to the next first.
    let times: Vec<u64> = asked.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [10, 30, 355, 375, 700, 720]);
    assert_eq!(requests.poll_timeout(), None);
}

#[test]
fn after_an_outage_nothing_of_before_is_asked_for() {
    let (mut requests, start) = (requests(millis(80)), clock::now());
    receive(&mut requests, 5, start);
    receive(&mut requests, 1000, start + millis(5000));
    assert_eq!(asked(&mut requests, start + millis(5000), 1000), []);
}

proptest! {
    /// Whatever comes, requests and memory are bounded, and a timeout moves on.
    #[test]
    fn noise_is_bounded(packets in prop::collection::vec((any::<u16>(), 0u64..40), 0..500)) {
        let (mut requests, mut now) = (requests(millis(20)), clock::now());
        for (sequence, wait) in packets {
            now += millis(wait);
            receive(&mut requests, sequence, now);
            requests.handle_timeout(now).unwrap();
            prop_assert!(requests.poll_timeout().is_none_or(|due| due > now));
            prop_assert!(requests.stage.streams[&PICTURES].missing.len() <= MAX_MISSING);
            while requests.poll_write().is_some() {}
        }
    }
}
