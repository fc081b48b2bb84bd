//! Which of this side's candidates the partner is told, and what of them.
//!
//! Through a relay the partner learns the relay's address alone. Else it has to learn one of this side,
//! but not those of the network at home: an address there is named by a random word
//! (draft-ietf-mmusic-mdns-ice-candidates), which nobody can look up from outside, or not at all.

use std::net::IpAddr;

use super::Reach;

/// The candidate for the partner, if it is told any.
pub(in crate::peer) fn told(candidate: &str, reach: Reach) -> Option<String> {
    let words: Vec<_> = candidate.split(' ').collect();
    let [_, _, _, _, address, _, "typ", kind, ..] = words[..] else { return None };
    let is_told = match reach {
        Reach::Relay => kind == "relay",
        Reach::Loopback => true,
        Reach::Network => kind != "host" || is_name(address) || is_public(address),
    };
    is_told.then(|| without_base(&words))
}

fn is_name(address: &str) -> bool {
    address.ends_with(".local")
}

/// Whether an address is one of the internet.
fn is_public(address: &str) -> bool {
    address.parse().is_ok_and(|address| !is_private(&address))
}

/// Whether an address is one of a network at home, or of this machine: RFC 1918, 4193, and what
/// providers share behind their NATs (RFC 6598).
pub(in crate::peer) fn is_private(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            let is_own = v4.is_private() || v4.is_link_local() || is_shared;
            is_own || v4.is_loopback() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            let is_own = v6.is_unique_local() || v6.is_unicast_link_local();
            is_own || v6.is_loopback() || v6.is_unspecified()
        }
    }
}

/// Without the address that the candidate is based on, which is for diagnosis alone: with a relayed
/// one it would tell the address that the relay is there to hide (RFC 8839, section 5.1).
fn without_base(words: &[&str]) -> String {
    let mut words = words.to_vec();
    for at in 1..words.len() {
        match words[at - 1] {
            "raddr" if words[at].contains(':') => words[at] = "::",
            "raddr" => words[at] = "0.0.0.0",
            "rport" => words[at] = "9",
            _ => {}
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(address: &str) -> String {
        format!("candidate:1 1 UDP 2122252543 {address} 5000 typ host")
    }

    #[test]
    fn addresses_at_home_are_not_told() {
        let name = "0f7b5a2c-5e4f-4a39-b9d2-1c9cf4a3a111.local";
        for address in [name, "203.0.113.7", "2001:db8::7", "100.128.0.1", "172.32.0.1"] {
            assert_eq!(told(&host(address), Reach::Network), Some(host(address)));
        }
        let home = [
            "10.0.0.7",
            "172.16.0.7",
            "172.31.255.7",
            "192.168.1.7",
            "100.64.0.7",
            "100.127.9.7",
            "169.254.1.7",
            "127.0.0.1",
            "0.0.0.0",
            "fd00::7",
            "fc00::7",
            "fe80::7",
            "::1",
            "::ffff:192.168.1.7",
            "example.org",
        ];
        for address in home {
            assert_eq!(told(&host(address), Reach::Network), None, "{address}");
        }
        assert!(told(&host("127.0.0.1"), Reach::Loopback).is_some());
    }

    #[test]
    fn through_a_relay_nothing_but_the_relay_is_told() {
        for kind in ["host", "srflx", "prflx"] {
            let candidate = format!("candidate:1 1 udp 9 203.0.113.5 60001 typ {kind}");
            assert_eq!(told(&candidate, Reach::Relay), None);
        }
        let relayed = "candidate:1 1 udp 9 203.0.113.5 60001 typ relay raddr 192.168.1.7 rport 501";
        let hidden = "candidate:1 1 udp 9 203.0.113.5 60001 typ relay raddr 0.0.0.0 rport 9";
        for reach in [Reach::Relay, Reach::Network, Reach::Loopback] {
            assert_eq!(told(relayed, reach).as_deref(), Some(hidden));
        }
        let relayed = "candidate:1 1 udp 9 2001:db8::5 601 typ relay raddr fd00::2 rport 501";
        let hidden = "candidate:1 1 udp 9 2001:db8::5 601 typ relay raddr :: rport 9";
        assert_eq!(told(relayed, Reach::Relay).as_deref(), Some(hidden));
    }
}
