//! How pictures are to be drawn: what the user asks for, completed by what the terminal can do.

use clap::{Args, ValueEnum, builder::PossibleValue};
use meoww_paint::{Color, Mode, Render};

use crate::{error::Error, terminal::caps::Caps};

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, Args)]
pub struct Drawing {
    /// How pictures are drawn
    #[arg(long, value_enum, default_value_t)]
    pub render: RenderChoice,
    /// With how many colours
    #[arg(long, value_enum, default_value_t)]
    pub color: ColorChoice,
}

/// `--render`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RenderChoice {
    /// Whichever the terminal shows best.
    #[default]
    Auto,
    /// This one.
    Only(Render),
}

impl ValueEnum for RenderChoice {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [RenderChoice; Render::ALL.len() + 1] = {
            let mut all = [RenderChoice::Auto; Render::ALL.len() + 1];
            let mut index = 0;
            while index < Render::ALL.len() {
                all[index + 1] = RenderChoice::Only(Render::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto")
                .help("Half blocks where the terminal has Unicode and colours, ASCII elsewhere"),
            Self::Only(render) => PossibleValue::new(render.name()).help(render.help()),
        })
    }
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

/// Returns the mode to draw in. What needs colours becomes ASCII without them, whatever was asked.
///
/// # Errors
/// The mode that was asked for needs Unicode, which the terminal does not show.
pub fn choose(caps: &mut Caps, render: RenderChoice, color: ColorChoice) -> Result<Mode, Error> {
    caps.color = match color {
        ColorChoice::Auto => caps.color,
        ColorChoice::True => Color::True,
        ColorChoice::Ansi256 => Color::Ansi256,
        ColorChoice::Mono => Color::Mono,
    };
    let best = if caps.unicode { Render::HalfBlock } else { Render::Ascii };
    let render = match render {
        RenderChoice::Only(render) if render.needs_unicode() && !caps.unicode => {
            return Err(Error::NoUtf8);
        }
        RenderChoice::Only(render) => render,
        RenderChoice::Auto => best,
    };
    let is_shown = caps.color != Color::Mono || !render.needs_colors();
    Ok(Mode { render: if is_shown { render } else { Render::Ascii }, color: caps.color })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::caps::Env;

    fn chosen(
        term: &str,
        locale: &str,
        render: RenderChoice,
        color: ColorChoice,
    ) -> Option<(Render, Color)> {
        let (term, locale) = (term.to_owned(), locale.to_owned());
        let mut caps = Env { term, locale, ..Env::default() }.caps(None);
        choose(&mut caps, render, color).ok().map(|mode| (mode.render, mode.color))
    }

    #[test]
    fn follows_the_terminal() {
        use {Color::*, Render::*};
        let auto = |term, locale| chosen(term, locale, RenderChoice::Auto, ColorChoice::Auto);
        assert_eq!(auto("", ""), Some((Ascii, Mono)));
        assert_eq!(auto("vt220", "de_DE.UTF-8"), Some((Ascii, Mono)));
        assert_eq!(auto("xterm-256color", "de_DE.UTF-8"), Some((HalfBlock, Ansi256)));
        assert_eq!(auto("xterm-256color", "C"), Some((Ascii, Ansi256)));
        assert_eq!(auto("xterm-kitty", "C.utf8"), Some((HalfBlock, True)));
    }

    #[test]
    fn flags_win_where_they_can() {
        let quadrant = RenderChoice::Only(Render::Quadrant);
        let asked = |locale, color| chosen("vt220", locale, quadrant, color);
        assert_eq!(asked("C.utf8", ColorChoice::True), Some((Render::Quadrant, Color::True)));
        assert_eq!(asked("C.utf8", ColorChoice::Mono), Some((Render::Ascii, Color::Mono)));
        assert_eq!(asked("C", ColorChoice::True), None, "no Unicode");
    }

    #[test]
    fn every_way_of_drawing_can_be_chosen() {
        for render in Render::ALL {
            let choice = RenderChoice::from_str(render.name(), false);
            assert_eq!(choice, Ok(RenderChoice::Only(render)));
        }
    }
}
