//! What is known of a terminal, and why, for people and scripts.

use meoww_paint::{Color, Render, sixel};
use serde::Serialize;

use super::probe::{Probe, is_light};

/// One thing that is known, and where from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub about: &'static str,
    /// What is the case.
    pub result: String,
    /// The question it was asked by, if by any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<&'static str>,
    /// The answer; none came where there was a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl Finding {
    /// What was looked at, and not asked.
    pub fn seen(about: &'static str, result: impl Into<String>) -> Self {
        Self { about, result: result.into(), asked: None, answer: None }
    }

    fn asked(
        about: &'static str,
        result: impl Into<String>,
        asked: &'static str,
        answer: Option<String>,
    ) -> Self {
        Self { about, result: result.into(), asked: Some(asked), answer }
    }
}

/// Everything known of a terminal.
pub fn findings(probe: &Probe) -> Vec<Finding> {
    let (caps, answers) = (probe.caps(), probe.answers());
    let yes = |is_so: bool| if is_so { "yes" } else { "no" };
    let said = |answer: Option<bool>| answer.map(|is_so| yes(is_so).to_owned());
    let pair = |pair: Option<(u16, u16)>| pair.map(|(a, b)| format!("{a}x{b}"));
    let background = answers.background.map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"));
    let cells = |count: u16| format!("{count} cell{}", if count == 1 { "" } else { "s" });
    vec![
        Finding::asked("terminal", name(probe), "XTVERSION", answers.version.clone()),
        Finding::asked("size", size(probe), "CSI 18 t", pair(answers.cells)),
        Finding::asked("cell", cell(probe), "CSI 16 t", pair(answers.cell)),
        Finding::asked("colours", colors(probe), "XTGETTCAP RGB", said(answers.rgb)),
        Finding::asked("unicode", unicode(probe), "CSI 6 n after ▀", answers.glyph.map(cells)),
        Finding::asked(
            "whole updates",
            yes(caps.synchronized),
            "DECRQM 2026",
            said(answers.synchronized),
        ),
        Finding::asked("sixels", sixels(probe), "DA1", said(answers.sixel)),
        Finding::asked("kitty graphics", kitty(probe), "APC G a=q", said(answers.kitty)),
        Finding::seen("inline images", yes(caps.iterm2)),
        Finding::asked(
            "key releases",
            yes(answers.keyboard),
            "CSI ? u",
            answers.keyboard.then(|| "yes".to_owned()),
        ),
        Finding::asked(
            "background",
            match answers.background {
                Some(color) if is_light(color) => "light",
                Some(_) => "dark",
                None => "taken to be dark",
            },
            "OSC 11",
            background,
        ),
        Finding::seen("drawn", drawn(probe)),
    ]
}

fn name(probe: &Probe) -> String {
    let env = probe.env();
    let mut name = probe.answers().version.clone().unwrap_or_else(|| "without a name".to_owned());
    name += &format!(" (TERM={})", env.term);
    let around = [(env.is_tmux(), ", in tmux"), (env.is_screen(), ", in screen")];
    let around = around.into_iter().chain([(!env.ssh.is_empty(), ", over SSH")]);
    name.extend(around.filter_map(|(is_so, words)| is_so.then_some(words)));
    name
}

fn size(probe: &Probe) -> String {
    format!("{} columns, {} rows", probe.window().columns, probe.window().rows)
}

fn cell(probe: &Probe) -> String {
    let cell = probe.caps().cell;
    let source = if probe.answers().cell.is_some() {
        "as it says"
    } else if probe.window().cell().is_some() {
        "by the kernel (TIOCGWINSZ)"
    } else if probe.answers().pixels.is_some() {
        "by the size of the window (CSI 14 t)"
    } else {
        "as of most fonts: it does not say"
    };
    format!("{} wide to {} high, {source}", cell.width(), cell.height())
}

fn colors(probe: &Probe) -> String {
    let (env, answers) = (probe.env(), probe.answers());
    let color = probe.caps().color;
    let source = if !env.no_color.is_empty() {
        "NO_COLOR is set".to_owned()
    } else if color == env.color() {
        match env.colorterm.as_str() {
            "" => format!("by TERM={}", env.term),
            colorterm => format!("by COLORTERM={colorterm}"),
        }
    } else if answers.rgb == Some(true) {
        "as it says".to_owned()
    } else {
        "by its name".to_owned()
    };
    format!("{}, {source}", color_name(color))
}

/// What users call so many colours.
pub fn color_name(color: Color) -> &'static str {
    match color {
        Color::True => "truecolor",
        Color::Ansi256 => "256",
        Color::Ansi16 => "16",
        Color::Mono => "mono",
    }
}

fn unicode(probe: &Probe) -> String {
    let locale = match probe.env().locale.as_str() {
        "" => "no locale is set".to_owned(),
        locale => format!("the locale is {locale}"),
    };
    match (probe.caps().unicode, probe.env().unicode()) {
        (true, _) => format!("yes, {locale}"),
        (false, false) => format!("no, {locale}"),
        (false, true) => "no, as blocks are not one cell wide".to_owned(),
    }
}

