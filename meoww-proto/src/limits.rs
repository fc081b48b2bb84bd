//! Bounds both sides hold to: the sender so as not to be refused, the receiver so as not to be hurt.

/// Longest socket message, in bytes. Generous for an SDP with every codec a browser offers.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;
/// Longest offer or answer, in bytes of JSON.
pub const MAX_DESCRIPTION_BYTES: usize = 48 * 1024;
/// Longest ICE candidate, in bytes of JSON.
pub const MAX_CANDIDATE_BYTES: usize = 4 * 1024;
/// Longest chat message, in Unicode scalar values.
pub const MAX_CHAT_CHARS: usize = 2000;
/// Longest reason of a report, in Unicode scalar values.
pub const MAX_REASON_CHARS: usize = 500;
/// Longest HTTP request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
