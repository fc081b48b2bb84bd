//! What the environment says about a terminal.

use meoww_paint::Color;

/// The environment variables that tell what a terminal can do; empty where unset.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// `TERM`
    pub term: String,
    /// `TERM_PROGRAM`
    pub term_program: String,
    /// `LC_TERMINAL`, which iTerm2 sets and SSH passes on
    pub lc_terminal: String,
    /// `COLORTERM`
    pub colorterm: String,
    /// `NO_COLOR` (<https://no-color.org>)
    pub no_color: String,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set (POSIX.1, 8.2)
    pub locale: String,
    /// `TMUX`
    pub tmux: String,
    /// `SSH_TTY`, or else `SSH_CONNECTION`
    pub ssh: String,
}

impl Env {
    /// From the environment, by a function like [`std::env::var`].
    pub fn read<E>(var: impl Fn(&'static str) -> Result<String, E>) -> Self {
        let get = |name| var(name).unwrap_or_default();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(get).into_iter().find(|s| !s.is_empty());
        Self {
            term: get("TERM"),
            term_program: get("TERM_PROGRAM"),
            lc_terminal: get("LC_TERMINAL"),
            colorterm: get("COLORTERM"),
            no_color: get("NO_COLOR"),
            locale: locale.unwrap_or_default(),
            tmux: get("TMUX"),
            ssh: ["SSH_TTY", "SSH_CONNECTION"].map(get).concat(),
        }
    }

    /// Whether the terminal says that it can do nothing but print lines.
    pub fn is_dumb(&self) -> bool {
        self.term == "dumb"
    }

    /// Whether tmux is around the program.
    pub fn is_tmux(&self) -> bool {
        !self.tmux.is_empty() || self.term.starts_with("tmux")
    }

    /// Whether GNU screen is.
    pub fn is_screen(&self) -> bool {
        self.term.starts_with("screen") && !self.is_tmux()
    }

    /// Whether the terminal can be sent an OSC, DCS or APC that it may not know. GNU screen acts on
    /// them in its own way, and consoles of old print them.
    pub(super) fn takes_strings(&self) -> bool {
        let plain = ["linux", "vt", "sun", "cons25", "wsvt25"];
        !self.is_screen() && !plain.iter().any(|name| self.term.starts_with(name))
    }

    /// Whether the terminal is iTerm2, or one that names itself because it shows the same images.
    pub(super) fn is_iterm2(&self) -> bool {
        self.lc_terminal == "iTerm2"
            || ["iTerm.app", "WezTerm", "mintty"].contains(&self.term_program.as_str())
    }

    /// The colours it has.
    pub(super) fn color(&self) -> Color {
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
    pub(super) fn is_modern(&self) -> bool {
        let term = ["alacritty", "contour", "foot", "xterm-ghostty", "xterm-kitty", "wezterm"];
        let program = ["WezTerm", "ghostty", "iTerm.app"];
        term.iter().any(|name| self.term.starts_with(name))
            || program.contains(&self.term_program.as_str())
    }

    /// Whether the locale is one of UTF-8.
    pub fn unicode(&self) -> bool {
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
        let color = |pairs: &[(&'static str, &str)]| env(pairs).color();
        assert_eq!(color(&[]), Color::Mono);
        assert_eq!(color(&[("TERM", "vt220")]), Color::Mono);
        assert_eq!(color(&[("TERM", "xterm-256color")]), Color::Ansi256);
        assert_eq!(color(&[("TERM", "xterm-kitty")]), Color::True);
        assert_eq!(color(&[("TERM", "screen"), ("COLORTERM", "truecolor")]), Color::True);
        assert_eq!(color(&[("TERM", "foot"), ("NO_COLOR", "1")]), Color::Mono);
    }

    #[test]
    fn the_strongest_locale_variable_wins() {
        let unicode = |pairs: &[(&'static str, &str)]| env(pairs).unicode();
        assert!(!unicode(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(unicode(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
    }

    #[test]
    fn multiplexers_are_told_apart() {
        let named = |pairs: &[(&'static str, &str)]| {
            let env = env(pairs);
            (env.is_tmux(), env.is_screen(), env.takes_strings())
        };
        assert_eq!(named(&[("TERM", "xterm")]), (false, false, true));
        assert_eq!(named(&[("TERM", "linux")]), (false, false, false));
        assert_eq!(named(&[("TERM", "screen.xterm")]), (false, true, false));
        assert_eq!(named(&[("TERM", "screen-256color"), ("TMUX", "/tmp/x")]), (true, false, true));
        assert_eq!(named(&[("TERM", "tmux-256color")]), (true, false, true));
    }
}
