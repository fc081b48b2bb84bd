//! The screen of a call with a picture that moves until something ends it, a panic by the key that
//! skips: what `tests/terminal.rs` runs on a pseudo terminal.

use std::sync::Arc;

use anyhow::ensure;
use meoww_cli::{
    core::event::Command,
    terminal::{env::Env, signals, tty::WindowSize},
    tui::{Outcome, run, sound::Microphone},
};
use meoww_examples::screen::{self, Ends};
use meoww_paint::Frame;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (term, locale) = ("xterm-kitty".to_owned(), "C.UTF-8".to_owned());
    let modern = Env { term, locale, ..Env::default() };
    let window = WindowSize { columns: 80, rows: 24, pixels: None };
    let microphone = Microphone::PushToTalk { until: None };
    let (screen, ends) = screen::connected(modern, window, microphone).await?;
    tokio::select! {
        outcome = run(screen, signals::listen()?) => {
            let is_end = matches!(outcome?, Outcome::Signal | Outcome::TerminalClosed | Outcome::Quit);
            ensure!(is_end, "the screen ended by itself");
        }
        () = film(ends) => {}
    }
    Ok(())
}

async fn film(mut ends: Ends) {
    for shade in (16..235).cycle() {
        let mut frame = Frame::black(96, 54);
        frame.planes_mut()[0].fill(shade);
        ends.remote.send_replace(Some(Arc::new(frame)));
        tokio::task::yield_now().await;
        if let Ok(Command::Skip) = ends.commands.try_recv() {
            panic!("the cat fell off the shelf");
        }
    }
}
