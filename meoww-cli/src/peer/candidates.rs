//! Candidates (RFC 8839): which of the partner's are used. What this side's give away is in [`own`].
//!
//! Each address that is used is sent connectivity checks, and may be anyone's. So those that no
//! partner can have are left out, and of the rest a few of each kind are used: a browser names up
//! to twenty for two network addresses, and the ones that matter behind a NAT come last.

pub(super) mod own;

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
};

/// Addresses used of each kind.
const MAX_HOST: usize = 8;
const MAX_REFLEXIVE: usize = 4;
const MAX_RELAYED: usize = 4;
/// Ports below are those of services. A partner does not have one: neither systems nor NATs (RFC
/// 4787, REQ-3) give them to programs of users.
const FIRST_PORT: u16 = 1024;

/// How an address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Reflexive,
    Relayed,
}

/// One that could be used: of UDP, for the one component there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    kind: Kind,
    priority: u32,
    address: String,
    port: u16,
    text: String,
}

impl Candidate {
    /// `None` for what is malformed, or of no use to anyone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = text.strip_prefix("candidate:")?.split_ascii_whitespace().collect();
        let [_, "1", transport, priority, address, port, "typ", kind, ..] = words[..] else {
            return None;
        };
        let kind = match kind {
            "host" => Kind::Host,
            "srflx" | "prflx" => Kind::Reflexive,
            "relay" => Kind::Relayed,
            _ => return None,
        };
        transport.eq_ignore_ascii_case("udp").then_some(())?;
        Some(Self {
            kind,
            priority: priority.parse().ok()?,
            address: address.to_owned(),
            port: port.parse().ok()?,
            text: text.to_owned(),
        })
    }

    /// As it came.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// What this side can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All but its own machine.
    Network,
    /// Nothing else: it has no network.
    Loopback,
    /// What the operator of a relay lets it reach. Names of the local network (`.local`) are not
    /// looked up, as the question has an address.
    Relay,
}

/// What is used of one partner's candidates.
#[derive(Debug)]
pub(super) struct Chosen {
    reach: Reach,
    host: usize,
    reflexive: usize,
    relayed: usize,
    seen: HashSet<(String, u16)>,
    relays: Vec<SocketAddr>,
}

impl Chosen {
    pub(super) fn new(reach: Reach) -> Self {
        let (seen, relays) = (HashSet::new(), Vec::new());
        Self { reach, host: 0, reflexive: 0, relayed: 0, seen, relays }
    }

    /// Those to use of a list, the best of each kind first.
    pub(super) fn best_of(&mut self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority));
        candidates.retain(|candidate| self.take(candidate));
        candidates
    }

    /// Whether to use one that came alone.
    pub(super) fn take(&mut self, candidate: &Candidate) -> bool {
        let (used, most) = match candidate.kind {
            Kind::Host => (&mut self.host, MAX_HOST),
            Kind::Reflexive => (&mut self.reflexive, MAX_REFLEXIVE),
            Kind::Relayed => (&mut self.relayed, MAX_RELAYED),
        };
        let take = *used < most
            && can_be_a_partners(candidate, self.reach)
            && self.seen.insert((candidate.address.clone(), candidate.port));
        *used += usize::from(take);
        if take
            && candidate.kind == Kind::Relayed
            && let Ok(ip) = candidate.address.parse::<IpAddr>()
        {
            self.relays.push(SocketAddr::new(ip, candidate.port));
        }
        take
    }

    /// Whether an address is that of the partner's relay, as it says.
    pub(super) fn is_relay(&self, address: SocketAddr) -> bool {
        self.relays.contains(&address)
    }
}

fn can_be_a_partners(candidate: &Candidate, reach: Reach) -> bool {
    let address = match candidate.address.parse() {
        Ok(address) => is_reachable(address, reach),
        // A name for an address on the same network (draft-ietf-mmusic-mdns-ice-candidates).
        Err(_) => {
            let name = candidate.address.strip_suffix(".local");
            reach != Reach::Relay
                && candidate.kind == Kind::Host
                && name.is_some_and(|name| name.len() == 36 && !name.contains('.'))
        }
    };
    address && candidate.port >= FIRST_PORT
}

