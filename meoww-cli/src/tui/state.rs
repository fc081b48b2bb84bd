//! What the screen shows.

use std::time::Duration;

use meoww_paint::CellShape;
use meoww_proto::signal::Presence;
use ratatui::layout::Size;

use super::{
    chat::ChatLog,
    editor::Editor,
    layout::Layout,
    sound::{PartnerSound, Sound},
};
use crate::core::event::{EndReason, NoPicture, Reconnecting, Safety, Stats};

/// Least pause between two presses that block: a key that is held down repeats sooner. The first repeat
/// comes after 200 to 750 ms, as terminals and systems have it, and the others come faster.
const BLOCK_PAUSE: Duration = Duration::from_millis(800);

/// How long the picture of a new partner is coarse: time to leave before there is anything to see.
pub(super) const COARSE: Duration = Duration::from_secs(3);

/// Everything the screen shows but the pictures themselves. Times count from the start.
#[derive(Debug)]
pub struct State {
    /// The present.
    pub now: Duration,
    /// Columns and rows of the terminal.
    pub size: Size,
    /// How its cells are shaped.
    pub cell: CellShape,
    /// Where things are; `None` when the terminal is too small.
    pub layout: Option<Layout>,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
    /// How the call stands.
    pub phase: Phase,
    /// The last second of the call.
    pub stats: Option<Stats>,
    /// What was said.
    pub chat: ChatLog,
    /// Lines that came while the chat was hidden.
    pub unread: usize,
    /// The line one types into.
    pub input: Editor,
    /// Why the stranger is to be reported, as far as typed; then it takes the keys.
    pub report: Option<Editor>,
    /// When the key that blocks was last pressed, as long as the question waits for the next press.
    pub block_asked: Option<Duration>,
    /// Whether anybody was met yet.
    pub met: bool,
    /// Whether the camera is on.
    pub camera: bool,
    /// One's own sound.
    pub sound: Sound,
    /// Whether the partner's camera is on, as it says.
    pub partner_camera: bool,
    /// The partner's sound.
    pub partner_sound: PartnerSound,
    /// Whether the picture of a new partner is coarse for a while.
    pub coarse_at_first: bool,
    /// When the present partner is shown clearly; `None` before there was a picture.
    pub clear_at: Option<Duration>,
    /// Why media does not come through at the moment, and since when.
    pub reconnecting: Option<(Reconnecting, Duration)>,
    /// Why there is no picture of the partner, if that is known.
    pub no_picture: Option<NoPicture>,
    /// Whether somebody may sit between the two sides, once that is known.
    pub safety: Option<Safety>,
    /// Which pictures there are to show.
    pub pictures: Pictures,
    /// Whether the chat is shown.
    pub show_chat: bool,
    /// Whether one's own picture is shown.
    pub show_self: bool,
    /// Whether help is shown.
    pub show_help: bool,
    /// How many there are, as the server last said.
    pub presence: Option<Presence>,
    /// When the lost server is tried again.
    pub server_retry: Option<Duration>,
    /// A line to be read, and until when.
    pub notice: Option<(String, Duration)>,
}

/// How the call stands, as far as the screen knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing asked for yet.
    Idle,
    /// In the queue.
    Searching {
        /// Since when.
        since: Duration,
    },
    /// A partner was found.
    Connecting {
        /// Since when.
        since: Duration,
    },
    /// Media flows.
    Live {
        /// Since when.
        since: Duration,
        /// Through a relay.
        relayed: bool,
    },
    /// The call is over, and nothing new was asked for.
    Ended(EndReason),
}

/// Which pictures there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pictures {
    /// The partner's.
    pub remote: bool,
    /// One's own.
    pub local: bool,
}

impl State {
    /// Before anything happened.
    pub fn new(size: Size, unicode: bool, camera: bool, sound: Sound) -> Self {
        let mut state = Self {
            now: Duration::ZERO,
            size,
            cell: CellShape::USUAL,
            layout: None,
            unicode,
            phase: Phase::Idle,
            stats: None,
            chat: ChatLog::default(),
            unread: 0,
            input: Editor::default(),
            report: None,
            block_asked: None,
            met: false,
            camera,
            sound,
            partner_camera: true,
            partner_sound: PartnerSound::On,
            coarse_at_first: true,
            clear_at: None,
            reconnecting: None,
            no_picture: None,
            safety: None,
            pictures: Pictures::default(),
            show_chat: true,
            show_self: true,
            show_help: false,
            presence: None,
            server_retry: None,
            notice: None,
        };
        state.lay_out();
        state
    }

    /// Follows a change of size or of what is shown.
    pub(super) fn lay_out(&mut self) {
        self.layout = Layout::new(self.size, self.cell, self.show_chat, self.show_self);
        if let Some(log) = self.layout.as_ref().and_then(Layout::chat_log) {
            self.chat.resize(log.width.into(), log.height.into());
        }
    }

    /// Whether another press of the key would block the stranger.
    pub(super) fn takes_block(&self) -> bool {
        self.block_asked.is_some_and(|pressed| self.now >= pressed + BLOCK_PAUSE)
    }

    /// The line that takes the keys.
    pub(super) fn line(&mut self) -> &mut Editor {
        self.report.as_mut().unwrap_or(&mut self.input)
    }

    /// How long the partner's picture will still be coarse; `None` once it is clear.
    pub(super) fn coarse_for(&self) -> Option<Duration> {
        let left = match self.clear_at {
            Some(at) => at.saturating_sub(self.now),
            None => COARSE,
        };
        (self.coarse_at_first && !left.is_zero()).then_some(left)
    }

    /// Whether the partner's picture is on the screen.
    pub(super) fn shows_remote(&self) -> bool {
        let in_call = match self.phase {
            Phase::Connecting { .. } | Phase::Live { .. } => true,
            Phase::Idle | Phase::Searching { .. } | Phase::Ended(_) => false,
        };
        in_call && self.pictures.remote && self.layout.is_some()
    }
}
