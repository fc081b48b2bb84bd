//! `meoww doctor`.

use std::{env, io, time::Duration};

use serde_json::json;

use super::Context;
use crate::{
    clock,
    error::Error,
    output::Output,
    picture::source::{CameraInfo, cameras, has_ffmpeg},
    sound::device::{self, DeviceError, Kind},
    terminal::{
        ask::{ANSWERS_WITHIN, ask, last_answers, listen},
        env::Env,
        findings::{Finding, findings},
        input::read_terminal,
        probe::{Probe, Wish},
        signals,
        tty::{Redirected, Terminal, WindowSize},
        writer::Writer,
    },
    text::SafeText,
};

pub(super) async fn run(context: Result<Context, Error>, out: Output) -> Result<(), Error> {
    let env = Env::read(env::var);
    let mut found = if env.is_dumb() {
        vec![Finding::seen("terminal", "TERM is \"dumb\": it can show no pictures")]
    } else {
        match terminal(env).await {
            Ok(found) => found,
            Err(error) => vec![Finding::seen("terminal", format!("not asked: {error}"))],
        }
    };
    found.push(Finding::seen("cameras", webcams()));
    found.push(Finding::seen("sound", sound()));
    found.push(Finding::seen(
        "ffmpeg",
        if has_ffmpeg() { "installed" } else { "not installed: only .y4m files can be played" },
    ));
    found.push(Finding::seen("server", server(context).await));
    let printed = out.result(&text(&found), &json!({ "findings": found }));
    printed.map_err(|error| Error::Other(error.to_string()))
}

/// Asks the terminal that the user is at, also where the result goes elsewhere.
async fn terminal(env: Env) -> io::Result<Vec<Finding>> {
    let _redirected = Redirected::to_terminal()?;
    let window = WindowSize::measure(|name| env::var(name).ok())?;
    let mut probe = Probe::new(env, Wish::default(), window);
    // A signal waits until the terminal is given back.
    let _signals = signals::listen()?;
    let terminal = Terminal::take()?;
    let mut writer = Writer::new(terminal.writer())?;
    let mut inputs = read_terminal(writer.expecting())?;
    let began = clock::now();
    ask(&mut probe, &mut writer, &mut inputs).await?;
    let took = probe.is_answered().then(|| began.elapsed());
    // The terminal around tmux answers after tmux.
    listen(&mut probe, &mut writer, &mut inputs, |_| false).await?;
    last_answers(&mut writer, &mut inputs).await;
    drop(inputs);
    drop(terminal);
    let mut found = findings(&probe);
    found.insert(1, Finding::seen("answers", answers(took)));
    Ok(found)
}

fn answers(took: Option<Duration>) -> String {
    match took {
        Some(took) => format!("after {} ms", took.as_millis()),
        None => format!("none within {} ms; not waited for", ANSWERS_WITHIN.as_millis()),
    }
}

fn webcams() -> String {
    match cameras() {
        Err(error) => error.to_string(),
        Ok(cameras) if cameras.is_empty() => "none".to_owned(),
        Ok(cameras) => {
            let named = |camera: &CameraInfo| format!("{} ({})", camera.name, camera.description);
            cameras.iter().map(named).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The devices that a call begins with, or why there is no sound.
fn sound() -> String {
    let kinds = [Kind::Microphone, Kind::Speaker];
    let mut found = kinds.map(|kind| match device::list(kind) {
        Err(error) => error.to_string(),
        Ok(devices) => match devices.iter().find(|device| device.is_default) {
            Some(device) => format!("{kind} {}", SafeText::new(&device.name)),
            None => DeviceError::Missing { kind }.to_string(),
        },
    });
    // Where there is no sound system, both say so.
    let different = if found[0] == found[1] { &mut found[..1] } else { &mut found[..] };
    different.join(", ")
}

async fn server(context: Result<Context, Error>) -> String {
    let reached = match context {
        Ok(context) => {
            let server = context.api.server().to_string();
            context.api.reach().await.map(|()| format!("{server} can be reached"))
        }
        Err(error) => Err(error),
    };
    reached.unwrap_or_else(|error| error.to_string())
}

fn text(found: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding { about, result, asked, answer } = finding;
        let mut line = format!("{about:<16}{result}");
        if let Some(asked) = asked {
            let answer = answer.as_deref().unwrap_or("no answer");
            line = format!("{line:<60}  {asked}: {answer}");
        }
        line
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}
