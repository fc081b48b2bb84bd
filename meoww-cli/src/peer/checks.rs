//! How often addresses that have not answered are sent connectivity checks.
//!
//! A partner names addresses, and may name anyone's. The `rtc` crate checks each pair at every tick;
//! RFC 8445 (section 14) wants checks paced, so that nobody is flooded on a partner's word. Here an
//! address gets one check at once, and the next after ever longer gaps, until it answers one, which
//! only who got it can; and all that have not answered together get one each [`TA`]. The gaps begin
//! shorter than the 500 ms of section 14.3, as a check that comes before the partner's NAT is open is
//! lost, and are longer in the end. A check of theirs is always answered with one, as that is what
//! opens the way through a NAT.
//!
//! Checks that go through a TURN relay are counted like those that do not.

mod stun;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use self::stun::{RESPONSE_BIT, Via, stun, unwrap};
pub(super) use self::stun::{is_stun, payload};

/// Between two checks of all addresses that have not answered: the least that RFC 8445 (section 14.2)
/// allows.
pub(super) const TA: Duration = Duration::from_millis(5);
/// Between the first two checks of one address, and the last two.
const FIRST_GAP: Duration = Duration::from_millis(20);
const LONGEST_GAP: Duration = Duration::from_millis(1600);
/// Likewise of a machine that has answered before, in another generation.
const KNOWN_GAP: Duration = Duration::from_millis(200);
/// How long direct paths are tried before relayed ones, when ICE begins anew.
const DIRECT_FIRST: Duration = Duration::from_millis(600);
/// Addresses that are checked at most; there are fewer pairs of candidates.
const MAX_TARGETS: usize = 256;
/// Checks of one address that may still be answered.
const MAX_PENDING: usize = 16;

/// From where to where: over which socket, and by a relay to whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    local: SocketAddr,
    remote: SocketAddr,
    via: Via,
}

impl Target {
    /// The address without the port, where it is known.
    fn machine(&self) -> Option<Vec<u8>> {
        match (&self.via, self.remote.ip()) {
            (Via::Direct, IpAddr::V4(v4)) => Some(v4.octets().to_vec()),
            (Via::Direct, IpAddr::V6(v6)) => Some(v6.octets().to_vec()),
            // Reserved, family and port come first.
            (Via::Peer(address), _) => address.get(4..).map(<[u8]>::to_vec),
            (Via::Channel(_), _) => None,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    answered: bool,
    sent: u32,
    next: Option<Instant>,
    pending: VecDeque<[u8; 12]>,
}

/// The decision on a packet that is to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Now,
    /// In its turn, one each [`TA`].
    Paced,
    Never,
}

/// The account of one connection.
#[derive(Debug, Default)]
pub(super) struct Checks {
    targets: HashMap<Target, State>,
    /// Machines that have answered in this call.
    known: HashSet<Vec<u8>>,
    /// Until when no check goes through a relay.
    direct_until: Option<Instant>,
}

impl Checks {
    /// ICE begins anew. Direct paths may be tried first, as the first that is found is used.
    pub(super) fn restarted(&mut self, now: Instant, is_direct_first: bool) {
        self.targets.clear();
        self.direct_until = is_direct_first.then(|| now + DIRECT_FIRST);
    }

    /// Whether a packet may go out.
    pub(super) fn may_send(
        &mut self,
        now: Instant,
        (local, remote): (SocketAddr, SocketAddr),
        packet: &[u8],
    ) -> Verdict {
        let (via, inner) = unwrap(packet);
        let Some((0, transaction)) = stun(inner) else {
            return Verdict::Now;
        };
        if via != Via::Direct && self.direct_until.is_some_and(|until| now < until) {
            return Verdict::Never;
        }
        let target = Target { local, remote, via };
        if !self.targets.contains_key(&target) && self.targets.len() >= MAX_TARGETS {
            return Verdict::Never;
        }
        let is_known = target.machine().is_some_and(|machine| self.known.contains(&machine));
        let state = self.targets.entry(target).or_default();
        if !state.answered {
            if state.next.is_some_and(|next| now < next) {
                return Verdict::Never;
            }
            let gap = FIRST_GAP * 2_u32.saturating_pow(state.sent.min(10));
            state.next = Some(now + gap.min(if is_known { KNOWN_GAP } else { LONGEST_GAP }));
            state.sent += 1;
        }
        if state.pending.len() == MAX_PENDING {
            state.pending.pop_front();
        }
        state.pending.push_back(transaction);
        if state.answered { Verdict::Now } else { Verdict::Paced }
    }

