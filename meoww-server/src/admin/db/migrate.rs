//! `db migrate`: the tables of PostgreSQL as this version needs them.

use clap::Args;
use serde::Serialize;

use crate::{
    admin::{
        client::Client,
        failure::{Failure, Kind, Problem},
        output::Out,
    },
    services::StartError,
    store::Store,
};

/// Make the tables in PostgreSQL, or bring those of an earlier version up to date.
///
/// A server does so itself when it starts; this is for who wants to do it before, or by another user
/// of the database. Running servers of the earlier version go on.
#[derive(Args)]
#[command(after_help = "\
Example:
  MEOWW_DATABASE_URL=postgres://meoww@db.example/meoww meoww-server db migrate --dry-run")]
pub(crate) struct Migrate {
    /// Say what there is to do, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Step {
    version: i32,
    step: &'static str,
}

impl Migrate {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let Some(url) = &client.config.database else {
            let message = "MEOWW_DATABASE_URL is not set: the database in the data directory \
                           needs no migration";
            return Err(Problem::new(Kind::Usage, message).into());
        };
        let steps = Store::migrate(url, self.dry_run).await.map_err(StartError::Store)?;
        let steps: Vec<_> =
            steps.into_iter().map(|(version, step)| Step { version, step }).collect();
        if steps.is_empty() && !out.is_json() {
            return Ok(out.one(&(), "the tables are up to date")?);
        }
        let heading = ["VERSION", if self.dry_run { "TO DO" } else { "DONE" }];
        Ok(out.rows(&steps, heading, |one| [one.version.to_string(), one.step.to_owned()])?)
    }
}
