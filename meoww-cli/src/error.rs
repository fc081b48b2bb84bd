//! Everything that can end a command, each with a sentence that says what to do next and an exit
//! code of its own.

use std::{fmt, io, path::PathBuf, time::Duration};

use meoww_proto::UserId;

use crate::{
    picture::source::SourceError,
    sound::{SoundError, device::DeviceError},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is no HTTP URL.
    #[error(
        "\"{url}\" is no server address ({why}). Write it as http://HOST:PORT or https://HOST."
    )]
    BadServerUrl {
        /// As given.
        url: String,
        /// The reason, for people.
        why: String,
    },
    /// Something answers there, but it does not speak Meoww.
    #[error(
        "{server} answers, but not as a Meoww server ({why}). Check the address given with --server."
    )]
    NotMeoww {
        /// Its address.
        server: String,
        /// What was odd about the answer.
        why: String,
    },
    /// Nobody answers.
    #[error(
        "Cannot reach {server} ({why}). Is the server running, and is the address right (--server)?"
    )]
    Unreachable {
        /// Its address.
        server: String,
        /// The lowest cause known.
        why: String,
    },
    /// A proxy stands before the server, and does not lead to it.
    #[error(
        "Cannot reach {server} through the proxy {proxy} ({why}). It is named by http_proxy, \
         https_proxy or ALL_PROXY; NO_PROXY names what needs none."
    )]
    ProxyFailed {
        /// The server's address.
        server: String,
        /// The proxy's, without a password.
        proxy: String,
        /// The lowest cause known.
        why: String,
    },
    /// Something answers there, and names another address.
    #[error("{server} says that it is at {target}. If you trust that, add --server {target}")]
    Redirected {
        /// Its address.
        server: String,
        /// The address it names.
        target: String,
    },
    /// TLS ends where nobody known vouches for the server.
    #[error(
        "The certificate of {server} is not trusted ({why}). If an authority of your own signed it, \
         name the file of that authority's certificate in SSL_CERT_FILE."
    )]
    UntrustedCertificate {
        /// Its address.
        server: String,
        /// The reason, for people.
        why: String,
    },
    /// No session is kept for this server.
    #[error("Not logged in to {0}. Run `meoww login`, or `meoww signup` for a new account.")]
    NotLoggedIn(String),
    /// The server no longer takes the session.
    #[error("The session at {0} has expired or was ended. Run `meoww login`.")]
    SessionExpired(String),
    /// Login refused.
    #[error("Wrong e-mail address or password.")]
    InvalidCredentials,
    /// Login refused until the code is entered.
    #[error(
        "This e-mail address is not verified yet. Run `meoww verify` with the code from the mail, or `meoww resend` for a new one."
    )]
    EmailNotVerified(Option<UserId>),
    /// Verification refused.
    #[error("Wrong code. Check the newest mail and run `meoww verify` again.")]
    WrongCode,
    /// Verification refused.
    #[error("This code is no longer valid. Run `meoww resend` for a new one.")]
    CodeExpired,
    /// Sign-up refused.
    #[error(
        "That e-mail address or username is taken. Choose another, or run `meoww login` if it is yours."
    )]
    Taken,
    /// A field breaks a rule.
    #[error("{0}")]
    InvalidInput(String),
    /// Too many requests.
    #[error("{message}{}", retry_hint(.retry_after))]
    RateLimited {
        /// As the server says it.
        message: String,
        /// When the next is welcome.
        retry_after: Option<Duration>,
    },
    /// Any other refusal.
    #[error("The server refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// As the server says it.
        message: String,
    },
    /// The server closed the socket for good.
    #[error("Another window of this account took this one's place.")]
    Displaced,
    /// By the operator; the text says until when.
    #[error("{0}")]
    Banned(String),
    /// A change refused that asks for the password once more.
    #[error("Wrong password. Nothing was changed.")]
    WrongPassword,
    /// No pictures to send.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No microphone or speaker as asked for.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No sound.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// A screen is needed and there is none.
    #[error("Not a terminal. Run this in one{0}.")]
    NotATerminal(Instead),
    /// The screen is too small to begin with.
    #[error(
        "The terminal is {columns}x{rows}; this needs at least {min_columns}x{min_rows}. Enlarge \
         the window or choose a smaller font. If that is not its size, set it: \
         `stty columns {min_columns} rows {min_rows}`."
    )]
    TerminalTooSmall {
        /// Now.
        columns: u16,
        /// Now.
        rows: u16,
        /// Needed.
        min_columns: u16,
        /// Needed.
        min_rows: u16,
    },
    /// The terminal can do nothing but print lines.
    #[error(
        "TERM is \"dumb\": this terminal cannot show pictures. Run this in another one, or set TERM to \
         what it really is (TERM=xterm-256color){0}."
    )]
    DumbTerminal(Instead),
    /// The locale cannot show half blocks.
    #[error("The locale is not UTF-8. Set LANG=C.UTF-8 (or the like), or choose --render ascii.")]
    NoUtf8,
    /// Needed on the command line, as nobody can be asked.
    #[error("{0} is missing, and there is no terminal to ask on. Give {1}.")]
    Missing(&'static str, &'static str),
    /// A file of our own.
    #[error("Cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Ctrl-C at a prompt.
    #[error("Interrupted.")]
    Interrupted,
    /// What should not happen.
    #[error("{0}")]
    Other(String),
}

