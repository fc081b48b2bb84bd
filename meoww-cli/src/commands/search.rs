//! `meoww search`.

use std::{
    env,
    io::{self, IsTerminal},
};

use meoww_paint::Mode;
use meoww_proto::{signal, tags::MAX_TAGS};

use super::Context;
use crate::{
    cli::{Search, drawing::choose},
    core::event::Command,
    driver::{ClientHandle, Options},
    error::Error,
    headless::{self, Plan},
    picture::source::Camera,
    terminal::{
        caps::{Caps, Env},
        signals,
        tty::WindowSize,
    },
    tui::{self, Screen, layout::MIN_SIZE},
};

pub(super) async fn run(context: &Context, args: Search) -> Result<(), Error> {
    let options = Options {
        api: context.api.clone(),
        camera: args.camera.clone(),
        relay_only: args.relay_only,
        terms: terms(&args)?,
    };
    // Either may take seconds.
    let server = context.api.server();
    let opening = match &args.camera {
        Camera::None | Camera::Pattern(_) | Camera::Drawn(_) => format!("Connecting to {server}."),
        camera => format!("Connecting to {server}, then opening {camera}."),
    };
    if args.headless {
        context.out.note(&opening);
        let client = ClientHandle::start(options).await?;
        let plan = Plan { rounds: args.rounds, duration: args.duration };
        return headless::run(client, plan, context.out).await;
    }
    let (caps, mode) = drawing(&args)?;
    context.out.note(&opening);
    show(ClientHandle::start(options).await?, caps, mode).await
}

/// Whom to meet.
fn terms(args: &Search) -> Result<signal::Search, Error> {
    let mut tags = Vec::new();
    for tag in &args.tags {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    if tags.len() > MAX_TAGS {
        return Err(Error::InvalidInput(format!("At most {MAX_TAGS} tags can be searched for.")));
    }
    Ok(signal::Search { tags, wait_seconds: args.wait })
}

/// Whether there is a screen to show a call on, and how.
fn drawing(args: &Search) -> Result<(Caps, Mode), Error> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Error::NotATerminal);
    }
    let size = WindowSize::measure(|name| env::var(name).ok()).map_err(|_| Error::NotATerminal)?;
    let WindowSize { columns, rows, cell } = size;
    let (min_columns, min_rows) = (MIN_SIZE.width, MIN_SIZE.height);
    if columns < min_columns || rows < min_rows {
        return Err(Error::TerminalTooSmall { columns, rows, min_columns, min_rows });
    }
    let env = Env::read(env::var);
    if env.is_dumb() {
        return Err(Error::DumbTerminal);
    }
    let mut caps = env.caps(cell);
    let mode = choose(&mut caps, args.render, args.color)?;
    Ok((caps, mode))
}

async fn show(client: ClientHandle, caps: Caps, mode: Mode) -> Result<(), Error> {
    let ClientHandle { commands, events, remote, local, camera_on, grid, drawn, running } = client;
    // The queue is empty, and if the client is gone already, finishing says why.
    let _ = commands.send(Command::Search).await;
    let screen = Screen { events, commands, remote, local, camera_on, grid, drawn, caps, mode };
    let shown = match signals::listen() {
        Ok(signals) => tui::run(screen, signals).await,
        Err(error) => Err(error.into()),
    };
    running.finish().await?;
    shown.map(|_| ()).map_err(|error| Error::Other(format!("{error:#}")))
}
