//! Tells STUN (RFC 8489) from media, and takes packets out of the wrapping of a relay (TURN, RFC 8656).

/// A STUN message's beginning (RFC 8489): type, length, cookie, transaction.
const HEADER: usize = 20;
pub(super) const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Bits of the type that say what the message is; none of them in a request.
pub(super) const RESPONSE_BIT: u8 = 0x01;
const INDICATION_BIT: u8 = 0x10;
/// TURN (RFC 8656): data for a peer and from one, with its address.
const SEND_INDICATION: [u8; 2] = [0x00, 0x16];
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA: u16 = 0x0013;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Via {
    Direct,
    /// A channel of the relay.
    Channel([u8; 2]),
    /// The address behind the relay, with the transaction's mask taken off.
    Peer(Vec<u8>),
}

/// Whether a packet is about the path itself: STUN, also through a relay. All else is media.
pub(in crate::peer) fn is_stun(packet: &[u8]) -> bool {
    let (_, inner) = unwrap(packet);
    stun(inner).is_some()
}

/// Returns what a relay is to pass on or has passed on, or else the packet itself.
pub(in crate::peer) fn payload(packet: &[u8]) -> &[u8] {
    unwrap(packet).1
}

/// The class bits and transaction of a STUN message.
pub(super) fn stun(packet: &[u8]) -> Option<(u8, [u8; 12])> {
    let header = packet.first_chunk::<HEADER>()?;
    let [first, second, _, _, cookie @ .., _, _, _, _, _, _, _, _, _, _, _, _] = header;
    let is_stun = first & 0xc0 == 0 && *cookie == COOKIE;
    let class = (first & RESPONSE_BIT) | (second & INDICATION_BIT);
    is_stun.then(|| (class, *header.last_chunk().unwrap_or(&[0; 12])))
}

/// The packet that a relay passes on, and to or from whom; or else the packet itself.
pub(super) fn unwrap(packet: &[u8]) -> (Via, &[u8]) {
    if let [first @ 0x40..=0x7f, second, _, _, inner @ ..] = packet {
        return (Via::Channel([*first, *second]), inner);
    }
    let kind = packet.first_chunk::<2>();
    if kind == Some(&SEND_INDICATION) || kind == Some(&DATA_INDICATION) {
        let peer = attribute(packet, XOR_PEER_ADDRESS);
        if let (Some(peer), Some(data)) = (peer, attribute(packet, DATA)) {
            return (Via::Peer(unmask(peer, packet)), data);
        }
    }
    (Via::Direct, packet)
}

/// The value of an attribute: type, length, value, padding to four bytes.
fn attribute(packet: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = packet.get(HEADER..)?;
    loop {
        let [t0, t1, l0, l1, after @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*t0, *t1]) == wanted {
            return after.get(..length);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
}

/// An address as it is: family and port behind the first bytes, all under the cookie and the
/// transaction (RFC 8489, section 14.2).
fn unmask(masked: &[u8], packet: &[u8]) -> Vec<u8> {
    let mask = packet.get(4..HEADER).unwrap_or_default();
    let address = masked.iter().skip(4).zip(mask).map(|(byte, mask)| byte ^ mask);
    masked.iter().take(4).copied().chain(address).collect()
}
