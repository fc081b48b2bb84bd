//! The words between the call, the person (or script) that has it, and the connection it runs on.

use std::{fmt, str::FromStr, time::Duration};

use meoww_proto::{RoomId, error::SignalErrorCode, limits::MAX_REASON_CHARS, signal::Presence};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::text::SafeText;

/// How many safety words are shown: 4 of 2048 are 44 bits.
pub const SAFETY_WORDS: usize = 4;

/// What the user asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Look for a partner; without effect while searching or in a call.
    Search,
    /// Leave this partner, if any, and look for the next.
    Skip,
    /// Leave this partner or the queue, and stay idle.
    Leave,
    /// Say something to the partner.
    Chat(String),
    /// Mute the microphone or unmute it.
    Mute(bool),
    /// Ask the partner for a direct path instead of the relay, or agree to one.
    GoDirect,
    /// Never meet the present partner again, or the last one; ends a call and looks for the next.
    Block,
    /// Tell the operators about the present partner, or the last one.
    Report(Reason),
    /// Leave and end the program.
    Quit,
}

/// Why somebody is reported: 1 to [`MAX_REASON_CHARS`] characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// Why a text is no [`Reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason is 1 to {MAX_REASON_CHARS} characters")]
pub struct InvalidReason;

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        match text.chars().count() {
            1..=MAX_REASON_CHARS => Ok(Self(text.to_owned())),
            _ => Err(InvalidReason),
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

/// By which way media may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through a relay, and no other.
    RelayOnly,
    /// Through a relay, until both sides want to go direct.
    RelayFirst,
    /// The shortest that there is; a relay where there is no other.
    Direct,
}

/// What the user is told, in the order it happened.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// In the queue.
    Searching,
    /// In no queue any more, because another connection of the account took over; the user is idle.
    SearchEnded,
    /// A partner was found; the connection is being made.
    Matched {
        /// The room.
        room_id: RoomId,
        /// Whether this side makes the offer.
        is_initiator: bool,
    },
    /// Media flows.
    Connected {
        /// Through a TURN relay instead of directly.
        relayed: bool,
    },
    /// Media does not come through, and another path is looked for. The call goes on with
    /// [`CallEvent::Reconnected`], or ends.
    Reconnecting(Reconnecting),
    /// Media comes through again.
    Reconnected {
        /// Through a TURN relay instead of directly.
        relayed: bool,
    },
    /// Media goes another way than before.
    Route {
        /// Through a TURN relay instead of directly.
        relayed: bool,
    },
    /// Whether both sides want to go direct.
    GoDirect(GoDirect),
    /// The partner's first picture was decoded.
    FirstFrame,
    /// The partner turned its camera on or off.
    PartnerCamera {
        /// Whether pictures come.
        on: bool,
    },
    /// There is no picture of the partner, and why; the call goes on.
    NoPicture(NoPicture),
    /// The partner's program sends no sound; the call goes on.
    NoSound,
    /// The partner muted or unmuted itself.
    PartnerSound {
        /// Whether sound comes.
        on: bool,
    },
    /// Whether somebody may sit between the two sides.
    Safety(Safety),
    /// The microphone was muted or unmuted by a command.
    Muted(bool),
    /// The user talks, and is muted.
    MutedButTalking,
    /// A chat line.
    Message {
        /// Safe to draw.
        text: SafeText,
        /// Whether it is one's own, passed on by the server.
        from_self: bool,
    },
    /// The call is over; the user is idle (or searching, when [`CallEvent::Searching`] follows).
    Ended(EndReason),
    /// The server cannot be reached; it is tried again after this long. A call goes on.
    ServerLost {
        /// Until the next attempt.
        retry_in: Duration,
    },
    /// The server is back.
    ServerBack,
    /// The server refused something.
    Refused {
        /// For programs.
        code: SignalErrorCode,
        /// For people.
        message: SafeText,
    },
    /// The partner of this room is blocked.
    Blocked {
        /// The room.
        room_id: RoomId,
    },
    /// The report about this room is filed.
    Reported {
        /// The room.
        room_id: RoomId,
    },
    /// How many there are.
    Presence(Presence),
    /// The server is about to go; a call goes on, and the server that follows is found by itself.
    Draining {
        /// Until it goes.
        seconds: u32,
    },
    /// Something the operator says to everybody.
    Announcement(SafeText),
    /// Something the user should know, in one line.
    Notice(String),
    /// Once a second during a call.
    Stats(Stats),
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The partner left or skipped.
    PeerLeft,
    /// The partner's connection died without a word.
    PeerLost,
    /// No connection could be made.
    ConnectFailed,
    /// This side skipped or left.
    Left,
}

