//! Ogg (RFC 3533), as far as tests need it to exchange Opus with ffmpeg (RFC 7845).

/// A stream of mono packets of 20 ms.
pub(super) fn written(packets: &[Vec<u8>]) -> Vec<u8> {
    let head = b"OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00".to_vec();
    let tags = b"OpusTags\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    let mut file = Vec::new();
    let last = packets.len() + 1;
    for (number, packet) in [head, tags].iter().chain(packets).enumerate() {
        let kind = if number == 0 { 2 } else { 4 * u8::from(number == last) };
        let granule = 960 * number.saturating_sub(1) as u64;
        file.extend(page(kind, granule, number as u32, packet));
    }
    file
}

fn page(kind: u8, granule: u64, number: u32, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(kind);
    page.extend(granule.to_le_bytes());
    page.extend(1_u32.to_le_bytes());
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push((packet.len() / 255 + 1) as u8);
    page.extend(std::iter::repeat_n(255, packet.len() / 255));
    page.push((packet.len() % 255) as u8);
    page.extend(packet);
    let checksum = checksum(&page).to_le_bytes();
    page[22..26].copy_from_slice(&checksum);
    page
}

/// CRC-32 with polynomial 0x04c11db7, neither reflected nor inverted (RFC 3533, section 6).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// The packets of a file, without the two of its header.
pub(super) fn read(mut file: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    while let Some(lacing) = file.get(27..).filter(|_| file.starts_with(b"OggS")) {
        let (lacing, mut body) = lacing.split_at(usize::from(file[26]));
        for length in lacing {
            let (piece, rest) = body.split_at(usize::from(*length));
            packet.extend_from_slice(piece);
            if *length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
            body = rest;
        }
        file = body;
    }
    packets.drain(..2);
    packets
}
