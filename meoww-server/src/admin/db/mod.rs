//! `db`: the database as a whole.

mod backup;
mod check;
mod export;
mod import;
mod migrate;
pub(crate) mod mongo;
mod progress;

use clap::Subcommand;

pub(crate) use self::{
    check::Check,
    export::{EXPORT, serve as serve_export},
    import::{IMPORT, serve as serve_import},
};
use super::{client::Client, failure::Failure, output::Out};

#[derive(Subcommand)]
pub(crate) enum Db {
    Check(Check),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Export(export::Export),
    Import(import::Import),
    Migrate(migrate::Migrate),
}

impl Db {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        match self {
            Self::Check(check) => check.run(client, out).await,
            Self::Backup(backup) => backup.run(client, out).await,
            Self::Restore(restore) => restore.run(client, out).await,
            Self::Export(export) => export.run(client, out).await,
            Self::Import(import) => import.run(client, out).await,
            Self::Migrate(migrate) => migrate.run(client, out).await,
        }
    }
}
