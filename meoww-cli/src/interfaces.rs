//! The addresses of this machine by which a partner may reach it.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use rtc::shared::ifaces::ifaces;

/// At most so many: machines with many bridges have no use for all of them.
const MAX: usize = 8;

/// Sorted; empty where there is no network.
pub fn addresses() -> Vec<IpAddr> {
    let interfaces = ifaces().unwrap_or_default().into_iter();
    let addresses = interfaces.filter_map(|interface| Some(interface.addr?.ip()));
    let mut addresses: Vec<_> = addresses.filter(is_of_use).collect();
    addresses.sort();
    addresses.dedup();
    addresses.truncate(MAX);
    addresses
}

/// The address of IPv4 that this machine has towards the internet, if any.
pub fn main() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Looks for the way there, and sends nothing.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let local = socket.local_addr().ok()?.ip();
    is_of_use(&local).then_some(local)
}

/// Without its network, a link-local address says nothing.
fn is_of_use(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !is_link_local && !address.is_loopback() && !address.is_unspecified()
}
