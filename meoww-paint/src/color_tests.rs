//! Colours, brightness and letters, as they are seen.

use super::*;

/// Values of ITU-R BT.601, limited range, and what they are in RGB.
#[test]
fn colours_are_those_of_the_standard() {
    for (colour, expected) in [
        ([235, 128, 128], [255, 255, 255]),
        ([16, 128, 128], [0, 0, 0]),
        ([81, 90, 240], [255, 0, 0]),
        ([145, 54, 34], [0, 255, 0]),
        ([41, 240, 110], [0, 0, 255]),
    ] {
        let colourful = |mode: &Mode| mode.render != Render::Ascii && mode.color != Color::Mono;
        for mode in modes().into_iter().filter(colourful) {
            let mut screen = Screen::new(mode);
            screen.draw(&plain(40, 32, colour), Rect::new(0, 0, COLS, ROWS), &[]);
            let (text, fg, bg) = screen.cell(Position { x: 20, y: 8 });
            let seen = if text == " " { rgb(bg, false) } else { rgb(fg, true) };
            // The blue of the 16 is (0, 0, 238), and mixed with others.
            if mode.color == Color::Ansi16 && expected == [0, 0, 255] {
                continue;
            }
            let is_near = seen.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(is_near, "{mode:?}: {seen:?} for {expected:?}");
        }
    }
}

/// Half of the pixels of a middle grey are lit, evenly, and on a light terminal as many are not.
#[test]
fn without_colours_brightness_is_a_number_of_dots() {
    let area = Rect::new(0, 0, COLS, ROWS);
    for is_light in [false, true] {
        for (luma, lit) in [(16, 0.0), (71, 0.25), (126, 0.5), (181, 0.75), (235, 1.0)] {
            let mode = mode(Render::Braille, Color::Mono);
            let mut screen = Screen::new(mode);
            screen.painter = mode.painter(Traits { is_light, ..Traits::USUAL });
            screen.draw(&plain(40, 32, [luma, 128, 128]), area, &[]);
            let dots = area.positions().map(|at| {
                let text = screen.cell(at).0.chars().next().unwrap();
                (text as u32 - 0x2800).count_ones()
            });
            let seen = dots.sum::<u32>() as f32 / (f32::from(COLS) * f32::from(ROWS) * 8.0);
            let expected = if is_light { 1.0 - lit } else { lit };
            assert!((seen - expected).abs() < 0.02, "{luma}: {seen} for {expected}");
        }
    }
}

/// White is the darkest letter and black none, and in between there is the more ink the brighter it is.
#[test]
fn letters_are_as_dense_as_the_picture_is_bright() {
    let ink = |letter: u8| FORMS[usize::from(letter - FIRST)].iter().map(|n| u32::from(*n)).sum();
    let most: u32 = (FIRST..=b'~').map(ink).max().unwrap();
    let area = Rect::new(0, 0, COLS, ROWS);
    for is_light in [false, true] {
        let inks = [16, 71, 126, 181, 235].map(|luma| {
            let mode = mode(Render::Ascii, Color::Mono);
            let mut screen = Screen::new(mode);
            screen.painter = mode.painter(Traits { is_light, ..Traits::USUAL });
            screen.draw(&plain(40, 32, [luma, 128, 128]), area, &[]);
            let total: u32 = area.positions().map(|at| ink(screen.cell(at).0.as_bytes()[0])).sum();
            f64::from(total) / f64::from(most * u32::from(COLS) * u32::from(ROWS))
        });
        let is_sorted = inks.is_sorted_by(|a, b| if is_light { a > b } else { a < b });
        assert!(is_sorted, "{inks:?}");
        let (black, white) = if is_light { (inks[4], inks[0]) } else { (inks[0], inks[4]) };
        assert!(black == 0.0 && white > 0.9, "{inks:?}");
    }
}

/// Whatever the picture: letters of the palette, in full ink where it is white.
#[test]
fn a_palette_is_all_that_letters_are_taken_from() {
    let letters: Charset = ".:oO".parse().unwrap();
    let mode =
        Mode { look: Look { letters, ..Look::PLAIN }, ..mode(Render::Ascii, Color::Ansi256) };
    let mut screen = Screen::new(mode);
    let area = Rect::new(0, 0, COLS, ROWS);
    screen.draw(&picture(80, 64, 0, 20, 1), area, &[]);
    let mut seen: Vec<_> = area.positions().map(|at| screen.cell(at).0.to_owned()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [" ", ".", ":", "O", "o"]);
    screen.settle(&plain(80, 64, [235, 128, 128]), area);
    assert!(area.positions().all(|at| screen.cell(at).0 == "O"), "the most ink of them");
}

#[test]
fn a_look_is_what_is_drawn() {
    let look = Look { filter: Filter::Negative, is_mirrored: true, ..Look::PLAIN };
    let plain = mode(Render::HalfBlock, Color::True);
    let (frame, area) = (picture(80, 64, 3, 0, 1), Rect::new(0, 0, COLS, ROWS));
    let [mut looking, mut expected] = [Mode { look, ..plain }, plain].map(Screen::new);
    looking.draw(&frame, area, &[]);
    expected.draw(&look.apply(&frame), area, &[]);
    assert!(area.positions().all(|at| looking.cell(at) == expected.cell(at)));
    expected.draw(&frame, area, &[]);
    assert!(area.positions().any(|at| looking.cell(at) != expected.cell(at)));
}
