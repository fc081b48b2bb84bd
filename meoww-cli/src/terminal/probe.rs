//! What a terminal is asked, what it answered, and what follows from that.
//!
//! Pure: [`ask`](super::ask) sends the questions and waits. An answer may come late or never, and then
//! what the environment says holds.

use meoww_paint::{
    CellShape, Color, Look, Mode, Quality, Render,
    kitty::{KittyTraits, Questions},
    sixel::{self, SixelTraits},
};

use super::{caps::Caps, env::Env, input::Reply, tty::WindowSize};

/// The answer that every terminal gives, so that those before it have come, or never will.
const LAST: &[u8] = super::flow::SYNC;
/// Synchronised output: the private mode in which a terminal shows an update when it is whole.
const SYNCHRONIZED: u16 = 2026;
/// The private mode in which each picture of sixels has colours of its own.
const OWN_COLORS: u16 = 1070;
/// The row in which the width of `▀` is measured; in the first, the answer would look like a key.
const GLYPH_ROW: u16 = 2;
/// Terminals that show 24-bit colours, by the beginning of what they answer to XTVERSION.
const TRUE_COLOR: [&str; 9] =
    ["foot", "kitty", "ghostty", "WezTerm", "iTerm2", "contour", "Konsole", "VTE", "mlterm"];

/// Terminals that show inline images of iTerm2, likewise. None can be asked.
const INLINE_IMAGES: [&str; 4] = ["iTerm2", "WezTerm", "mintty", "Konsole"];
/// Wider pictures of sixels take too long to draw.
const WIDEST_SIXELS: u16 = 1600;
/// Longest side of a cell in pixels that is believed.
const LARGEST_CELL: u16 = 128;

/// What the user asks for; `None` leaves it to the terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// How pictures are drawn.
    pub render: Option<Render>,
    /// With how many colours.
    pub color: Option<Color>,
    /// How exact pictures in motion are.
    pub quality: Quality,
    /// How they differ from what was sent.
    pub look: Look,
}

impl Wish {
    /// How to draw where `caps` is what can be shown. Pixels are in colours of their own, so where few
    /// are asked for, cells are drawn.
    pub fn mode(&self, caps: Caps) -> Mode {
        let may_have_pixels = match self.color {
            Some(color) => color == Color::True,
            None => matches!(caps.color, Color::True | Color::Ansi256),
        };
        Mode { quality: self.quality, look: self.look, ..caps.mode(self.render, may_have_pixels) }
    }
}

/// A terminal that is asked.
#[derive(Debug, Clone)]
pub struct Probe {
    env: Env,
    wish: Wish,
    window: WindowSize,
    answers: Answers,
}

/// What came so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    /// To DA1, whether it has sixels.
    pub(super) sixel: Option<bool>,
    pub(super) sixel_keeps_colors: bool,
    pub(super) sixel_colors: Option<u16>,
    /// The widest picture, in pixels.
    pub(super) sixel_width: Option<u16>,
    pub(super) synchronized: Option<bool>,
    pub(super) cell: Option<(u16, u16)>,
    pub(super) pixels: Option<(u16, u16)>,
    pub(super) cells: Option<(u16, u16)>,
    /// How many cells `▀` takes.
    pub(super) glyph: Option<u16>,
    pub(super) version: Option<String>,
    pub(super) rgb: Option<bool>,
    pub(super) background: Option<[u8; 3]>,
    pub(super) kitty: Option<bool>,
    pub(super) kitty_edits: Option<bool>,
    pub(super) kitty_shares: Option<bool>,
    /// Whether it knows kitty's keyboard protocol, of which only those speak that do.
    pub(super) keyboard: bool,
}

impl Probe {
    /// A terminal of this size that was not asked yet.
    pub fn new(env: Env, wish: Wish, window: WindowSize) -> Self {
        Self { env, wish, window, answers: Answers::default() }
    }

