//! Sequences for the terminal around tmux (tmux's passthrough sequence).

/// Appends `bytes`, wrapped so that tmux lets them pass, where it is set to (`allow-passthrough`).
pub fn push_passed(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x1bPtmux;");
    for byte in bytes {
        if *byte == 0x1b {
            out.push(0x1b);
        }
        out.push(*byte);
    }
    out.extend_from_slice(b"\x1b\\");
}
