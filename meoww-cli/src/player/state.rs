//! What a player shows, and what its keys mean.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use meoww_paint::{Color, Filter, Mode, Quality, Rect, Render, Size};

use crate::terminal::caps::Caps;

/// The arrow keys go this far.
const STEP: Duration = Duration::from_secs(5);
const LONG_STEP: Duration = Duration::from_secs(60);
/// A key changes the quality by so much.
const STEP_OF_QUALITY: i16 = 5;
/// The highest number of a quality.
const HIGHEST: i16 = 100;

/// Everything but the picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// The terminal's size in cells.
    pub(super) size: Size,
    /// How much of it the picture may take.
    pub(super) limit: Size,
    pub(super) caps: Caps,
    pub(super) mode: Mode,
    /// Whether a key chose the mode.
    pub(super) is_chosen: bool,
    pub(super) is_paused: bool,
    /// The moment of the newest picture.
    pub(super) at: Duration,
    /// How long the film is; `None` for a camera, and where it cannot be known.
    pub(super) length: Option<Duration>,
    /// The last second.
    pub(super) figures: Figures,
}

/// What was shown in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) pictures: u64,
    pub(super) bytes: u64,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Quit,
    Suspend,
    Pause,
    /// To this moment.
    Wind(Duration),
    /// [`State::mode`] is another one.
    Mode,
    /// Its quality is.
    Quality,
    Redraw,
}

impl State {
    /// What a key means at present; `None` for nothing.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (is_control, key.code) {
            (true, KeyCode::Char('c')) => Some(Effect::Quit),
            (true, KeyCode::Char('z')) => Some(Effect::Suspend),
            (true, KeyCode::Char('l')) => Some(Effect::Redraw),
            (false, KeyCode::Char('q') | KeyCode::Esc) => Some(Effect::Quit),
            (false, KeyCode::Char(' ')) => {
                self.is_paused = !self.is_paused;
                Some(Effect::Pause)
            }
            (false, KeyCode::Left) => self.wind(self.at.saturating_sub(STEP)),
            (false, KeyCode::Right) => self.wind(self.at + STEP),
            (false, KeyCode::Down) => self.wind(self.at.saturating_sub(LONG_STEP)),
            (false, KeyCode::Up) => self.wind(self.at + LONG_STEP),
            (false, KeyCode::Home) => self.wind(Duration::ZERO),
            (false, KeyCode::Char(digit @ '0'..='9')) => {
                let tenths = u32::from(digit) - u32::from('0');
                self.wind(self.length? * tenths / 10)
            }
            (false, KeyCode::Char('+' | '=')) => Some(self.spend(STEP_OF_QUALITY)),
            (false, KeyCode::Char('-')) => Some(self.spend(-STEP_OF_QUALITY)),
            (false, KeyCode::Char('m')) => {
                self.mode.render = next(&self.renders(), self.mode.render);
                self.is_chosen = true;
                Some(Effect::Mode)
            }
            (false, KeyCode::Char('f')) => {
                self.mode.look.filter = next(&Filter::ALL, self.mode.look.filter);
                self.is_chosen = true;
                Some(Effect::Mode)
            }
            (false, KeyCode::Char('c')) => {
                let colors = self.colors();
                let is_choice = colors.len() > 1;
                is_choice.then(|| {
                    self.mode.color = next(&colors, self.mode.color);
                    self.is_chosen = true;
                    Effect::Mode
                })
            }
            _ => None,
        }
    }

    /// More quality, or less.
    fn spend(&mut self, steps: i16) -> Effect {
        let number = self.mode.quality.number().map_or(HIGHEST, i16::from) + steps;
        let number = number.clamp(0, HIGHEST) as u8;
        self.mode.quality = Quality::new(number).unwrap_or_default();
        Effect::Quality
    }

    /// A film of unknown length may be a pipe, which cannot be wound.
    fn wind(&self, to: Duration) -> Option<Effect> {
        Some(Effect::Wind(to.min(self.length?)))
    }

    /// The ways of drawing that the terminal allows.
    fn renders(&self) -> Vec<Render> {
        Render::ALL.into_iter().filter(|render| self.caps.shows(*render)).collect()
    }

    /// The colours the terminal has, of those that pictures can have as they are drawn.
    fn colors(&self) -> Vec<Color> {
        let all = [Color::True, Color::Ansi256, Color::Ansi16, Color::Mono];
        let all = all.into_iter().skip_while(|color| *color != self.caps.color);
        all.filter(|color| self.mode.render.color(*color) == *color).collect()
    }

    /// Where the picture is drawn: all but the last line, in the middle of it. Sixels in the last line
    /// would scroll the screen.
    pub(super) fn area(&self) -> Rect {
        let below = self.bar_height().max((self.mode.render == Render::Sixel).into());
        let height = self.size.height.saturating_sub(below);
        let (w, h) = (self.size.width.min(self.limit.width), height.min(self.limit.height));
        Rect::new((self.size.width - w) / 2, (height - h) / 2, w, h)
    }

    /// Lines below the picture.
    pub(super) fn bar_height(&self) -> u16 {
        u16::from(self.size.height > 2)
    }
}

