//! The command line.

mod account;
pub mod drawing;
mod play;
mod sound;

use std::{num::NonZeroU32, time::Duration};

use clap::{Args, Parser, Subcommand};
use meoww_proto::tags::{MAX_TAG_WAIT, Tag};

pub use self::account::{
    Account, Blocks, BlocksCommand, Email, Password, Sessions, SessionsCommand, Unblock,
};
pub use self::play::{Play, Preview};
pub use self::sound::SoundArgs;

use self::drawing::Drawing;
use crate::{core::event::Way, error::exit_codes, picture::source::Camera};

/// Video chat with a random stranger, drawn in your terminal.
#[derive(Debug, Parser)]
#[command(name = "meoww", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// The server's address, or those of the nodes of one, separated by commas: the next is taken when
    /// one is gone. Kept for the next time by signup and login
    #[arg(long, global = true, env = "MEOWW_SERVER", value_name = "URL,...")]
    pub server: Option<String>,
    /// Results and errors as JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Command to run; without one, a terminal shows the next steps.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const AFTER_HELP: &str = concat!(
    "\
A first call (`meoww` alone always says what is next):
  meoww signup            make an account; a code comes by mail
  meoww verify 123456     confirm the code; you are logged in
  meoww search            find somebody

Without an account:
  meoww preview           look at yourself, as a stranger would
  meoww play cat.mp4      a video, drawn as a call would be
  meoww doctor            what the terminal can do, cameras and sound, and whether the server can be reached

For scripts, what is asked for can be a flag or a line of stdin; a password is a line of stdin or
MEOWW_PASSWORD (a new one MEOWW_NEW_PASSWORD), never a flag, which others could read:
  printf '%s\\n' \"$PASSWORD\" | meoww login --email me@example.org
  meoww search --headless --json --camera pattern --rounds 3

Surroundings:
  http_proxy, https_proxy, ALL_PROXY, NO_PROXY    proxies to the server: http://, socks5://
  SSL_CERT_FILE                                   authorities to trust, in PEM, instead of the system's

Files:
  $XDG_CONFIG_HOME/meoww/config.toml    the server
  $XDG_STATE_HOME/meoww/sessions.json   sessions, readable by you alone
  $XDG_STATE_HOME/meoww/meoww.log       what happened, if MEOWW_LOG says so (MEOWW_LOG=debug)

",
    exit_codes!()
);

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an account; a six-digit code is mailed to you
    Signup(Signup),
    /// Confirm the mailed code and log in
    Verify(Verify),
    /// Have a new code mailed
    Resend(Resend),
    /// Log in
    Login(Login),
    /// End the session
    Logout,
    /// Show who is logged in
    Me,
    /// Show where you are logged in, and revoke sessions
    Sessions(Sessions),
    /// Change the password, or set a new one with a mailed code
    #[command(subcommand)]
    Password(Password),
    /// Change the e-mail address
    #[command(subcommand)]
    Email(Email),
    /// Take your data with you, or delete the account
    #[command(subcommand)]
    Account(Account),
    /// Show whom you never meet again
    Blocks(Blocks),
    /// Let yourself meet somebody again
    Unblock(Unblock),
    /// Show the cameras, microphones and speakers of this machine
    #[command(after_help = DEVICES_HELP)]
    Devices,
    /// Find somebody to talk to
    Search(Box<Search>),
    /// Play a video on the terminal, drawn as a call would be
    Play(Box<Play>),
    /// Show your camera as a stranger would see it
    Preview(Box<Preview>),
    /// Show what this terminal, this machine and the server can do, and what follows from it
    Doctor,
}

/// `meoww signup`.
#[derive(Debug, Args)]
pub struct Signup {
    /// Your name, as others see it
    #[arg(long)]
    pub name: Option<String>,
    /// 3 to 32 of a-z, 0-9, "_" and "."
    #[arg(long)]
    pub username: Option<String>,
    /// Where the code is sent
    #[arg(long)]
    pub email: Option<String>,
}

/// `meoww verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The six digits from the mail
    pub code: Option<String>,
    /// Whose, as `signup --json` printed it [default: who signed up last from here]
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
}

/// `meoww resend`.
#[derive(Debug, Args)]
pub struct Resend {
    /// Whose, as `signup --json` printed it [default: who signed up last from here]
    #[arg(long, value_name = "ID")]
    pub user_id: Option<String>,
}

/// `meoww login`.
#[derive(Debug, Args)]
pub struct Login {
    /// As signed up
    #[arg(long)]
    pub email: Option<String>,
}