/// One second of a call, seen from this side. Rates are per second of that second; counts are since
/// the call began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Pictures sent a second.
    pub fps_out: f32,
    /// Pictures decoded a second.
    pub fps_in: f32,
    /// Pictures drawn a second.
    pub fps_drawn: f32,
    /// Video sent, kbit/s.
    pub kbps_out: f32,
    /// Video received, kbit/s.
    pub kbps_in: f32,
    /// Round trip of the media path, milliseconds; none before the first measurement.
    pub rtt_ms: Option<f32>,
    /// Through a TURN relay.
    pub relayed: bool,
    /// Width of the received picture in pixels, 0 before the first.
    pub width: u32,
    /// Height of the received picture in pixels, 0 before the first.
    pub height: u32,
    /// Pictures encoded and sent.
    pub frames_sent: u64,
    /// Pictures decoded.
    pub frames_decoded: u64,
    /// Pictures drawn.
    pub frames_drawn: u64,
    /// Pictures the decoder could not use, or that never came whole.
    pub frames_lost: u64,
    /// Key frames asked of the partner.
    pub keyframes_requested: u64,
    /// Sound.
    pub sound: SoundStats,
}

/// The sound of one second of a call. Counts are since the call began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundStats {
    /// Level of one's own microphone, dBFS, -100 to 0, also while it is muted.
    pub input_dbfs: i32,
    /// Level of what is played, dBFS, -100 to 0.
    pub output_dbfs: i32,
    /// Sound sent, kbit/s without headers.
    pub kbps_out: f32,
    /// Sound received, kbit/s without headers.
    pub kbps_in: f32,
    /// Milliseconds that packets should wait to be played, by the jitter of late.
    pub target_ms: u64,
    /// Milliseconds that they do.
    pub delay_ms: u64,
    /// Milliseconds that were made up, because packets were lost or late and no error correction had them.
    pub concealed_ms: u64,
    /// Packets that came.
    pub packets_received: u64,
    /// Packets that did not come.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Packets that were too long, or more than can be taken.
    pub packets_dropped: u64,
}

/// What the media connection reports.
#[derive(Debug)]
pub enum PeerEvent {
    /// Send to the partner: an offer (`RTCSessionDescriptionInit` as JSON).
    LocalOffer(Box<RawValue>),
    /// Send to the partner: an answer.
    LocalAnswer(Box<RawValue>),
    /// Send to the partner: a candidate (`RTCIceCandidateInit` as JSON).
    LocalCandidate(Box<RawValue>),
    /// ICE and DTLS are up.
    Connected {
        /// Through a TURN relay.
        relayed: bool,
    },
    /// Media does not come through, and another path is looked for.
    Reconnecting(Reconnecting),
    /// Media comes through again.
    Reconnected {
        /// Through a TURN relay.
        relayed: bool,
    },
    /// Media goes another way than before.
    Route {
        /// Through a TURN relay.
        relayed: bool,
    },
    /// Whether both sides want to go direct.
    GoDirect(GoDirect),
    /// The partner's first picture was decoded.
    FirstFrame,
    /// The partner turned its camera on or off.
    Camera {
        /// Whether pictures come.
        on: bool,
    },
    /// There is no picture of the partner, and why; the call goes on.
    NoPicture(NoPicture),
    /// The partner's program sends no sound; the call goes on.
    NoSound,
    /// The partner muted or unmuted itself.
    Sound {
        /// Whether sound comes.
        on: bool,
    },
    /// Whether somebody may sit between the two sides.
    Safety(Safety),
    /// The partner said goodbye.
    Bye,
    /// The connection is gone, or never came about.
    Failed(String),
}

/// Whether somebody may sit between the two sides and read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// The words of this call; the partner sees the same if nobody does.
    Words([&'static str; SAFETY_WORDS]),
    /// The partner's program said nothing that words could be made of.
    Unverified,
    /// The messages of the partner's side contradict each other.
    Broken,
}

impl fmt::Display for Safety {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(words) => write!(
                f,
                "Safety words: {}. If the stranger reads out the same, nobody sits between you.",
                words.join(" ")
            ),
            Self::Unverified => f.write_str(
                "Unverified: the stranger's program knows no safety words, so somebody could sit \
                 between you.",
            ),
            Self::Broken => f.write_str(
                "The safety check failed: somebody may sit between you. Say nothing private.",
            ),
        }
    }
}

/// Why media does not come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Reconnecting {
    /// This machine has another network.
    #[error("your network changed")]
    NetworkChanged,
    /// Nothing comes any more.
    #[error("nothing comes from them")]
    Silence,
    /// Either side asked for another path.
    #[error("looking for another path")]
    Restart,
}

/// How far a direct path is agreed on, by which each side learns the other's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum GoDirect {
    /// The partner asks for one.
    #[error(
        "They ask to go direct: it is faster, and each of you sees the other's address. F10 agrees."
    )]
    Asked,
    /// This side asks for one.
    #[error("Asked to go direct: once they agree, each of you sees the other's address.")]
    Asking,
    /// Both want it, or there is nothing to agree on.
    #[error("You both agree to go direct.")]
    Agreed,
    /// This side was started for a relay alone.
    #[error("Not without the relay: this is --relay-only.")]
    Refused,
}

/// Why there is no picture of the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// The partner's program knows no H.264, or turned it down.
    #[error("No pictures in this call: the partner's side has no H.264. You can still write.")]
    NoCommonCodec,
    /// It is not going to send any, or has sent none for a while.
    #[error("The partner sends no video.")]
    NotSent,
    /// Something comes, and no picture can be made of it.
    #[error("The partner's video cannot be decoded.")]
    NotDecoded,
    /// More than is decoded.
    #[error("The partner's picture of {width}x{height} is too large to be shown.")]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
}
