//! How pictures are to be drawn: what the user asks for, completed by what the terminal can do.

use clap::{Args, ValueEnum, builder::PossibleValue};
use meoww_paint::{Charset, Color, Filter, Look, Percent, Quality, Render};

use crate::{
    error::Error,
    terminal::{env::Env, findings::color_name, probe::Wish},
};

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, Args)]
pub struct Drawing {
    /// How pictures are drawn
    #[arg(long, value_enum, default_value_t)]
    pub render: RenderChoice,
    /// With how many colours at most
    #[arg(long, value_enum, default_value_t)]
    pub color: ColorChoice,
    /// How exact pictures are, from 0 (fewest bytes) to 100, or max; at rest they are in any
    #[arg(long, value_name = "N", default_value_t)]
    pub quality: Quality,
    #[command(flatten)]
    pub look: LookArgs,
}

/// How pictures differ from what was sent.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct LookArgs {
    /// Make pictures brighter, or darker: -100 to 100
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    pub brightness: Percent,
    /// Give them more contrast, or less: -100 to 100
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    pub contrast: Percent,
    /// Show them in other colours
    #[arg(long, value_enum, default_value_t)]
    pub filter: FilterChoice,
    /// Draw letters with these of ASCII alone, in any order; the space is always one of them
    #[arg(long, value_name = "LETTERS", default_value_t, hide_default_value = true)]
    pub palette: Charset,
    /// Swap left and right; in a call of your own picture alone, as in a mirror
    #[arg(long)]
    pub mirror: bool,
}

impl LookArgs {
    fn look(self) -> Look {
        let Self { brightness, contrast, filter, palette, mirror } = self;
        Look { brightness, contrast, filter: filter.0, is_mirrored: mirror, letters: palette }
    }
}

/// `--filter`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilterChoice(Filter);

impl ValueEnum for FilterChoice {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [FilterChoice; Filter::ALL.len()] = {
            let mut all = [FilterChoice(Filter::None); Filter::ALL.len()];
            let mut index = 0;
            while index < Filter::ALL.len() {
                all[index] = FilterChoice(Filter::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
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
            Self::Auto => PossibleValue::new("auto").help(
                "Pixels where the terminal is known to show them, else half blocks, else ASCII",
            ),
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
    #[value(name = "truecolor", alias = "true")]
    True,
    /// The 256 colours of xterm
    #[value(name = "256")]
    Ansi256,
    /// The first 16 colours
    #[value(name = "16")]
    Ansi16,
    /// None
    Mono,
}

impl Drawing {
    /// What is asked of a terminal.
    ///
    /// # Errors
    ///
    /// The mode that was asked for needs Unicode, which the locale does not have, or more colours than
    /// were asked for.
    pub fn wish(&self, env: &Env) -> Result<Wish, Error> {
        let render = match self.render {
            RenderChoice::Only(render) if render.needs_unicode() && !env.unicode() => {
                return Err(Error::NoUtf8);
            }
            RenderChoice::Only(render) => Some(render),
            RenderChoice::Auto => None,
        };
        let color = match self.color {
            ColorChoice::Auto => None,
            ColorChoice::True => Some(Color::True),
            ColorChoice::Ansi256 => Some(Color::Ansi256),
            ColorChoice::Ansi16 => Some(Color::Ansi16),
            ColorChoice::Mono => Some(Color::Mono),
        };
        if let (Some(render), Some(color)) = (render, color)
            && render.color(color).count() > color.count()
        {
            return Err(too_few(render, color));
        }
        Ok(Wish { render, color, quality: self.quality, look: self.look.look() })
    }
}

/// Pixels are in colours of their own.
fn too_few(render: Render, color: Color) -> Error {
    let (name, asked) = (render.name(), color_name(color));
    let greys = if color == Color::Mono { " For greys, add --filter grey." } else { "" };
    Error::InvalidInput(format!(
        "--render {name} draws pixels, which need more colours than --color {asked} allows. Leave \
         out --color, or choose cells, as --render half does.{greys}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{probe::Probe, tty::WindowSize};

    const WINDOW: WindowSize = WindowSize { columns: 80, rows: 24, pixels: None };

    fn chosen(
        term: &str,
        locale: &str,
        render: RenderChoice,
        color: ColorChoice,
    ) -> Option<(Render, Color)> {
        let (term, locale) = (term.to_owned(), locale.to_owned());
        let env = Env { term, locale, ..Env::default() };
        let (quality, look) = (Quality::USUAL, LookArgs::default());
        let wish = Drawing { render, color, quality, look }.wish(&env).ok()?;
        let mode = Probe::new(env, wish, WINDOW).mode();
        Some((mode.render, mode.color))
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
        assert_eq!(asked("C.utf8", ColorChoice::Mono), Some((Render::Quadrant, Color::Mono)));
        assert_eq!(asked("C", ColorChoice::True), None, "no Unicode");
    }

    /// As the line below a picture and `meoww doctor` call them.
    #[test]
    fn colours_are_chosen_by_the_names_they_are_shown_with() {
        for (choice, color) in [
            (ColorChoice::True, Color::True),
            (ColorChoice::Ansi256, Color::Ansi256),
            (ColorChoice::Ansi16, Color::Ansi16),
            (ColorChoice::Mono, Color::Mono),
        ] {
            assert_eq!(ColorChoice::from_str(color_name(color), false), Ok(choice));
        }
        assert_eq!(ColorChoice::from_str("true", false), Ok(ColorChoice::True), "as it was once");
    }

    /// Sixels have 216 colours, of the 256 of xterm; other pixels have all there are.
    #[test]
    fn pixels_are_refused_in_fewer_colours_than_they_have() {
        use {Color::*, Render::*};
        for (render, least) in [(Kitty, 1 << 24), (Iterm2, 1 << 24), (Sixel, 256)] {
            for (choice, color) in [
                (ColorChoice::Auto, True),
                (ColorChoice::True, True),
                (ColorChoice::Ansi256, Ansi256),
                (ColorChoice::Ansi16, Ansi16),
                (ColorChoice::Mono, Mono),
            ] {
                let render = RenderChoice::Only(render);
                let is_chosen = chosen("xterm", "C.utf8", render, choice).is_some();
                assert_eq!(is_chosen, color.count() >= least, "{render:?} {choice:?}");
            }
        }
        let dots = chosen("xterm", "C.utf8", RenderChoice::Only(Braille), ColorChoice::True);
        assert!(dots.is_some(), "so many at most");
    }

    #[test]
    fn every_way_of_drawing_can_be_chosen() {
        for render in Render::ALL {
            let choice = RenderChoice::from_str(render.name(), false);
            assert_eq!(choice, Ok(RenderChoice::Only(render)));
        }
    }
}
