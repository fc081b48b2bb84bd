//! The terminal's capabilities, and the drawing mode chosen by them.

use clap::ValueEnum;
use meoww_paint::{Color, Mode, Render};

/// How this terminal is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// How pictures are drawn.
    pub mode: Mode,
    /// Whether more than ASCII can be shown, as borders and text.
    pub unicode: bool,
    /// Whether the terminal is known for synchronised output (private mode 2026): it shows an update
    /// when it is whole. Others ignore the mode, and are spared it.
    pub synchronized: bool,
}

/// `--render`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RenderChoice {
    /// Half blocks where the terminal has Unicode and colours, ASCII elsewhere
    #[default]
    Auto,
    /// Two pixels a character cell
    Half,
    /// One character a pixel
    Ascii,
}

/// `--color`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// As many as the terminal says it has
    #[default]
    Auto,
    /// 24 bits
    True,
    /// The 256 colours of xterm
    #[value(name = "256")]
    Ansi256,
    /// None
    Mono,
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

/// What the user asks for, completed by what the terminal can do. Half blocks need two colours, so
/// without colours it is ASCII whatever was asked.
pub fn choose(env: &Env, render: RenderChoice, color: ColorChoice) -> Caps {
    let unicode = env.unicode();
    let color = match color {
        ColorChoice::Auto => env.color(),
        ColorChoice::True => Color::True,
        ColorChoice::Ansi256 => Color::Ansi256,
        ColorChoice::Mono => Color::Mono,
    };
    let render = match (render, color) {
        (RenderChoice::Ascii, _) | (_, Color::Mono) => Render::Ascii,
        (RenderChoice::Half, _) => Render::HalfBlock,
        (RenderChoice::Auto, _) if unicode => Render::HalfBlock,
        (RenderChoice::Auto, _) => Render::Ascii,
    };
    Caps { mode: Mode { render, color }, unicode, synchronized: env.is_modern() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&'static str, &str)]) -> Env {
        Env::read(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()).ok_or(())
        })
    }

    fn auto(pairs: &[(&'static str, &str)]) -> (Render, Color) {
        let Caps { mode, .. } = choose(&env(pairs), RenderChoice::Auto, ColorChoice::Auto);
        (mode.render, mode.color)
    }

    #[test]
    fn follows_the_terminal() {
        use {Color::*, Render::*};
        let utf8 = ("LANG", "de_DE.UTF-8");
        assert_eq!(auto(&[]), (Ascii, Mono));
        assert_eq!(auto(&[("TERM", "dumb"), utf8]), (Ascii, Mono));
        assert_eq!(auto(&[("TERM", "vt220"), utf8]), (Ascii, Mono));
        assert_eq!(auto(&[("TERM", "xterm-256color"), utf8]), (HalfBlock, Ansi256));
        assert_eq!(auto(&[("TERM", "xterm-256color")]), (Ascii, Ansi256));
        assert_eq!(auto(&[("TERM", "xterm-kitty"), utf8]), (HalfBlock, True));
        assert_eq!(
            auto(&[("TERM", "screen"), ("COLORTERM", "truecolor"), utf8]),
            (HalfBlock, True)
        );
        assert_eq!(auto(&[("TERM", "foot"), ("NO_COLOR", "1"), utf8]), (Ascii, Mono));
    }

    #[test]
    fn the_strongest_locale_variable_wins() {
        assert!(!env(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]).unicode());
        assert!(env(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]).unicode());
    }

    #[test]
    fn flags_win_where_they_can() {
        let dumb = env(&[("TERM", "dumb")]);
        let Caps { mode, .. } = choose(&dumb, RenderChoice::Half, ColorChoice::Ansi256);
        assert_eq!((mode.render, mode.color), (Render::HalfBlock, Color::Ansi256));
        let Caps { mode, .. } = choose(&dumb, RenderChoice::Half, ColorChoice::Mono);
        assert_eq!((mode.render, mode.color), (Render::Ascii, Color::Mono));
    }
}
