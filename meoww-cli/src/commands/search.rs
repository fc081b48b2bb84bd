//! `meoww search`.

use meoww_paint::Size;
use meoww_proto::{signal, tags::MAX_TAGS};

use super::{Context, screen};
use crate::{
    cli::Search,
    core::event::Command,
    driver::{ClientHandle, Options},
    error::{Error, Instead},
    headless::{self, Plan},
    picture::source::Camera,
    terminal::{probe::Probe, signals},
    tui::{self, Screen, layout::MIN_SIZE, sound::Microphone},
};

pub(super) async fn run(context: &Context, args: Search) -> Result<(), Error> {
    let options = Options {
        api: context.api.clone(),
        camera: args.camera.clone(),
        sound: args.sound.config(),
        way: args.way(),
        terms: terms(&args)?,
        congestion_control: Default::default(),
    };
    // Either may take seconds.
    let server = context.api.servers();
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
    let min = Size { width: MIN_SIZE.width, height: MIN_SIZE.height };
    let probe = screen::look(&args.drawing, min, Instead::Headless)?;
    context.out.note(&opening);
    let client = ClientHandle::start(options).await?;
    show(client, &args, probe).await
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

async fn show(client: ClientHandle, args: &Search, probe: Probe) -> Result<(), Error> {
    let ClientHandle { commands, events, remote, local, camera_on, sound, wanted, drawn, running } =
        client;
    let microphone = match () {
        () if !sound.has_input() => Microphone::Absent,
        () if args.sound.push_to_talk => Microphone::PushToTalk { until: None },
        () if args.sound.join_muted => Microphone::Muted,
        () => Microphone::Open,
    };
    // The queue is empty, and if the client is gone already, finishing says why.
    let _ = commands.send(Command::Search).await;
    let screen = Screen {
        events,
        commands,
        remote,
        local,
        camera_on,
        sound,
        microphone,
        wanted,
        drawn,
        coarse_at_first: !args.no_blur,
        probe,
    };
    let shown = match signals::listen() {
        Ok(signals) => tui::run(screen, signals).await,
        Err(error) => Err(error.into()),
    };
    running.finish().await?;
    shown.map(|_| ()).map_err(|error| Error::Other(format!("{error:#}")))
}
