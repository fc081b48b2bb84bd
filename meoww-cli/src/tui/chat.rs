//! What was said, wrapped to the pane it is shown in.

use std::collections::VecDeque;

use crate::text::SafeText;

/// Most entries kept.
const MAX_ENTRIES: usize = 200;

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// One's own.
    You,
    /// The partner's.
    Stranger,
    /// The program's: what happened.
    Meoww,
}

impl Who {
    fn prefix(self) -> &'static str {
        match self {
            Self::You => "you ",
            Self::Stranger => "stranger ",
            Self::Meoww => "",
        }
    }
}

/// A line of the pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLine {
    /// Whose it is.
    pub who: Who,
    /// The name before the words, on an entry's first line.
    pub prefix: &'static str,
    /// The words.
    pub text: String,
}

/// The conversation and how far one has scrolled up in it.
#[derive(Debug, Default)]
pub struct ChatLog {
    entries: VecDeque<(Who, SafeText)>,
    /// `entries`, wrapped to `width`.
    lines: VecDeque<ChatLine>,
    width: usize,
    height: usize,
    /// Lines below the pane's lower edge.
    scroll: usize,
}

impl ChatLog {
    /// Adds an entry. One who has scrolled up keeps seeing the same lines.
    pub fn push(&mut self, who: Who, text: SafeText) {
        let wrapped = wrap(who, &text, self.width);
        if self.scroll > 0 {
            self.scroll += wrapped.len();
        }
        self.lines.extend(wrapped);
        self.entries.push_back((who, text));
        if self.entries.len() > MAX_ENTRIES
            && let Some((who, text)) = self.entries.pop_front()
        {
            self.lines.drain(..wrap(who, &text, self.width).len());
        }
        self.scroll_by(0);
    }

    /// Fits the lines to a pane of this size.
    pub fn resize(&mut self, width: usize, height: usize) {
        self.height = height;
        if width != self.width {
            self.width = width;
            self.lines =
                self.entries.iter().flat_map(|(who, text)| wrap(*who, text, width)).collect();
        }
        self.scroll_by(0);
    }

    /// Up by as many pages, down when negative.
    pub fn scroll_pages(&mut self, pages: isize) {
        self.scroll_by(pages * self.height.saturating_sub(1).max(1) as isize);
    }

    /// The lines in sight, and how many there are below.
    pub fn visible(&self) -> (impl Iterator<Item = &ChatLine>, usize) {
        let end = self.lines.len() - self.scroll;
        (self.lines.range(end.saturating_sub(self.height)..end), self.scroll)
    }

    fn scroll_by(&mut self, lines: isize) {
        let most = self.lines.len().saturating_sub(self.height);
        self.scroll = self.scroll.saturating_add_signed(lines).min(most);
    }
}

fn wrap(who: Who, text: &SafeText, width: usize) -> Vec<ChatLine> {
    let prefix = who.prefix();
    // Stands in for the prefix while wrapping; the words cannot hold a tab.
    let indent = " ".repeat(prefix.len());
    let options = textwrap::Options::new(width.max(prefix.len() + 2))
        .initial_indent(&indent)
        .subsequent_indent(if prefix.is_empty() { "" } else { "  " });
    let lines = textwrap::wrap(text.as_str(), options);
    let line = |(index, line): (usize, std::borrow::Cow<'_, str>)| match index {
        0 => ChatLine { who, prefix, text: line[prefix.len().min(line.len())..].to_owned() },
        _ => ChatLine { who, prefix: "", text: line.into_owned() },
    };
    lines.into_iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    fn log(width: usize, height: usize) -> ChatLog {
        let mut log = ChatLog::default();
        log.resize(width, height);
        log
    }

    fn seen(log: &ChatLog) -> Vec<String> {
        log.visible().0.map(|line| format!("{}{}", line.prefix, line.text)).collect()
    }

    #[test]
    fn wraps_with_the_name_before() {
        let mut log = log(16, 4);
        log.push(Who::Stranger, SafeText::new("hello there you"));
        log.push(Who::You, SafeText::new("hi"));
        log.push(Who::Meoww, SafeText::new("They left."));
        assert_eq!(seen(&log), ["stranger hello", "  there you", "you hi", "They left."]);
        log.resize(30, 4);
        assert_eq!(seen(&log), ["stranger hello there you", "you hi", "They left."]);
    }

    #[test]
    fn scrolled_up_it_stays_while_others_speak() {
        let mut log = log(20, 2);
        (0..6).for_each(|n| log.push(Who::You, SafeText::new(&n.to_string())));
        log.scroll_pages(2);
        assert_eq!(seen(&log), ["you 2", "you 3"]);
        log.push(Who::You, SafeText::new("new"));
        assert_eq!(seen(&log), ["you 2", "you 3"]);
        log.scroll_pages(100);
        assert_eq!(seen(&log), ["you 0", "you 1"]);
        log.scroll_pages(-100);
        assert_eq!(seen(&log), ["you 5", "you new"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: ProptestConfig::default().cases / 4,
            ..ProptestConfig::default()
        })]

        #[test]
        fn lines_fit_and_memory_is_bounded(
            texts in prop::collection::vec("[a-z 界é]{0,60}", 0..300),
            width in 13usize..40,
        ) {
            let mut log = log(width, 10);
            for text in texts {
                log.push(Who::Stranger, SafeText::new(&text));
                log.scroll_pages(1);
            }
            prop_assert!(log.entries.len() <= MAX_ENTRIES);
            let rewrapped: Vec<_> =
                log.entries.iter().flat_map(|(who, text)| wrap(*who, text, width)).collect();
            prop_assert_eq!(&Vec::from(log.lines.clone()), &rewrapped);
            prop_assert!(rewrapped.iter().all(|l| l.prefix.width() + l.text.width() <= width));
        }
    }
}
