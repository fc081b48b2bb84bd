//! What a terminal is asked, what it answered, and what follows from that.
//!
//! Pure: [`ask`](super::ask) sends the questions and waits. An answer may come late or never, and then
//! what the environment says holds.

use meoww_paint::{CellShape, Color, Look, Mode, Quality, Render};

use super::{caps::Caps, env::Env, input::Reply, tty::WindowSize};

/// The answer that every terminal gives, so that those before it have come, or never will.
const LAST: &[u8] = super::flow::SYNC;
/// Synchronised output: the private mode in which a terminal shows an update when it is whole.
const SYNCHRONIZED: u16 = 2026;
/// Number of the picture by which a terminal is asked whether it knows kitty's protocol.
const PICTURE: u32 = 31;
/// Asks about a picture of one pixel, which is not shown.
const GRAPHICS: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
/// The row in which the width of `▀` is measured; in the first, the answer would look like a key.
const GLYPH_ROW: u16 = 2;
/// Terminals that show 24-bit colours, by the beginning of what they answer to XTVERSION.
const TRUE_COLOR: [&str; 9] =
    ["foot", "kitty", "ghostty", "WezTerm", "iTerm2", "contour", "Konsole", "VTE", "mlterm"];

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
    /// How to draw where `caps` is what can be shown.
    pub fn mode(&self, caps: Caps) -> Mode {
        Mode { quality: self.quality, look: self.look, ..caps.mode(self.render) }
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
        if self.env.takes_strings() {
            // The background, the name, whether it has 24-bit colours ("RGB" in hexadecimal).
            questions.extend_from_slice(b"\x1b]11;?\x1b\\\x1b[>0q\x1bP+q524742\x1b\\");
            if self.env.is_tmux() {
                // tmux may let pass what is for the terminal around it. What is for itself it takes for
                // the title of its pane.
                questions.extend(passed_through(GRAPHICS));
            } else {
                questions.extend_from_slice(GRAPHICS);
            }
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
            Reply::Graphics { id: PICTURE, is_ok } => {
                answers.kitty = Some(*is_ok);
            }
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
        if window.cell.is_some() {
            (self.answers.cell, self.answers.pixels) = (None, None);
        }
        self.caps() != before
    }

    /// Whether the last question is answered.
    pub fn is_answered(&self) -> bool {
        self.answers.sixel.is_some()
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.answers
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
            sixel: answers.sixel.unwrap_or(false),
            kitty: answers.kitty.unwrap_or(false),
            is_light: answers.background.is_some_and(is_light),
        }
    }

    /// How to draw. What needs Unicode or colours becomes letters without them.
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

    /// The most exact first: the whole of the cells may hold the margin of the window.
    fn cell(&self) -> Option<CellShape> {
        let answers = &self.answers;
        let (width, height) = answers.cell.unwrap_or_default();
        CellShape::new(width, height).or(self.window.cell).or_else(|| {
            let (columns, rows) = answers.cells.unwrap_or((self.window.columns, self.window.rows));
            let (width, height) = answers.pixels?;
            WindowSize { columns, rows, cell: None }.cell_of(width, height)
        })
    }
}

/// By its luma (BT.601).
pub(super) fn is_light([red, green, blue]: [u8; 3]) -> bool {
    u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114 > 127 * 1000
}

/// What makes tmux pass `bytes` on, where it is set to (`allow-passthrough`).
fn passed_through(bytes: &[u8]) -> Vec<u8> {
    let mut passed = b"\x1bPtmux;".to_vec();
    for byte in bytes {
        if *byte == 0x1b {
            passed.push(0x1b);
        }
        passed.push(*byte);
    }
    passed.extend_from_slice(b"\x1b\\");
    passed
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
