//! The screen of a call without a call: for programs that tests and measurements run on a pseudo
//! terminal.

use std::sync::Arc;

use anyhow::Context;
use meoww_cli::{
    core::event::{CallEvent, Command},
    driver::SoundSwitch,
    picture::wanted::Wanted,
    sound::{AudioIn, AudioOut, SoundConfig},
    terminal::{
        env::Env,
        probe::{Probe, Wish},
        tty::WindowSize,
    },
    tui::{Screen, sound::Microphone},
};
use meoww_paint::Frame;
use tokio::sync::{mpsc, watch};

/// The other ends of a [`Screen`], which lasts as long as they do.
pub struct Ends {
    /// Takes the partner's pictures.
    pub remote: watch::Sender<Option<Arc<Frame>>>,
    /// The actions that keys ask for.
    pub commands: mpsc::Receiver<Command>,
    _local: watch::Sender<Option<Arc<Frame>>>,
    _events: mpsc::Sender<CallEvent>,
}

/// Returns the screen of a call that was just connected, without sound, on a terminal like this.
pub async fn connected(
    env: Env,
    window: WindowSize,
    microphone: Microphone,
) -> anyhow::Result<(Screen, Ends)> {
    let (events, events_in) = mpsc::channel(8);
    let (commands, commands_in) = mpsc::channel(8);
    let (remote, remote_slot) = watch::channel(None);
    let (local, local_slot) = watch::channel(None);
    let sound =
        SoundConfig { input: AudioIn::None, output: AudioOut::None, ..SoundConfig::default() };
    let (sound, _) = SoundSwitch::open_blocking(&sound)?;
    let screen = Screen {
        coarse_at_first: false,
        events: events_in,
        commands,
        remote: remote_slot,
        local: local_slot,
        camera_on: watch::Sender::new(true),
        sound,
        microphone,
        wanted: watch::Sender::new(Wanted::ALL),
        drawn: Arc::default(),
        probe: Probe::new(env, Wish::default(), window),
    };
    events.send(CallEvent::Connected { relayed: false }).await.context("the screen is open")?;
    Ok((screen, Ends { remote, commands: commands_in, _local: local, _events: events }))
}
