//! `meoww play`.

use std::num::NonZeroU64;

use meoww_paint::{Color, Mode, Size};

use super::screen;
use crate::{
    cli::Play,
    error::{Error, Instead},
    output::Output,
    picture::source::Reel,
    player::{
        Ending, Feed, Player,
        measure::{self, Measured, Measurement},
    },
    terminal::{caps::Caps, env::Env, signals},
};

/// The least that shows a picture and the line below it.
pub(super) const MIN_SIZE: Size = Size { width: 8, height: 3 };
/// The size of a picture that is drawn for no terminal.
const USUAL_SIZE: Size = Size { width: 80, height: 24 };

pub(super) async fn run(out: Output, args: Play) -> Result<(), Error> {
    if args.is_measured() {
        return measure(out, args).await;
    }
    let probe = screen::look(&args.drawing, MIN_SIZE, Instead::OutFile)?;
    let (path, frames) = (args.file, args.frames.map(NonZeroU64::get));
    let reel = blocking(move || Ok(Reel::open(&path)?)).await?;
    let limit =
        Size { width: args.cols.unwrap_or(u16::MAX), height: args.rows.unwrap_or(u16::MAX) };
    show(Player { feed: Feed::film(reel, args.fps), probe, limit, frames }).await
}

/// Shows a player until it ends.
pub(super) async fn show(player: Player) -> Result<(), Error> {
    let signals = signals::listen().map_err(|error| Error::Other(error.to_string()))?;
    match crate::player::run(player, signals).await {
        Ok(Ending::Over | Ending::Quit | Ending::TerminalClosed) => Ok(()),
        Ok(Ending::Failed(error)) => Err(error.into()),
        Err(error) => Err(Error::Other(format!("{error:#}"))),
    }
}

/// Does what may wait for a disk or a device.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Other(error.to_string()))?
}

async fn measure(out: Output, args: Play) -> Result<(), Error> {
    let mode = if args.null { None } else { Some(mode(&args)?) };
    let cells = Size {
        width: args.cols.unwrap_or(USUAL_SIZE.width),
        height: args.rows.unwrap_or(USUAL_SIZE.height),
    };
    let frames = args.frames.map(NonZeroU64::get);
    let (film, file, index) = (args.file, args.out, args.index);
    let measurement = Measurement { film, mode, cells, frames, out: file, index };
    let measured = blocking(move || measure::run(&measurement)).await?;
    out.result(&text(measured), &measured).map_err(|error| Error::Other(error.to_string()))
}

/// What the present terminal can show is of no matter.
fn mode(args: &Play) -> Result<Mode, Error> {
    let env = Env { locale: "C.UTF-8".to_owned(), ..Env::default() };
    let wish = args.drawing.wish(&env)?;
    let caps = Caps::new(wish.color.unwrap_or(Color::True), true);
    // Whatever is asked for.
    let is_shown = wish.render.is_some();
    Ok(wish.mode(Caps { kitty: is_shown, iterm2: is_shown, sixel: is_shown, ..caps }))
}

fn text(measured: Measured) -> String {
    let Measured { frames, bytes, first_frame_bytes, drawing } = measured;
    let later = (bytes - first_frame_bytes) / frames.saturating_sub(1).max(1);
    let micros = drawing.as_micros() as u64 / frames.max(1);
    format!(
        "{frames} pictures, {bytes} bytes: {first_frame_bytes} the first, {later} each of the \
         others; {micros} us to draw one"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn figures_are_means_of_all_but_the_first() {
        let drawing = Duration::from_micros(900);
        let measured = Measured { frames: 3, bytes: 1400, first_frame_bytes: 1000, drawing };
        let expected = "3 pictures, 1400 bytes: 1000 the first, 200 each of the others; 300 us to \
                        draw one";
        assert_eq!(text(measured), expected);
        let none = Measured { frames: 0, bytes: 0, first_frame_bytes: 0, drawing: Duration::ZERO };
        assert!(text(none).starts_with("0 pictures, 0 bytes"));
    }
}