/// What can be done without a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Nothing.
    Nothing,
    /// A call for scripts.
    Headless,
    /// A file in place of a terminal.
    OutFile,
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "",
            Self::Headless => ", or add --headless for scripts",
            Self::OutFile => ", or add --out FILE to draw into a file",
        })
    }
}

fn retry_hint(after: &Option<Duration>) -> String {
    match after {
        Some(after) if after.as_secs() >= 120 => {
            format!(" Try again in {} minutes.", after.as_secs().div_ceil(60))
        }
        Some(after) => format!(" Try again in {} seconds.", after.as_secs().max(1)),
        None => String::new(),
    }
}

impl Error {
    /// The exit code, and the name scripts see with `--json`.
    pub fn code(&self) -> (u8, &'static str) {
        match self {
            Self::Other(_) | Self::Refused { .. } => (1, "error"),
            Self::Missing(..) => (2, "usage"),
            Self::File { .. } => (3, "file"),
            Self::BadServerUrl { .. } => (10, "bad-server-url"),
            Self::NotMeoww { .. } | Self::Redirected { .. } => (11, "not-a-meoww-server"),
            Self::Unreachable { .. } | Self::ProxyFailed { .. } => (12, "unreachable"),
            Self::NotLoggedIn(_) => (13, "not-logged-in"),
            Self::SessionExpired(_) => (14, "session-expired"),
            Self::InvalidCredentials => (15, "invalid-credentials"),
            Self::EmailNotVerified(_) => (16, "email-not-verified"),
            Self::WrongCode => (17, "wrong-code"),
            Self::CodeExpired => (18, "code-expired"),
            Self::Taken => (19, "taken"),
            Self::InvalidInput(_) => (20, "invalid-input"),
            Self::RateLimited { .. } => (21, "rate-limited"),
            Self::Displaced => (22, "displaced"),
            Self::Banned(_) => (23, "banned"),
            Self::WrongPassword => (24, "wrong-password"),
            Self::UntrustedCertificate { .. } => (25, "untrusted-certificate"),
            Self::Source(SourceError::NoCamera(_)) => (30, "no-camera"),
            Self::Source(SourceError::CameraBusy { .. }) => (31, "camera-busy"),
            Self::Source(SourceError::CameraUnsupported) => (32, "no-camera-support"),
            Self::Source(SourceError::Unreadable { .. }) => (33, "unreadable-file"),
            Self::Source(SourceError::NoFfmpeg { .. }) => (35, "no-ffmpeg"),
            Self::Source(SourceError::Silent { .. }) => (36, "no-picture"),
            Self::Source(SourceError::CameraGone(_) | SourceError::NoThread(_)) => (1, "error"),
            Self::Sound(SoundError::Unreadable { .. }) => (33, "unreadable-file"),
            Self::Sound(SoundError::Unwritable { .. }) => (34, "unwritable-file"),
            Self::Sound(SoundError::NoFfmpeg { .. }) => (35, "no-ffmpeg"),
            Self::Sound(SoundError::Device(error)) => device_code(error),
            Self::Sound(SoundError::Codec(_) | SoundError::NoThread(_)) => (1, "error"),
            Self::NotATerminal(_) => (40, "not-a-terminal"),
            Self::Device(error) => device_code(error),
            Self::TerminalTooSmall { .. } => (41, "terminal-too-small"),
            Self::NoUtf8 => (42, "no-utf8"),
            Self::DumbTerminal(_) => (43, "dumb-terminal"),
            Self::Interrupted => (130, "interrupted"),
        }
    }
}