    /// The questions, of which the last is answered by every terminal. The screen has to be cleared
    /// afterwards.
    pub fn questions(&self) -> Vec<u8> {
        let mut questions = Vec::new();
        if self.env.unicode() && self.window.rows > GLYPH_ROW {
            questions.extend_from_slice("\x1b[2;1H▀\x1b[6n\x1b[2;1H\x1b[K".as_bytes());
        }
        questions.extend_from_slice(b"\x1b[?2026$p\x1b[16t\x1b[14t\x1b[18t");
        // Of sixels: whether colours can be kept, to have 256 of them, and the largest picture.
        questions.extend_from_slice(b"\x1b[?1070$p\x1b[?1;3;256S\x1b[?2;1;0S");
        if self.env.takes_strings() {
            // The background, the name, whether it has 24-bit colours ("RGB" in hexadecimal), and how
            // it reports keys.
            questions.extend_from_slice(b"\x1b]11;?\x1b\\\x1b[>0q\x1bP+q524742\x1b\\\x1b[?u");
            // tmux may let pass what is for the terminal around it. What is for itself it takes for the
            // title of its pane.
            Questions::push(self.env.is_tmux(), &mut questions);
        }
        questions.extend_from_slice(LAST);
        questions
    }

    /// Takes up an answer. Returns whether anything follows from it.
    pub fn reply(&mut self, reply: &Reply) -> bool {
        let before = (self.caps(), self.mode());
        let answers = &mut self.answers;
        match reply {
            Reply::Attributes { sixel } => answers.sixel = Some(*sixel),
            Reply::Mode { mode: SYNCHRONIZED, is_known } => answers.synchronized = Some(*is_known),
            Reply::Mode { mode: OWN_COLORS, is_known } => answers.sixel_keeps_colors = *is_known,
            Reply::SixelColors(count) => answers.sixel_colors = Some(*count),
            Reply::SixelSize { width, .. } => {
                answers.sixel_width = Some(*width).filter(|width| *width > 0);
            }
            Reply::CellPixels { width, height } => {
                answers.cell = CellShape::new(*width, *height).map(|_| (*width, *height));
            }
            Reply::ScreenPixels { width, height } => answers.pixels = Some((*width, *height)),
            Reply::ScreenCells { columns, rows } => answers.cells = Some((*columns, *rows)),
            Reply::Cursor { row: GLYPH_ROW, column } => {
                answers.glyph = Some(column.saturating_sub(1));
            }
            Reply::Version(name) => answers.version = Some(name.clone()),
            Reply::Capability { name, is_known } if name == "RGB" => answers.rgb = Some(*is_known),
            Reply::Background(color) => answers.background = Some(*color),
            Reply::Graphics { id: Questions::SHOWS, is_ok } => answers.kitty = Some(*is_ok),
            Reply::Graphics { id: Questions::EDITS, is_ok } => answers.kitty_edits = Some(*is_ok),
            Reply::Graphics { id: Questions::SHARES, is_ok } => answers.kitty_shares = Some(*is_ok),
            Reply::Keyboard => answers.keyboard = true,
            Reply::Mode { .. }
            | Reply::Cursor { .. }
            | Reply::Capability { .. }
            | Reply::Graphics { .. }
            | Reply::Ready => {}
        }
        (self.caps(), self.mode()) != before
    }

    /// The window has another size. Returns whether anything follows from it.
    pub fn resized(&mut self, window: WindowSize) -> bool {
        let before = self.caps();
        self.window = window;
        // Of another font, perhaps; who says it again says it with the size.
        if window.pixels.is_some() {
            (self.answers.cell, self.answers.pixels) = (None, None);
        }
        self.caps() != before
    }

    /// Whether the last question is answered.
    pub fn is_answered(&self) -> bool {
        self.answers.sixel.is_some()
    }

