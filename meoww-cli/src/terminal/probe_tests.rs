use proptest::prelude::*;

use super::*;

const WINDOW: WindowSize = WindowSize { columns: 80, rows: 24, pixels: None };

fn probe(pairs: &[(&'static str, &str)]) -> Probe {
    let env = Env::read(|name| {
        let usual = [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")];
        let found = pairs.iter().chain(&usual).find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned()).ok_or(())
    });
    Probe::new(env, Wish::default(), WINDOW)
}

const DA1: Reply = Reply::Attributes { sixel: false };

#[test]
fn replies_correct_the_guess() {
    let mut kitty = probe(&[("TERM", "xterm-kitty")]);
    assert!(kitty.caps().synchronized && kitty.caps().color == Color::True);
    assert!(kitty.reply(&Reply::Mode { mode: SYNCHRONIZED, is_known: false }));
    assert!(!kitty.caps().synchronized);
    // 800 x 480 in 80 x 24 cells are 10 x 20 each.
    assert!(kitty.reply(&Reply::ScreenPixels { width: 800, height: 480 }));
    assert_eq!(kitty.caps().cell_pixels, Some((10, 20)));
    assert!(kitty.reply(&Reply::CellPixels { width: 9, height: 17 }));
    assert_eq!(Some(kitty.caps().cell), CellShape::new(9, 17));
    assert!(!kitty.reply(&Reply::ScreenPixels { width: 720, height: 480 }), "less exact");
    assert!(kitty.reply(&Reply::CellPixels { width: 0, height: 17 }), "no shape, so that of all");
    assert_eq!(Some(kitty.caps().cell), CellShape::new(9, 20));
    assert!(!kitty.reply(&Reply::Ready));
}

#[test]
fn a_terminal_that_answers_and_does_not_know_the_mode_does_not_have_it() {
    let mut probe = probe(&[("TERM", "foot")]);
    assert!(probe.caps().synchronized, "as it is known for");
    assert!(probe.reply(&DA1) && probe.is_answered());
    assert!(!probe.caps().synchronized);
}

#[test]
fn colours_are_believed_of_who_says_so() {
    let color = |reply: Reply| {
        let mut probe = probe(&[]);
        probe.reply(&reply);
        probe.caps().color
    };
    let version = |name: &str| Reply::Version(name.to_owned());
    assert_eq!(color(version("foot(1.16.2)")), Color::True);
    assert_eq!(color(version("XTerm(390)")), Color::Ansi256);
    assert_eq!(color(version("tmux 3.4")), Color::Ansi256);
    let rgb = |is_known| Reply::Capability { name: "RGB".to_owned(), is_known };
    assert_eq!((color(rgb(true)), color(rgb(false))), (Color::True, Color::Ansi256));
    // Whoever sets NO_COLOR wants none.
    let mut plain = probe(&[("NO_COLOR", "1")]);
    plain.reply(&rgb(true));
    assert_eq!(plain.caps().color, Color::Mono);
}

#[test]
fn what_is_asked_for_wins() {
    let env = probe(&[]).env().clone();
    let wish = Wish { render: Some(Render::Quadrant), color: Some(Color::Mono), ..Wish::default() };
    let mut probe = Probe::new(env.clone(), wish, WINDOW);
    probe.reply(&Reply::Capability { name: "RGB".to_owned(), is_known: true });
    let mode = probe.mode();
    assert_eq!((mode.render, mode.color), (Render::Quadrant, Color::Mono));
    let wish = Wish { render: Some(Render::Quadrant), ..Wish::default() };
    assert_eq!(Probe::new(env, wish, WINDOW).mode().render, Render::Quadrant);
}

/// Pixels before cells, and cells where few colours are asked for.
#[test]
fn pixels_are_drawn_where_they_are_known_to_be_shown() {
    let mut kitty = probe(&[("TERM", "xterm-kitty")]);
    assert_eq!(kitty.mode().render, Render::HalfBlock, "it has not answered");
    kitty.reply(&Reply::Graphics { id: 31, is_ok: true });
    assert_eq!(kitty.mode().render, Render::Kitty);
    let asked = |color, render| {
        let mut probe = kitty.clone();
        probe.wish = Wish { color, render, ..Wish::default() };
        probe.mode().render
    };
    assert_eq!(asked(Some(Color::Ansi256), None), Render::HalfBlock);
    assert_eq!(asked(Some(Color::True), None), Render::Kitty);
    assert_eq!(asked(None, Some(Render::Octant)), Render::Octant);
    assert_eq!(asked(None, Some(Render::Iterm2)), Render::Kitty, "it does not show those");
    let mut xterm = probe(&[]);
    xterm.reply(&Reply::CellPixels { width: 6, height: 13 });
    xterm.reply(&Reply::Mode { mode: 1070, is_known: true });
    xterm.reply(&Reply::SixelSize { width: 1000, height: 800 });
    xterm.reply(&Reply::Attributes { sixel: true });
    assert_eq!(xterm.mode().render, Render::Sixel);
    let expected = SixelTraits { keeps_colors: true, in_tmux: false, widest: 1000 };
    assert_eq!(xterm.caps().sixel_traits, expected);
    assert!(xterm.caps().farewell().ends_with(b"\x1b[?1070h"));
    let render = |pairs: &[(&'static str, &str)]| probe(pairs).mode().render;
    assert_eq!(render(&[("TERM_PROGRAM", "iTerm.app")]), Render::Iterm2);
    assert_eq!(render(&[("LC_TERMINAL", "iTerm2")]), Render::Iterm2);
    assert_eq!(render(&[("LC_TERMINAL", "iTerm2"), ("TMUX", "x")]), Render::HalfBlock);
    assert_eq!(render(&[("TERM_PROGRAM", "iTerm.app"), ("NO_COLOR", "1")]), Render::Ascii);
}

#[test]
fn blocks_that_are_two_cells_wide_are_not_drawn() {
    let mut cjk = probe(&[]);
    assert!(!cjk.reply(&Reply::Cursor { row: GLYPH_ROW, column: 2 }), "one cell");
    assert_eq!(cjk.mode().render, Render::HalfBlock);
    assert!(cjk.reply(&Reply::Cursor { row: GLYPH_ROW, column: 3 }));
    assert_eq!((cjk.mode().render, cjk.caps().unicode), (Render::Ascii, false));
}

#[test]
fn pictures_are_asked_about_and_believed() {
    let mut tmux = probe(&[("TMUX", "/tmp/x")]);
    let questions = String::from_utf8(tmux.questions()).unwrap();
    let passed = "\x1bPtmux;\x1b\x1b_Gi=31,a=p,U=1,c=1,r=1\x1b\x1b\\\x1b\\";
    assert_eq!(questions.split(passed).count(), 2, "placeholders: {questions:?}");
    assert!(!questions.replace("\x1bPtmux;\x1b\x1b_G", "").contains("_G"), "{questions:?}");
    let other = String::from_utf8(probe(&[]).questions()).unwrap();
    let asked = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
    assert_eq!((other.split(asked).count(), other.contains("Ptmux")), (2, false));
    tmux.reply(&Reply::Graphics { id: 31, is_ok: true });
    tmux.reply(&Reply::Graphics { id: 7, is_ok: false });
    assert!(tmux.caps().kitty && !tmux.caps().sixel);
    let known = |probe: &Probe| (probe.caps().kitty_traits.edits, probe.caps().kitty_traits.shares);
    assert_eq!(known(&tmux), (false, false));
    tmux.reply(&Reply::Graphics { id: 32, is_ok: true });
    tmux.reply(&Reply::Graphics { id: 33, is_ok: true });
    assert_eq!(known(&tmux), (true, true));
    tmux.reply(&Reply::Attributes { sixel: true });
    assert!(!tmux.caps().sixel, "of how many pixels a cell is, nothing is known");
    tmux.reply(&Reply::CellPixels { width: 8, height: 16 });
    assert!(tmux.caps().sixel);
    tmux.reply(&Reply::SixelColors(16));
    assert!(!tmux.caps().sixel);
}

#[test]
fn in_tmux_the_terminal_around_it_is_waited_for() {
    let [mut alone, mut tmux] = [probe(&[]), probe(&[("TMUX", "/tmp/x")])];
    for probe in [&mut alone, &mut tmux] {
        assert!(!probe.is_complete());
        probe.reply(&DA1);
    }
    assert!(alone.is_complete() && !tmux.is_complete());
    for (id, is_last) in [(31, false), (32, false), (33, true)] {
        tmux.reply(&Reply::Graphics { id, is_ok: true });
        assert_eq!(tmux.is_complete(), is_last);
    }
}

/// tmux 3.5a in kitty 0.41.1: DA1 is `1;2;4`, and what kitty shows of a sixel is `SIXEL IMAGE`.
#[test]
fn sixels_in_tmux_are_drawn_only_where_they_are_asked_for() {
    let mut tmux = probe(&[("TMUX", "/tmp/x"), ("COLORTERM", "truecolor")]);
    tmux.reply(&Reply::CellPixels { width: 9, height: 18 });
    tmux.reply(&Reply::Attributes { sixel: true });
    assert_eq!(tmux.mode().render, Render::HalfBlock);
    tmux.wish = Wish { render: Some(Render::Sixel), ..Wish::default() };
    assert_eq!(tmux.mode().render, Render::Sixel);
    tmux.wish = Wish::default();
    tmux.reply(&Reply::Graphics { id: 31, is_ok: true });
    assert_eq!(tmux.mode().render, Render::Kitty, "kitty answers for itself");
}

#[test]
fn a_background_is_light_or_dark() {
    let is_light = |color| {
        let mut probe = probe(&[]);
        probe.reply(&Reply::Background(color));
        probe.caps().is_light
    };
    // Solarized light and dark, and pure blue, whose luma is 0.114.
    assert!(is_light([0xfd, 0xf6, 0xe3]));
    assert!(!is_light([0x00, 0x2b, 0x36]) && !is_light([0, 0, 255]));
}

/// Strings are printed by terminals that do not know them, or acted on.
#[test]
fn no_terminal_is_asked_what_it_would_print() {
    for term in ["linux", "vt220", "screen-256color"] {
        let questions = probe(&[("TERM", term)]).questions();
        let intro = |kind: u8| questions.windows(2).any(|pair| pair == [0x1b, kind]);
        assert!(![b']', b'P', b'_'].into_iter().any(intro), "{term}");
        assert!(questions.ends_with(LAST));
    }
    // Nor what the answer of would look like a key.
    let small = WindowSize { rows: 2, ..WINDOW };
    let questions = Probe::new(probe(&[]).env().clone(), Wish::default(), small).questions();
    assert!(!questions.windows(3).any(|bytes| bytes == b"[6n"));
}

#[test]
fn another_font_is_believed() {
    let mut probe = probe(&[]);
    probe.reply(&Reply::CellPixels { width: 9, height: 17 });
    assert!(!probe.resized(WindowSize { columns: 100, ..WINDOW }), "nothing is said of the font");
    // 80 x 24 cells of 10 x 16 pixels.
    assert!(probe.resized(WindowSize { pixels: Some((800, 384)), ..WINDOW }));
    assert_eq!(Some(probe.caps().cell), CellShape::new(10, 16));
    assert_eq!(probe.caps().cell_pixels, Some((10, 16)));
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        any::<bool>().prop_map(|sixel| Reply::Attributes { sixel }),
        (any::<u16>(), any::<bool>()).prop_map(|(mode, is_known)| Reply::Mode { mode, is_known }),
        (any::<u16>(), any::<u16>())
            .prop_map(|(width, height)| Reply::CellPixels { width, height }),
        (any::<u16>(), any::<u16>())
            .prop_map(|(width, height)| Reply::ScreenPixels { width, height }),
        (any::<u16>(), any::<u16>())
            .prop_map(|(columns, rows)| Reply::ScreenCells { columns, rows }),
        (1u16..4, any::<u16>()).prop_map(|(row, column)| Reply::Cursor { row, column }),
        any::<[u8; 3]>().prop_map(Reply::Background),
    ]
}

proptest! {
    #[test]
    fn any_answers_leave_a_way_to_draw(replies in prop::collection::vec(reply(), 0..20)) {
        let mut probe = probe(&[]);
        for reply in &replies {
            let (before, mode) = (probe.caps(), probe.mode());
            let changed = probe.reply(reply);
            prop_assert_eq!(changed, (before, mode) != (probe.caps(), probe.mode()));
        }
        let mode = probe.mode();
        prop_assert!(probe.caps().unicode || !mode.render.needs_unicode());
    }
}