/// Whether one machine can be there. Private addresses are those of most partners on one network.
fn is_reachable(address: IpAddr, reach: Reach) -> bool {
    let address = address.to_canonical();
    let nobodys = match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        // Without its network, a link-local address says nothing.
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
    };
    let reached = match reach {
        Reach::Network => !address.is_loopback(),
        Reach::Loopback | Reach::Relay => true,
    };
    !nobodys && !address.is_multicast() && reached
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(reach: Reach, candidates: &[&str]) -> Vec<String> {
        let candidates = candidates.iter().filter_map(|text| Candidate::parse(text)).collect();
        let taken = Chosen::new(reach).best_of(candidates);
        taken.into_iter().map(|candidate| candidate.text).collect()
    }

    fn at(address: &str, port: u16) -> String {
        format!("candidate:1 1 UDP 2122252543 {address} {port} typ host")
    }

    /// What Firefox 128 names for two addresses, one IPv6 address, a STUN and a TURN server: TCP
    /// ones and the component of RTCP are half of it.
    const FIREFOX: [&str; 14] = [
        "candidate:0 1 UDP 2122252543 192.168.1.7 50001 typ host",
        "candidate:3 1 TCP 2105524479 192.168.1.7 9 typ host tcptype active",
        "candidate:0 2 UDP 2122252542 192.168.1.7 50002 typ host",
        "candidate:3 2 TCP 2105524478 192.168.1.7 9 typ host tcptype active",
        "candidate:1 1 UDP 2122187007 10.8.0.2 50003 typ host",
        "candidate:4 1 TCP 2105458943 10.8.0.2 9 typ host tcptype active",
        "candidate:1 2 UDP 2122187006 10.8.0.2 50004 typ host",
        "candidate:2 1 UDP 2122121471 2001:db8::7 50005 typ host",
        "candidate:2 2 UDP 2122121470 2001:db8::7 50006 typ host",
        "candidate:5 1 UDP 1686052863 198.51.100.4 50001 typ srflx raddr 192.168.1.7 rport 50001",
        "candidate:5 2 UDP 1686052862 198.51.100.4 50002 typ srflx raddr 192.168.1.7 rport 50002",
        "candidate:6 1 UDP 92216831 203.0.113.5 60001 typ relay raddr 203.0.113.5 rport 60001",
        "candidate:7 1 UDP 8331263 203.0.113.5 60002 typ relay raddr 203.0.113.5 rport 60002",
        "candidate:6 2 UDP 92216830 203.0.113.5 60003 typ relay raddr 203.0.113.5 rport 60003",
    ];

    #[test]
    fn the_useful_ones_of_a_browser_are_used() {
        let expected = [0, 4, 7, 9, 11, 12].map(|n| FIREFOX[n]);
        assert_eq!(taken(Reach::Network, &FIREFOX), expected);
    }

    #[test]
    fn many_of_one_kind_leave_room_for_the_others() {
        let mut chosen = Chosen::new(Reach::Network);
        let hosts = (0..40).filter_map(|n| Candidate::parse(&at("192.0.2.1", 5000 + n)));
        assert_eq!(hosts.filter(|host| chosen.take(host)).count(), MAX_HOST);
        let relayed = Candidate::parse(FIREFOX[11]).unwrap();
        assert!(chosen.take(&relayed));
        assert!(chosen.is_relay(([203, 0, 113, 5], 60001).into()));
        assert!(!chosen.take(&relayed), "the same one twice");
    }

    #[test]
    fn addresses_that_no_partner_has_are_left_alone() {
        let name = "0f7b5a2c-5e4f-4a39-b9d2-1c9cf4a3a111.local";
        for address in ["192.168.1.7", "10.0.0.1", "169.254.7.7", "2001:db8::1", "fd00::2", name] {
            assert_eq!(taken(Reach::Network, &[&at(address, 5000)]).len(), 1, "{address}");
        }
        let nobodys = [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.251",
            "239.1.1.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::fb",
            "fe80::1",
            "::ffff:224.0.0.251",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "example.org",
            "printer.local",
            "a.b.local",
        ];
        for address in nobodys {
            assert!(taken(Reach::Network, &[&at(address, 5000)]).is_empty(), "{address}");
        }
        for port in [0, 53, 123, 1023] {
            assert!(taken(Reach::Network, &[&at("192.0.2.1", port)]).is_empty(), "{port}");
        }
        assert_eq!(taken(Reach::Loopback, &[&at("127.0.0.1", 5000)]).len(), 1);
        assert!(taken(Reach::Relay, &[&at(name, 5000)]).is_empty());
    }

    proptest! {
        #[test]
        fn noise_is_bounded(
            lines in prop::collection::vec(
                "candidate:1 1 udp [0-9]{1,3} [0-9.:f]{1,9} [0-9]{4,5} typ (host|srflx|relay|x)", 0..60,
            ),
            noise in "\\PC*",
        ) {
            let mut chosen = Chosen::new(Reach::Network);
            let parsed = lines.iter().chain([&noise]).filter_map(|line| Candidate::parse(line));
            let taken = parsed.filter(|candidate| chosen.take(candidate)).count();
            prop_assert!(taken <= MAX_HOST + MAX_REFLEXIVE + MAX_RELAYED);
            own::told(&noise, Reach::Network);
        }
    }
}