fn sixels(probe: &Probe) -> String {
    let (caps, answers) = (probe.caps(), probe.answers());
    match (caps.sixel, answers.sixel_colors) {
        (true, _) if caps.sixel_traits.in_tmux => {
            "only if --render sixel asks for them, as tmux takes them whatever is around it"
                .to_owned()
        }
        (true, _) if caps.sixel_traits.keeps_colors => "yes, and keeps their colours".to_owned(),
        (true, _) => "yes".to_owned(),
        (false, Some(count)) if count < sixel::COLORS => {
            format!("no, as it has but {count} colours for them")
        }
        (false, _) if answers.sixel == Some(true) => {
            "no, as it does not say how many pixels a cell has".to_owned()
        }
        (false, _) => "no".to_owned(),
    }
}

fn kitty(probe: &Probe) -> String {
    let caps = probe.caps();
    let known = [
        (caps.kitty_traits.edits, "changes pictures"),
        (caps.kitty_traits.shares, "reads this machine's memory"),
        (caps.kitty_traits.in_tmux, "through tmux"),
    ];
    match caps.kitty {
        true => known
            .iter()
            .filter(|(is_so, _)| *is_so)
            .fold("yes".to_owned(), |text, known| text + ", " + known.1),
        false => "no".to_owned(),
    }
}

/// The choice of `auto`, and the reason for it.
fn drawn(probe: &Probe) -> String {
    let (mode, caps) = (probe.mode(), probe.caps());
    let (name, help) = (mode.render.name(), mode.render.help());
    let reason = match mode.render {
        Render::Kitty if caps.kitty_traits.shares => "it answers, and reads this machine's memory",
        Render::Kitty => "it answers",
        Render::Iterm2 => "it is known to show them",
        Render::Sixel => "it says that it shows them",
        _ if caps.color == Color::Mono => "it has no colours",
        _ if !caps.unicode => "it shows no blocks",
        _ => "it is not known to show pixels",
    };
    if mode.render.has_pixels() {
        return format!("{name}, as {reason}: {help}");
    }
    format!("{name} in {}, as {reason}: {help}", color_name(mode.color))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{env::Env, input::Reply, probe::Wish, tty::WindowSize};

    fn probe() -> Probe {
        let text = |text: &str| text.to_owned();
        let env = Env {
            term: text("xterm-256color"),
            locale: text("C.UTF-8"),
            ssh: text("/dev/pts/1"),
            ..Env::default()
        };
        let window = WindowSize { columns: 80, rows: 24, pixels: None };
        Probe::new(env, Wish::default(), window)
    }

    fn about(probe: &Probe, about: &str) -> Finding {
        let found = findings(probe).into_iter().find(|finding| finding.about == about);
        found.expect("it is found")
    }

    #[test]
    fn what_follows_from_answers_is_said_with_them() {
        let mut probe = probe();
        let unknown = about(&probe, "terminal");
        assert_eq!(unknown.result, "without a name (TERM=xterm-256color), over SSH");
        assert_eq!((unknown.asked, unknown.answer), (Some("XTVERSION"), None));
        assert_eq!(about(&probe, "colours").result, "256, by TERM=xterm-256color");
        assert_eq!(
            about(&probe, "cell").result,
            "1 wide to 2 high, as of most fonts: it does not say"
        );

        for reply in [
            Reply::Version("foot(1.16.2)".to_owned()),
            Reply::CellPixels { width: 9, height: 18 },
            Reply::Cursor { row: 2, column: 3 },
            Reply::Background([255, 255, 255]),
            Reply::SixelColors(16),
            Reply::Attributes { sixel: true },
        ] {
            probe.reply(&reply);
        }
        assert_eq!(about(&probe, "colours").result, "truecolor, by its name");
        assert_eq!(about(&probe, "cell").answer.as_deref(), Some("9x18"));
        assert_eq!(about(&probe, "unicode").result, "no, as blocks are not one cell wide");
        assert_eq!(about(&probe, "unicode").answer.as_deref(), Some("2 cells"));
        let background = about(&probe, "background");
        assert_eq!(
            (background.result.as_str(), background.answer.as_deref()),
            ("light", Some("#ffffff"))
        );
        assert_eq!(about(&probe, "sixels").answer.as_deref(), Some("yes"));
        let sixels = about(&probe, "sixels").result;
        assert_eq!(sixels, "no, as it has but 16 colours for them");
        let drawn = about(&probe, "drawn").result;
        assert!(drawn.starts_with("ascii in truecolor, as it shows no blocks"), "{drawn}");
        probe.reply(&Reply::SixelColors(256));
        let drawn = about(&probe, "drawn").result;
        assert!(drawn.starts_with("sixel, as it says that it shows them"), "{drawn}");
    }
}