/// The one after `now`, in a circle.
fn next<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let at = all.iter().position(|item| *item == now).map_or(0, |at| (at + 1) % all.len());
    all.get(at).copied().unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(color: Color, length: Option<u64>) -> State {
        let size = Size { width: 80, height: 24 };
        State {
            size,
            limit: size,
            caps: Caps::new(color, true),
            mode: Mode::new(Render::HalfBlock, color),
            is_chosen: false,
            is_paused: false,
            at: Duration::from_secs(10),
            length: length.map(Duration::from_secs),
            figures: Figures::default(),
        }
    }

    fn press(state: &mut State, code: KeyCode) -> Option<Effect> {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn the_arrows_wind_within_the_film() {
        let to = |code| match press(&mut state(Color::True, Some(60)), code) {
            Some(Effect::Wind(to)) => to.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!((to(KeyCode::Left), to(KeyCode::Right)), (5, 15));
        assert_eq!((to(KeyCode::Down), to(KeyCode::Up)), (0, 60));
        assert_eq!((to(KeyCode::Home), to(KeyCode::Char('5'))), (0, 30));
        let mut camera = state(Color::True, None);
        for code in [KeyCode::Left, KeyCode::Up, KeyCode::Char('3')] {
            assert_eq!(press(&mut camera, code), None, "a camera cannot be wound");
        }
    }

    #[test]
    fn filters_go_round() {
        let mut state = state(Color::True, None);
        for filter in [Filter::Grey, Filter::Sepia] {
            assert_eq!(press(&mut state, KeyCode::Char('f')), Some(Effect::Mode));
            assert_eq!(state.mode.look.filter, filter);
        }
    }

    #[test]
    fn modes_go_round_through_those_that_can_be_shown() {
        let mut state = state(Color::True, None);
        let start = state.mode;
        let mut seen = Vec::new();
        while seen.is_empty() || state.mode != start {
            assert_eq!(press(&mut state, KeyCode::Char('m')), Some(Effect::Mode));
            seen.push(state.mode.render);
        }
        let cells = Render::ALL.into_iter().filter(|render| !render.has_pixels());
        assert_eq!(seen.len(), cells.count());
        state.caps.kitty = true;
        while state.mode.render != Render::Kitty {
            assert_eq!(press(&mut state, KeyCode::Char('m')), Some(Effect::Mode));
        }
        assert_eq!(press(&mut state, KeyCode::Char('c')), None, "its pixels have all colours");
    }

    #[test]
    fn colours_go_round_where_there_are_several() {
        let mut state = state(Color::True, None);
        for color in [Color::Ansi256, Color::Ansi16, Color::Mono, Color::True] {
            assert_eq!(press(&mut state, KeyCode::Char('c')), Some(Effect::Mode));
            assert_eq!(state.mode.color, color);
        }
        for render in [Render::Kitty, Render::Iterm2, Render::Sixel, Render::Braille] {
            state.mode.render = render;
            assert_eq!(press(&mut state, KeyCode::Char('c')), None, "{render:?}");
        }
    }

    #[test]
    fn keys_change_the_quality_within_its_bounds() {
        let mut state = state(Color::True, None);
        let number = |state: &State| state.mode.quality.number();
        for expected in [80, 85, 90, 95, 100, 100] {
            assert_eq!(press(&mut state, KeyCode::Char('+')), Some(Effect::Quality));
            assert_eq!(number(&state), Some(expected));
        }
        state.mode.quality = Quality::MAX;
        press(&mut state, KeyCode::Char('-'));
        assert_eq!(number(&state), Some(95));
        state.mode.quality = Quality::new(3).unwrap();
        press(&mut state, KeyCode::Char('-'));
        assert_eq!(number(&state), Some(0));
    }

    #[test]
    fn more_colours_than_the_terminal_has_are_not_offered() {
        let mut state = state(Color::Ansi16, None);
        press(&mut state, KeyCode::Char('c'));
        assert_eq!(state.mode.color, Color::Mono);
        press(&mut state, KeyCode::Char('c'));
        assert_eq!(state.mode.color, Color::Ansi16);
    }

    #[test]
    fn the_picture_leaves_the_last_line() {
        let mut state = state(Color::True, None);
        assert_eq!(state.area(), Rect::new(0, 0, 80, 23));
        state.limit = Size { width: 40, height: 11 };
        assert_eq!(state.area(), Rect::new(20, 6, 40, 11));
        state.size = Size { width: 1, height: 1 };
        assert_eq!(state.area(), Rect::new(0, 0, 1, 1));
        state.size = Size { width: 0, height: 0 };
        assert!(state.area().is_empty());
    }
}