    /// Takes note of a packet that came in.
    pub(super) fn received(&mut self, (local, remote): (SocketAddr, SocketAddr), packet: &[u8]) {
        let (via, inner) = unwrap(packet);
        let Some((class, transaction)) = stun(inner) else {
            return;
        };
        let target = Target { local, remote, via };
        let Some(state) = self.targets.get_mut(&target) else {
            return;
        };
        if class & RESPONSE_BIT != 0 {
            if state.pending.contains(&transaction) {
                state.answered = true;
                if self.known.len() < MAX_TARGETS {
                    self.known.extend(target.machine());
                }
            }
        } else if class == 0 {
            state.next = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{stun::COOKIE, *};
    use crate::clock;

    const TICK: Duration = Duration::from_millis(20);
    const REQUEST: u16 = 0x0001;
    const SUCCESS: u16 = 0x0101;
    const SEND: u16 = 0x0016;

    fn message(kind: u16, transaction: u8, attributes: &[u8]) -> Vec<u8> {
        let length = (attributes.len() as u16).to_be_bytes();
        let parts = [&kind.to_be_bytes()[..], &length, &COOKIE, &[transaction; 12], attributes];
        parts.concat()
    }

    fn pair(n: u8) -> (SocketAddr, SocketAddr) {
        (([192, 0, 2, 2], 5000).into(), ([198, 51, 100, n], 6000).into())
    }

    /// Wrapped for a relay, to the peer `n`.
    fn relayed(n: u8, inner: &[u8]) -> Vec<u8> {
        let (length, peer) = ((inner.len() as u16).to_be_bytes(), [0, 1, 1, 1, n, 2, 2, 2]);
        let attributes = [&[0, 0x12, 0, 8][..], &peer, &[0, 0x13], &length, inner].concat();
        message(SEND, n, &attributes)
    }

    fn sends(
        checks: &mut Checks,
        now: Instant,
        pair: (SocketAddr, SocketAddr),
        packet: &[u8],
    ) -> bool {
        checks.may_send(now, pair, packet) != Verdict::Never
    }

    /// As the `rtc` crate checks: every pair at every tick, for four seconds. Returns how many checks
    /// each address got.
    fn checked(mut packet: impl FnMut(u8) -> ((SocketAddr, SocketAddr), Vec<u8>)) -> Vec<u32> {
        let (mut checks, start) = (Checks::default(), clock::now());
        let mut sent = vec![0; 24];
        for tick in 0..200 {
            for n in 0..24_u8 {
                let (pair, packet) = packet(n);
                let sends = sends(&mut checks, start + TICK * tick, pair, &packet);
                sent[usize::from(n)] += u32::from(sends);
            }
        }
        sent
    }

    /// 24 addresses at every tick were 4,800 checks. One gets them at 0, 20, 60, 140, 300, 620, 1260
    /// and 2540 ms.
    #[test]
    fn third_parties_get_a_few_checks_each() {
        let request = message(REQUEST, 1, &[]);
        assert_eq!(checked(|n| (pair(n), request.clone())), [8; 24]);
        assert_eq!(checked(|n| (pair(0), relayed(n, &request))), [8; 24], "behind a relay");
    }

    #[test]
    fn what_did_not_answer_is_paced() {
        let (mut checks, now) = (Checks::default(), clock::now());
        let request = message(REQUEST, 7, &[]);
        assert_eq!(checks.may_send(now, pair(1), &request), Verdict::Paced);
        checks.received(pair(1), &message(SUCCESS, 7, &[]));
        assert_eq!(checks.may_send(now, pair(1), &request), Verdict::Now);
        assert_eq!(checks.may_send(now, pair(2), &message(SUCCESS, 7, &[])), Verdict::Now);
    }

    /// After an outage, the partner is found soon at another port; others are left alone as ever.
    #[test]
    fn a_machine_that_answered_is_checked_more_often_after_a_restart() {
        let (mut checks, start) = (Checks::default(), clock::now());
        let request = message(REQUEST, 7, &[]);
        sends(&mut checks, start, pair(1), &request);
        checks.received(pair(1), &message(SUCCESS, 7, &[]));
        checks.restarted(start, false);
        let mut sent = [0; 2];
        for tick in 0..500 {
            for (n, count) in [1, 2].into_iter().zip(&mut sent) {
                let (local, mut remote) = pair(n);
                remote.set_port(7000);
                let now = start + TICK * tick;
                *count += u32::from(sends(&mut checks, now, (local, remote), &request));
            }
        }
        // Ten seconds: at 0, 20, 60, 140, 300 ms and then each 200; or at 0 to 2540 (eight) and then
        // each 1600.
        assert_eq!(sent, [5 + 48, 8 + 4]);
    }

    #[test]
    fn who_answered_is_checked_without_bounds() {
        let (mut checks, now) = (Checks::default(), clock::now());
        let check = |checks: &mut Checks| sends(checks, now, pair(1), &message(REQUEST, 7, &[]));
        assert!(check(&mut checks) && !check(&mut checks));
        // An answer to what was not asked, and one from elsewhere.
        checks.received(pair(1), &message(SUCCESS, 8, &[]));
        checks.received(pair(2), &message(SUCCESS, 7, &[]));
        assert!(!check(&mut checks));
        checks.received(pair(1), &message(SUCCESS, 7, &[]));
        assert!((0..1000).all(|_| check(&mut checks)));
        assert!(sends(&mut checks, now, pair(2), b"\x80media"), "what is no check");
    }

    #[test]
    fn relayed_paths_wait_for_direct_ones() {
        let (mut checks, now) = (Checks::default(), clock::now());
        let (direct, relayed) = (message(REQUEST, 7, &[]), relayed(2, &message(REQUEST, 8, &[])));
        checks.restarted(now, true);
        assert!(sends(&mut checks, now, pair(1), &direct));
        assert!(!sends(&mut checks, now + DIRECT_FIRST / 2, pair(1), &relayed));
        assert!(sends(&mut checks, now + DIRECT_FIRST, pair(1), &relayed));
    }

    /// It opens the way through this side's NAT when the partner's checks already come.
    #[test]
    fn a_check_is_answered_with_one_at_once() {
        let (mut checks, now) = (Checks::default(), clock::now());
        let request = message(REQUEST, 7, &[]);
        assert!(sends(&mut checks, now, pair(1), &request));
        assert!(!sends(&mut checks, now, pair(1), &request));
        checks.received(pair(1), &request);
        assert!(sends(&mut checks, now, pair(1), &request));
        assert!(!sends(&mut checks, now, pair(1), &request));
    }

    proptest! {
        #[test]
        fn noise_never_panics(packet in prop::collection::vec(any::<u8>(), 0..80), kind in 0..4_usize) {
            let mut packet = packet;
            let starts: [&[u8]; 4] = [&[], &[0, 0x16], &[0, 0x17], &[0x40, 1]];
            packet.splice(..starts[kind].len().min(packet.len()), starts[kind].iter().copied());
            let mut checks = Checks::default();
            checks.received(pair(1), &packet);
            checks.may_send(clock::now(), pair(1), &packet);
        }
    }
}