/// `meoww search`.
#[derive(Debug, Args)]
#[command(after_help = SEARCH_HELP)]
pub struct Search {
    /// What the other side sees: auto (the first webcam, else a card that says there is none), none,
    /// a webcam's number, a moving test pattern, or a video file (.y4m, or anything an installed
    /// ffmpeg reads)
    #[arg(long, default_value = "auto", value_name = "auto|none|INDEX|pattern|FILE")]
    pub camera: Camera,
    #[command(flatten)]
    pub drawing: Drawing,
    #[command(flatten)]
    pub sound: SoundArgs,
    /// Show a new stranger clearly at once; without it, their picture is coarse for three seconds
    #[arg(long, env = "MEOWW_NO_BLUR")]
    pub no_blur: bool,
    /// Connect through the server's relay or not at all, so that the other side cannot learn your
    /// address; without it, that is so until you both go direct (F10), if the server has a relay
    #[arg(long, conflicts_with = "direct")]
    pub relay_only: bool,
    /// Connect directly, which is faster: the other side sees your address as soon as it goes direct,
    /// too
    #[arg(long)]
    pub direct: bool,
    /// Rather meet somebody who searches with the same tag; up to five times
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<Tag>,
    /// Meet anybody after waiting so long for a common tag, 0s to 2m [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = tag_wait, requires = "tags")]
    pub wait: Option<u16>,
    /// No screen: events on stdout, commands on stdin
    #[arg(long)]
    pub headless: bool,
    /// Leave after this many calls (headless)
    #[arg(long, value_name = "N", requires = "headless")]
    pub rounds: Option<NonZeroU32>,
    /// Skip to the next after so long in a call, e.g. 10s or 2m (headless)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "headless")]
    pub duration: Option<Duration>,
}

impl Search {
    /// By which way media may go, if that was said.
    pub(crate) fn way(&self) -> Option<Way> {
        match (self.relay_only, self.direct) {
            (true, _) => Some(Way::RelayOnly),
            (false, true) => Some(Way::Direct),
            (false, false) => None,
        }
    }
}

/// Whole seconds are all that is told to the server.
fn tag_wait(text: &str) -> Result<u16, String> {
    let wait = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match u16::try_from(wait.as_secs()) {
        Ok(seconds) if wait <= MAX_TAG_WAIT && wait.subsec_nanos() == 0 => Ok(seconds),
        _ => Err(format!("whole seconds, at most {}", MAX_TAG_WAIT.as_secs())),
    }
}

const DEVICES_HELP: &str = "\
Names stay the same after a restart, and whatever else is plugged in. A part of
a name or description is enough where it is the only one that has it:
  meoww devices
  meoww search --mic jabra --speaker jabra

With --json, one object:
  {\"cameras\":[{\"name\",\"description\"}],
   \"microphones\":[{\"name\",\"description\",\"default\"}],\"speakers\":[...],
   \"problems\":[{\"of\":\"microphones\",\"code\":\"no-sound-system\",\"error\"}]}

It exits with 0 also where there is none of a kind; \"problems\" says why. On Linux,
PulseAudio or PipeWire (pipewire-pulse) is asked where it runs, else ALSA.";

const SEARCH_HELP: &str = "\
In a call:
  Ctrl-N next stranger   F1 help   F2 self view   F3 chat   F4 camera off   Ctrl-C quit
  F5 (twice) never meet this stranger again   F6 report them   (also just after they left)
  F7 mute   F8 do not hear them   Up, Down hear them louder, softer   F9 see them clearly now
  F10 go direct, without the relay: they will see your address; both must agree
  F12 all off: camera, microphone and the call, at once
  Type to chat, Enter to send, PageUp and PageDown to scroll.

By interests: somebody with a common tag first, anybody after 20 seconds
  meoww search --tag rust --tag cats --wait 20s

Headless, with --json, one object a line:
  out  {\"event\":\"searching\"}  matched  connected  first-frame  partner-camera  sound  safety
       reconnecting  reconnected  route  go-direct  message  stats  peer-disconnected  search-ended  blocked
       reported  presence  notice  draining  server-lost  server-back  error
  in   {\"command\":\"message\",\"text\":\"hi\"}  {\"command\":\"skip\"}  {\"command\":\"leave\"}
       {\"command\":\"mute\"}  {\"command\":\"unmute\"}  {\"command\":\"direct\"}
       {\"command\":\"block\"}  {\"command\":\"report\",\"reason\":\"...\"}

Sound for scripts: a tone to them, and what they say into a file
  meoww search --headless --json --audio tone --audio-out heard.wav";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn waits_are_whole_seconds_of_two_minutes_at_most() {
        assert_eq!(["0s", "20s", "2m"].map(tag_wait), [Ok(0), Ok(20), Ok(120)]);
        for bad in ["", "121s", "500ms", "1h"] {
            assert!(tag_wait(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_are_read_as_they_are_compared() {
        let parse = |arguments: &[&str]| {
            Cli::try_parse_from([&["meoww", "search"], arguments].concat()).map(|cli| cli.command)
        };
        let Ok(Some(Command::Search(search))) = parse(&["--tag", "#Rust", "--tag", "cats"]) else {
            panic!("not a search");
        };
        assert_eq!(search.tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["rust", "cats"]);
        assert!(parse(&["--tag", "two words"]).is_err());
        assert!(parse(&["--wait", "5s"]).is_err(), "waits for no tag");
    }
}
