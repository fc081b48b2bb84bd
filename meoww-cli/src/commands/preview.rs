//! `meoww preview`.

use meoww_paint::Size;

use super::{
    play::{MIN_SIZE, blocking, show},
    screen,
};
use crate::{
    cli::Preview,
    error::{Error, Instead},
    output::Output,
    picture::source::{Camera, Source},
    player::{Feed, Player},
};

pub(super) async fn run(out: Output, args: Preview) -> Result<(), Error> {
    let camera = args.camera;
    if let Camera::None = camera {
        return Err(Error::InvalidInput(
            "--camera none has no picture. Name a webcam's number, pattern or a file.".to_owned(),
        ));
    }
    let probe = screen::look(&args.drawing, MIN_SIZE, Instead::Nothing)?;
    let source = blocking(move || Ok(Source::open(&camera)?)).await?;
    if let Some(notice) = source.notice() {
        out.note(notice);
    }
    let limit = Size { width: u16::MAX, height: u16::MAX };
    show(Player { feed: Feed::camera(source, args.fps), probe, limit, frames: None }).await
}
