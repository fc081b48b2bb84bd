//! The line one types into.

use meoww_proto::limits::MAX_CHAT_CHARS;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::text::drawable;

/// One line of text and a cursor between two of its graphemes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Editor {
    text: String,
    /// In bytes, on a grapheme boundary.
    cursor: usize,
}

impl Editor {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts in at the cursor what is drawable of `typed`, as far as a chat message may be long.
    /// Returns whether that was all.
    pub fn insert(&mut self, typed: &str) -> bool {
        let room = MAX_CHAT_CHARS.saturating_sub(self.text.chars().count());
        let mut drawn = typed.chars().filter_map(drawable);
        let typed: String = drawn.by_ref().take(room).collect();
        let is_all = drawn.next().is_none();
        self.text.insert_str(self.cursor, &typed);
        self.cursor += typed.len();
        // A mark may have joined the grapheme after the cursor.
        let ends = self.text.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
        self.cursor = ends.into_iter().find(|end| *end >= self.cursor).unwrap_or(0);
        is_all
    }

    /// One grapheme to the left.
    pub fn left(&mut self) {
        self.cursor -= self.text[..self.cursor].graphemes(true).next_back().map_or(0, str::len);
    }

    /// One grapheme to the right.
    pub fn right(&mut self) {
        self.cursor += self.text[self.cursor..].graphemes(true).next().map_or(0, str::len);
    }

    /// To the start.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// Deletes the grapheme before the cursor.
    pub fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.delete_to(end);
    }

    /// Deletes the grapheme after the cursor.
    pub fn delete(&mut self) {
        let next = self.text[self.cursor..].graphemes(true).next().map_or(0, str::len);
        self.delete_to(self.cursor + next);
    }

    /// Deletes the word before the cursor.
    pub fn delete_word(&mut self) {
        let end = self.cursor;
        let before = self.text[..end].trim_end();
        self.cursor = before.rfind(' ').map_or(0, |space| space + 1);
        self.delete_to(end);
    }

    /// Deletes all before the cursor.
    pub fn delete_to_start(&mut self) {
        let end = std::mem::take(&mut self.cursor);
        self.delete_to(end);
    }

    /// Deletes all after the cursor.
    pub fn delete_to_end(&mut self) {
        self.text.truncate(self.cursor);
    }

    /// Empties the line; returns what was in it.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// The part around the cursor that fits `width` columns, and the column of the cursor in it.
    pub fn visible(&self, width: usize) -> (&str, usize) {
        // Each has cells of its own, also where some would join in print and be narrower together.
        let mut column = self.text[..self.cursor].graphemes(true).map(str::width).sum::<usize>();
        let mut start = 0;
        for grapheme in self.text[..self.cursor].graphemes(true) {
            if column < width {
                break;
            }
            column -= grapheme.width().min(column);
            start += grapheme.len();
        }
        let (mut end, mut used) = (start, 0);
        for grapheme in self.text[start..].graphemes(true) {
            used += grapheme.width();
            if used > width {
                break;
            }
            end += grapheme.len();
        }
        (&self.text[start..end], column)
    }

    fn delete_to(&mut self, end: usize) {
        self.text.replace_range(self.cursor..end, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edits_by_grapheme() {
        let mut line = Editor::default();
        line.insert("a e\u{301}界");
        line.left();
        line.backspace();
        line.insert("x");
        assert_eq!((line.text(), line.visible(80)), ("a x界", ("a x界", 3)));
        line.delete();
        line.delete_word();
        assert_eq!(line.text(), "a ");
        assert_eq!((line.take().as_str(), line.text()), ("a ", ""));
    }

    #[test]
    fn takes_no_more_than_a_message_and_nothing_that_acts() {
        let mut line = Editor::default();
        assert!(!line.insert(&"x".repeat(3000)), "that was not all");
        assert!(!line.insert("y"));
        assert_eq!(line.text().len(), MAX_CHAT_CHARS);
        line.take();
        line.insert("a\u{1b}[2Jb\nc");
        assert_eq!(line.text(), "a[2Jb c");
    }

    #[test]
    fn a_long_line_scrolls_with_the_cursor() {
        let mut line = Editor::default();
        line.insert("0123456789");
        assert_eq!(line.visible(4), ("789", 3));
        line.home();
        assert_eq!(line.visible(4), ("0123", 0));
    }

    #[test]
    fn letters_that_join_have_columns_of_their_own() {
        let mut line = Editor::default();
        // Lam and alef, which are one glyph in print and two cells on the screen.
        line.insert("\u{644}\u{627}x");
        assert_eq!(line.visible(9).1, 3);
    }

    proptest! {
        #[test]
        fn the_cursor_stays_on_a_boundary_and_in_sight(
            edits in prop::collection::vec((0..10, ".{0,6}"), 0..40),
            width in 2usize..20,
        ) {
            let mut line = Editor::default();
            for (edit, text) in edits {
                match edit {
                    0 => line.left(),
                    1 => line.right(),
                    2 => line.home(),
                    3 => line.end(),
                    4 => line.backspace(),
                    5 => line.delete(),
                    6 => line.delete_word(),
                    7 => line.delete_to_start(),
                    8 => line.delete_to_end(),
                    _ => _ = line.insert(&text),
                }
                let (visible, column) = line.visible(width);
                prop_assert!(column < width && visible.graphemes(true).map(str::width).sum::<usize>() <= width);
            }
        }
    }
}