    /// Whether no more answers are to be expected: tmux answers sooner than the terminal around it, whose
    /// answers come last.
    pub(super) fn is_complete(&self) -> bool {
        self.is_answered() && (!self.env.is_tmux() || self.answers.kitty_shares.is_some())
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Whether the terminal can say that a key was let go.
    pub fn reports_releases(&self) -> bool {
        self.answers.keyboard
    }

    /// What the environment says.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// How large the window is.
    pub fn window(&self) -> WindowSize {
        self.window
    }

    /// What the terminal can do, as far as is known, with the colours asked for.
    pub fn caps(&self) -> Caps {
        let answers = &self.answers;
        Caps {
            color: self.wish.color.unwrap_or_else(|| self.color()),
            unicode: self.env.unicode() && answers.glyph.is_none_or(|cells| cells == 1),
            // A terminal that knows the mode says so.
            synchronized: match answers.synchronized {
                Some(is_known) => is_known,
                None => self.env.is_modern() && !self.is_answered(),
            },
            cell: self.cell().unwrap_or(CellShape::USUAL),
            cell_pixels: self.cell_pixels(),
            sixel: self.has_sixels(),
            sixel_traits: SixelTraits {
                keeps_colors: answers.sixel_keeps_colors && !self.env.is_tmux(),
                in_tmux: self.env.is_tmux(),
                widest: answers.sixel_width.unwrap_or(u16::MAX).min(WIDEST_SIXELS),
            },
            kitty: answers.kitty.unwrap_or(false),
            kitty_traits: KittyTraits {
                edits: answers.kitty_edits.unwrap_or(false),
                shares: answers.kitty_shares.unwrap_or(false),
                in_tmux: self.env.is_tmux(),
            },
            iterm2: self.has_inline_images(),
            is_light: answers.background.is_some_and(is_light),
        }
    }

    /// How to draw: as is asked for where the terminal can show that, or as is best.
    pub fn mode(&self) -> Mode {
        self.wish.mode(self.caps())
    }

    fn color(&self) -> Color {
        let said = self.env.color();
        let knows = |name: &String| TRUE_COLOR.iter().any(|known| name.starts_with(known));
        let is_true =
            self.answers.rgb == Some(true) || self.answers.version.as_ref().is_some_and(knows);
        if said == Color::Ansi256 && is_true { Color::True } else { said }
    }

    /// Sixels have to be placed by the pixel, and need their colours.
    fn has_sixels(&self) -> bool {
        let has_colors = self.answers.sixel_colors.is_none_or(|count| count >= sixel::COLORS);
        self.answers.sixel == Some(true) && has_colors && self.cell_pixels().is_some()
    }

    fn has_inline_images(&self) -> bool {
        let knows = |name: &String| INLINE_IMAGES.iter().any(|known| name.starts_with(known));
        let is_known = self.env.is_iterm2() || self.answers.version.as_ref().is_some_and(knows);
        is_known && !self.env.is_tmux() && !self.env.is_screen()
    }

    /// The pixels of a cell; those of the window, where it has a margin, are rounded down.
    fn cell_pixels(&self) -> Option<(u16, u16)> {
        let Answers { cell, pixels, .. } = self.answers;
        let of_window = |window: WindowSize| {
            let (width, height) = window.pixels?;
            Some((width.checked_div(window.columns)?, height.checked_div(window.rows)?))
        };
        let found = cell
            .or_else(|| of_window(self.window))
            .or_else(|| of_window(WindowSize { pixels, ..self.answered_window() }));
        found.filter(|(w, h)| (1..=LARGEST_CELL).contains(w) && (1..=LARGEST_CELL).contains(h))
    }

    /// The most exact first: the whole of the cells may hold the margin of the window.
    fn cell(&self) -> Option<CellShape> {
        let answers = &self.answers;
        let (width, height) = answers.cell.unwrap_or_default();
        let answered = WindowSize { pixels: answers.pixels, ..self.answered_window() };
        CellShape::new(width, height).or(self.window.cell()).or(answered.cell())
    }

    /// As large in cells as the terminal says, where it does.
    fn answered_window(&self) -> WindowSize {
        let (columns, rows) = self.answers.cells.unwrap_or((self.window.columns, self.window.rows));
        WindowSize { columns, rows, pixels: None }
    }
}

/// By its luma (BT.601).
pub(super) fn is_light([red, green, blue]: [u8; 3]) -> bool {
    u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114 > 127 * 1000
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
