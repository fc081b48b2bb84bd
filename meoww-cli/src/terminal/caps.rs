//! What the terminal can do, as a value: guessed from the environment, then learnt from its replies.

use meoww_paint::{CellShape, Color};

use super::{input::Reply, tty::WindowSize};

/// Synchronised output: the private mode in which a terminal shows an update when it is whole.
const SYNCHRONIZED: u16 = 2026;

/// What to ask a terminal when it is taken: whether it knows synchronised output (DECRQM), how large
/// a cell is and the whole of them (XTWINOPS 16 and 14), and last what every terminal answers (DA1).
pub const QUESTIONS: &[u8] = b"\x1b[?2026$p\x1b[16t\x1b[14t\x1b[c";

/// What this terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The colours it has.
    pub color: Color,
    /// Whether more than ASCII can be shown, as borders and text.
    pub unicode: bool,
    /// Whether it shows an update when it is whole (private mode 2026). Others ignore the mode, and
    /// are spared it.
    pub synchronized: bool,
    /// How its cells are shaped.
    pub cell: CellShape,
}

impl Caps {
    /// Takes up what a terminal of this size answered. Returns whether anything changed.
    pub fn learn(&mut self, reply: Reply, size: WindowSize) -> bool {
        let before = *self;
        let cell = match reply {
            Reply::Mode { mode: SYNCHRONIZED, is_known } => {
                self.synchronized = is_known;
                None
            }
            Reply::CellPixels { width, height } => CellShape::new(width, height),
            // Less exact, as it may hold the margin of the window: only where nothing else is known.
            Reply::ScreenPixels { width, height } if self.cell == CellShape::USUAL => {
                size.cell_of(width, height)
            }
            Reply::ScreenPixels { .. } | Reply::Mode { .. } | Reply::Ready | Reply::Attributes => {
                None
            }
        };
        self.cell = cell.unwrap_or(self.cell);
        *self != before
    }
}

/// The environment variables that tell what a terminal can do; empty where unset.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// `TERM`
    pub term: String,
    /// `TERM_PROGRAM`
    pub term_program: String,
    /// `COLORTERM`
    pub colorterm: String,
    /// `NO_COLOR` (<https://no-color.org>)
    pub no_color: String,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set (POSIX.1, 8.2)
    pub locale: String,
}

impl Env {
    /// From the environment, by a function like [`std::env::var`].
    pub fn read<E>(var: impl Fn(&'static str) -> Result<String, E>) -> Self {
        let get = |name| var(name).unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(get).into_iter().find(|s| !s.is_empty());
        Self {
            term: get("TERM"),
            term_program: get("TERM_PROGRAM"),
            colorterm: get("COLORTERM"),
            no_color: get("NO_COLOR"),
            locale: locale.unwrap_or_default(),
        }
    }

    /// Whether the terminal says that it can do nothing but print lines.
    pub fn is_dumb(&self) -> bool {
        self.term == "dumb"
    }

    /// What can be known of the terminal before it was asked.
    pub fn caps(&self, cell: Option<CellShape>) -> Caps {
        Caps {
            color: self.color(),
            unicode: self.unicode(),
            synchronized: self.is_modern(),
            cell: cell.unwrap_or(CellShape::USUAL),
        }
    }

    fn color(&self) -> Color {
        let term = self.term.as_str();
        if !self.no_color.is_empty() || matches!(term, "" | "dumb") {
            Color::Mono
        } else if matches!(self.colorterm.as_str(), "truecolor" | "24bit")
            || term.ends_with("-direct")
            || self.is_modern()
        {
            Color::True
        } else if term.starts_with("vt") {
            Color::Mono
        } else {
            Color::Ansi256
        }
    }

    /// Terminals known for both 24-bit colours and synchronised output.
    fn is_modern(&self) -> bool {
        let term = ["alacritty", "contour", "foot", "xterm-ghostty", "xterm-kitty", "wezterm"];
        let program = ["WezTerm", "ghostty", "iTerm.app"];
        term.iter().any(|name| self.term.starts_with(name))
            || program.contains(&self.term_program.as_str())
    }

    fn unicode(&self) -> bool {
        let locale = self.locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&'static str, &str)]) -> Env {
        Env::read(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()).ok_or(())
        })
    }

    #[test]
    fn colours_are_those_of_the_terminal() {
        let color = |pairs: &[(&'static str, &str)]| env(pairs).caps(None).color;
        assert_eq!(color(&[]), Color::Mono);
        assert_eq!(color(&[("TERM", "vt220")]), Color::Mono);
        assert_eq!(color(&[("TERM", "xterm-256color")]), Color::Ansi256);
        assert_eq!(color(&[("TERM", "xterm-kitty")]), Color::True);
        assert_eq!(color(&[("TERM", "screen"), ("COLORTERM", "truecolor")]), Color::True);
        assert_eq!(color(&[("TERM", "foot"), ("NO_COLOR", "1")]), Color::Mono);
    }

    #[test]
    fn the_strongest_locale_variable_wins() {
        let unicode = |pairs: &[(&'static str, &str)]| env(pairs).caps(None).unicode;
        assert!(!unicode(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(unicode(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
    }

    #[test]
    fn replies_correct_the_guess() {
        let size = WindowSize { columns: 80, rows: 24, cell: None };
        let mut caps = env(&[("TERM", "xterm-kitty")]).caps(None);
        assert!(caps.learn(Reply::Mode { mode: SYNCHRONIZED, is_known: false }, size));
        assert!(!caps.synchronized);
        // 800 x 480 in 80 x 24 cells are 10 x 20 each.
        assert!(!caps.learn(Reply::ScreenPixels { width: 800, height: 480 }, size));
        assert!(caps.learn(Reply::CellPixels { width: 9, height: 17 }, size));
        assert_eq!(Some(caps.cell), CellShape::new(9, 17));
        assert!(!caps.learn(Reply::ScreenPixels { width: 720, height: 480 }, size), "less exact");
        assert!(!caps.learn(Reply::CellPixels { width: 0, height: 17 }, size), "no shape");
        assert!(!caps.learn(Reply::Ready, size));
    }
}
