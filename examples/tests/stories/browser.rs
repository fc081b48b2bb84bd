//! A browser and a program that hear and see each other.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use serde_json::Value;

use crate::{
    headless::{PATIENCE, Script, json_lines},
    server::Server,
    sound::{dbfs, hears_well, loud, pitch, samples},
    user::User,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

/// Chromium with a page of the server in which a user searches; dropping it closes the browser.
struct Browser {
    process: Child,
    events: mpsc::Receiver<Value>,
}

impl Browser {
    fn start(user: &User, server: &Server) -> Self {
        let installed = Path::new(FOLDER).join("node_modules/playwright-core");
        assert!(installed.exists(), "playwright-core is missing: run `scripts/setup test`");
        let mut process = Command::new("node")
            .args(["call.mjs", &server.address, &user.email(), &user.password()])
            .current_dir(FOLDER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let events = json_lines(process.stdout.take().expect("piped"));
        Self { process, events }
    }

    /// The next event of this name; others are passed over.
    #[track_caller]
    fn wait_for(&self, name: &str) -> Value {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect(name);
            assert_ne!(event["event"], "failed", "{event}");
            if event["event"] == name {
                return event;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The script closes the browser at the end of its input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Whether it is a tone of this pitch in Hz, within 1 %, and level, within 3 dB.
fn is_tone(samples: &[f64], hertz: f64, level: f64) -> bool {
    (dbfs(samples) - level).abs() < 3.0 && (pitch(samples) / hertz - 1.0).abs() < 0.01
}

/// The tone that the page hears, and how many pictures it has decoded.
fn received(browser: &Browser) -> (Vec<f64>, u64) {
    let event = browser.wait_for("received");
    let samples = event["samples"].as_array().expect("samples").iter();
    let samples = samples.map(|sample| sample.as_f64().expect("a number") / 32_768.0);
    (samples.collect(), event["frames"].as_u64().expect("a number"))
}

/// One call, in which the browser makes the offer or answers; whether it did was drawn.
fn call(browser: &Browser, user: &User, wav: &Path) -> bool {
    let out = wav.to_str().expect("a path");
    let arguments = ["--camera", "pattern", "--audio", "tone", "--audio-out", out];
    let mut script = Script::start(user, &arguments);
    let offers = browser.wait_for("matched")["isInitiator"] == true;
    script.wait_for("first-frame");
    let mut heard = std::iter::repeat_with(|| received(browser));
    let is_well =
        |(samples, frames): &(Vec<f64>, u64)| *frames > 30 && is_tone(samples, 440.0, -20.0);
    heard.find(is_well).expect("endless");
    hears_well(&script, -23);
    script.say(r#"{"command":"leave"}"#);
    assert_eq!(script.ended(), 0);
    let samples = samples(wav);
    let tone = loud(&samples);
    assert!(tone.len() > 48_000, "{} samples of a tone in {}", tone.len(), samples.len());
    // Amplitude 0.1 of a sine.
    assert!(is_tone(tone, 660.0, -23.0), "{} Hz, {} dBFS", pitch(tone), dbfs(tone));
    offers
}

#[test]
fn a_browser_and_a_program_hear_and_see_each_other() {
    let server = Server::start();
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let browser = Browser::start(&anna, &server);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut offered, mut answered) = (false, false);
    // The side that makes the offer is drawn by lot.
    for round in 0.. {
        browser.wait_for("searching");
        let wav = folder.path().join(format!("{round}.wav"));
        match call(&browser, &bert, &wav) {
            true => offered = true,
            false => answered = true,
        }
        if offered && answered {
            return;
        }
    }
}
