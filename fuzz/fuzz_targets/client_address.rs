//! `X-Forwarded-For`: an address is believed only where nobody but trusted proxies wrote after it.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use meoww_server::{core::session::ClientName, fuzzing};

const PEERS: [&str; 4] = ["10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1", "fd00::1"];

fn is_trusted(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

/// The address a text names, perhaps with a port; a proxy writes IPv4 also as IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.or_else(with_port).map(|address| address.to_canonical())
}

/// Whether HTTP takes it as the value of a header (RFC 9110, 5.5).
fn is_value(bytes: &&[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, values)) = bytes.split_first() else { return };
    let peer = address(PEERS[usize::from(*first) % PEERS.len()]).expect("an address");
    let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network"));
    let values: Vec<&[u8]> = values.split(|byte| *byte == b'\n').filter(is_value).collect();
    let client = fuzzing::client_of(peer, &values, &trusted);

    if client != peer {
        assert!(is_trusted(&peer), "a stranger was believed");
        let hops: Vec<_> = values
            .iter()
            .flat_map(|value| value.split(|byte| *byte == b','))
            .filter(|hop| !hop.trim_ascii().is_empty())
            .map(|hop| std::str::from_utf8(hop).ok().and_then(address))
            .collect();
        // Whoever stands right of the client is a proxy of ours.
        let proxies = hops.iter().rev().take_while(|hop| hop.is_some_and(|hop| is_trusted(&hop)));
        let believed = hops.iter().rev().take(proxies.count() + 1);
        assert!(believed.flatten().any(|hop| *hop == client), "{client} was made up");
    }

    let name = ClientName::sanitised(&String::from_utf8_lossy(bytes));
    assert!(!name.as_str().contains(char::is_control) && name.as_str().chars().count() <= 128);
});
