//! `config`: what is set, whether it makes sense, and a file to begin with.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    failure::{Failure, Kind, Problem},
    output::{Out, write},
};
use crate::{
    config::{Config, ConfigError, Flags, settings},
    fleet::bus::Bus,
    mail::Mailer,
    services::{StartError, open},
};

#[derive(Subcommand)]
pub(crate) enum Configuration {
    /// Show every setting in force and who says so: a flag, the environment, the file or nobody.
    Show,
    /// Say whether the server would start with these settings, also on the PostgreSQL and NATS they
    /// name; the exit code is that of `serve` if not, and 9 if something would not work.
    Check,
    Init(Init),
}

/// Write a file that sets nothing and explains every setting.
#[derive(Args)]
#[command(after_help = "\
Example:
  meoww-server config init /etc/meoww/meoww.toml")]
pub(crate) struct Init {
    /// Where to; standard output if not given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Good {
    ok: bool,
}

impl Configuration {
    pub(crate) async fn run(self, flags: Flags, out: &Out) -> Result<(), Failure> {
        match self {
            Self::Show => {
                let shown = settings::in_force(flags, |name| env::var(name).ok())?;
                let heading = ["SETTING", "VALUE", "SOURCE", "VARIABLE"];
                Ok(out.rows(&shown, heading, |one| {
                    [
                        one.setting.to_owned(),
                        one.value.clone().unwrap_or_else(|| "-".into()),
                        one.source.to_owned(),
                        one.variable.to_owned(),
                    ]
                })?)
            }
            Self::Check => {
                let config = Config::resolve(flags, |name| env::var(name).ok())?;
                check(&config)?;
                open::try_database(&config).await?;
                if let Some(url) = &config.nats {
                    Bus::try_out(url).await.map_err(StartError::Bus)?;
                }
                let shortcomings = config.shortcomings();
                if !shortcomings.is_empty() {
                    return Err(Problem::new(Kind::FoundWrong, shortcomings.join("\n")).into());
                }
                Ok(out.one(&Good { ok: true }, "the settings are good")?)
            }
            Self::Init(init) => init.run(),
        }
    }
}

/// What is found out only when it is put to use.
fn check(config: &Config) -> Result<(), ConfigError> {
    Mailer::from_config(config)?;
    let files = config
        .tls
        .iter()
        .flat_map(|tls| [("MEOWW_TLS_CERT", tls.cert.clone()), ("MEOWW_TLS_KEY", tls.key.clone())]);
    for (name, path) in files {
        std::fs::File::open(&path).map_err(|error| ConfigError::Invalid {
            name,
            reason: format!("{}: {error}", path.display()),
        })?;
    }
    Ok(())
}

impl Init {
    /// The file will hold secrets, so it is for its owner from the beginning.
    fn run(self) -> Result<(), Failure> {
        let Some(path) = self.file else { return Ok(write(settings::template().trim_end())?) };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(settings::template().as_bytes()));
        written.map_err(|error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::AlreadyExists => Kind::Taken,
                _ => Kind::Failed,
            };
            Problem::new(kind, format!("{}: {error}", path.display())).into()
        })
    }
}
