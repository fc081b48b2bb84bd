//! `meoww play` and `meoww preview`.

use std::{num::NonZeroU64, path::PathBuf};

use clap::{Args, value_parser};

use super::drawing::Drawing;
use crate::picture::source::Camera;

/// `meoww play`.
#[derive(Debug, Args)]
#[command(after_help = PLAY_HELP)]
pub struct Play {
    /// A video: .y4m (8-bit 4:2:0), or anything an installed ffmpeg reads
    pub file: PathBuf,
    #[command(flatten)]
    pub drawing: Drawing,
    /// Show so many pictures a second at most
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=240))]
    pub fps: Option<u16>,
    /// Make the picture no wider than so many cells [with --out or --null: 80 wide]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1000))]
    pub cols: Option<u16>,
    /// Make it no higher than so many cells [with --out or --null: 24 high]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1000))]
    pub rows: Option<u16>,
    /// End after so many pictures; with --out or --null a shorter video begins again
    #[arg(long, value_name = "N")]
    pub frames: Option<NonZeroU64>,
    /// Draw every picture into this file instead, as fast as it goes: the bytes that a terminal
    /// would get, and in the end what it came to
    #[arg(long, value_name = "FILE", conflicts_with = "fps")]
    pub out: Option<PathBuf>,
    /// Into this file, a line for each picture: the offset in --out at which it ends
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
    /// Read every picture and draw none, to know what reading costs
    #[arg(long, conflicts_with = "fps")]
    pub null: bool,
}

impl Play {
    /// Whether it is drawn for no terminal.
    pub fn is_measured(&self) -> bool {
        self.out.is_some() || self.index.is_some() || self.null
    }
}

/// `meoww preview`.
#[derive(Debug, Args)]
#[command(after_help = PREVIEW_HELP)]
pub struct Preview {
    /// As with `search`: auto (the first webcam), a webcam's number, pattern, or a video file
    #[arg(long, default_value = "auto", value_name = "auto|INDEX|pattern|FILE")]
    pub camera: Camera,
    #[command(flatten)]
    pub drawing: Drawing,
    /// Show so many pictures a second at most
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=240))]
    pub fps: Option<u16>,
}

const PLAY_HELP: &str = "\
Keys:
  space          pause            left, right    five seconds
  m              next mode        down, up       a minute
  c              fewer colours    0 to 9, Home   tenths of the video, its beginning
  f              next filter      + -            quality
  q Esc Ctrl-C   quit             Ctrl-L         draw everything anew

How many bytes and how much time drawing takes, without a terminal:
  meoww play cat.mp4 --cols 128 --rows 48 --render half --color truecolor --out /dev/null";

const PREVIEW_HELP: &str = "\
What a stranger would see of you, without an account or a server.

Keys:
  space   pause    m   next mode    c   fewer colours    f   next filter    + -   quality
  q Esc Ctrl-C   quit";