fn device_code(error: &DeviceError) -> (u8, &'static str) {
    match error {
        DeviceError::NotFound { .. } | DeviceError::Missing { .. } => (50, "no-such-device"),
        DeviceError::Ambiguous { .. } => (51, "ambiguous-device"),
        DeviceError::Unsupported => (52, "no-sound-support"),
        DeviceError::NoSystem { .. } => (53, "no-sound-system"),
        DeviceError::Busy { .. }
        | DeviceError::Denied { .. }
        | DeviceError::Unusable { .. }
        | DeviceError::Gone { .. }
        | DeviceError::Stuck { .. } => (1, "error"),
    }
}

/// The lowest cause of an error, in its own words.
pub(crate) fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The table `meoww --help` ends with.
macro_rules! exit_codes {
    () => {
        "\
Exit codes:
   0  done                         20  a field breaks a rule
   1  refused, or unexpected       21  too many requests
   2  usage                        22  another window took this one's place
   3  a file of ours is unusable   23  account banned
  10  malformed server address     24  wrong password for a change
  11  not a Meoww server           25  certificate not trusted
  12  server unreachable           30  no such camera
  13  not logged in                31  camera busy
  14  session expired or ended     32  built without camera support
  15  wrong address or password    33  video or sound file unreadable
  16  e-mail address not verified  34  sound file not to be written
  17  wrong code                   35  ffmpeg is needed and missing
  18  code expired or used up      36  no picture came in time
  19  e-mail or username taken     40  not a terminal
  50  no such microphone, speaker  41  terminal too small
  51  several match that name      42  locale is not UTF-8
  52  built without sound support  43  TERM is dumb
  53  no sound system             130  interrupted at a prompt"
    };
}
pub(crate) use exit_codes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_end_the_program_as_its_help_says() {
        let server = || "http://localhost".to_owned();
        for (error, code, line) in [
            (Error::NotLoggedIn(server()), 13, "not logged in"),
            (Error::SessionExpired(server()), 14, "session expired or ended"),
            (Error::InvalidCredentials, 15, "wrong address or password"),
            (Error::WrongCode, 17, "wrong code"),
            (Error::CodeExpired, 18, "code expired or used up"),
            (Error::Taken, 19, "e-mail or username taken"),
            (Error::Displaced, 22, "another window took this one's place"),
            (Error::WrongPassword, 24, "wrong password for a change"),
            (Error::NotATerminal(Instead::Nothing), 40, "not a terminal"),
            (Error::NoUtf8, 42, "locale is not UTF-8"),
            (Error::DumbTerminal(Instead::Nothing), 43, "TERM is dumb"),
            (DeviceError::Unsupported.into(), 52, "built without sound support"),
            (DeviceError::NoSystem { reason: server() }.into(), 53, "no sound system"),
        ] {
            assert_eq!(error.code().0, code, "{line}");
            assert!(exit_codes!().contains(&format!("{code}  {line}")), "{line}");
        }
    }
}
