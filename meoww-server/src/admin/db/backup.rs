//! `db backup`, `db restore`: the database, the keys and the photos in one directory.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufReader},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::export::{named, to_file};
use crate::{
    admin::{
        client::Client,
        failure::{Failure, Kind, Problem},
        output::Out,
    },
    atomic_file::{AtomicFile, sync_parent},
    config::Config,
    services::{Services, open},
    store::{Batch, Merge},
};

const RECORDS: &str = "export.jsonl";
const SECRETS: &str = "secrets.toml";
const PHOTOS: &str = "photos";

/// Put an export, the server's own keys and the photos into a new directory.
///
/// It has its name once it is whole. Whoever has it can be anybody: keep it as you keep passwords.
/// Photos in a bucket (photo_store) are not in it. A large PostgreSQL is better saved by its own tools
/// (pg_dump, pg_basebackup).
#[derive(Args)]
#[command(after_help = "\
Example:
  meoww-server db backup /backup/meoww-$(date +%F)")]
pub(crate) struct Backup {
    /// Made by this command
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

#[derive(Serialize)]
struct Saved<'a> {
    directory: &'a Path,
    records: u64,
    photos: u64,
}

impl Backup {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let target = &self.directory;
        if target.exists() {
            let message = format!("{} is there already", target.display());
            return Err(Problem::new(Kind::Taken, message).into());
        }
        let draft = target.with_extension("part");
        make_directory(&draft)?;
        let saved = save(client, &draft).await.and_then(|saved| {
            fs::rename(&draft, target).and_then(|()| sync_parent(target))?;
            Ok(saved)
        });
        if saved.is_err() {
            // What was begun is of no use; the first failure is the one to tell.
            let _ = fs::remove_dir_all(&draft);
        }
        let (records, photos) = saved?;
        let human = format!("{records} records and {photos} photos in {}", target.display());
        Ok(out.one(&Saved { directory: target, records, photos }, &human)?)
    }
}

async fn save(client: &Client, draft: &Path) -> Result<(u64, u64), Failure> {
    let data = &client.config.data_dir;
    // Photos after the records: whoever is in those has theirs in these.
    let records = to_file(client, &draft.join(RECORDS)).await?;
    copy_file(&data.join(SECRETS), &draft.join(SECRETS))?;
    let photos = copy_directory(&data.join(PHOTOS), &draft.join(PHOTOS))?;
    Ok((records, photos))
}

/// Make a data directory of a backup. No server may run on it, and no database be in it.
#[derive(Args)]
#[command(after_help = "\
Example:
  meoww-server --data-dir /var/lib/meoww db restore /backup/meoww-2030-12-31")]
pub(crate) struct Restore {
    /// What `db backup` made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Restore {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let (source, data) = (&self.directory, &client.config.data_dir);
        let path = source.join(RECORDS);
        let file = File::open(&path).map_err(|error| named(&path, &error))?;
        if client.config.database.is_some() {
            let message = format!(
                "the database is PostgreSQL: bring back what its own tools saved (pg_restore), or \
                 copy {SECRETS} from the backup into {} and import its {RECORDS} with \
                 `meoww-server db import` into an empty database",
                data.display()
            );
            return Err(Problem::new(Kind::Usage, message).into());
        }
        make_directory(data)?;
        let _lock = open::lock(data)?;
        if data.join("db").exists() {
            let message = format!("there is a database in {}; move it away first", data.display());
            return Err(Problem::new(Kind::Taken, message).into());
        }
        let batch = Batch::in_directory(data).read(BufReader::new(file)).map_err(|faults| {
            let first =
                faults.first().map(|fault| format!("line {}: {}", fault.line, fault.reason));
            let message = format!("{}: {}", path.display(), first.unwrap_or_default());
            Problem::new(Kind::FoundWrong, message)
        })?;
        // The database moves in last: where it is, all is.
        let draft = data.join("restore.part");
        match fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        make_directory(&draft)?;
        copy_file(&source.join(SECRETS), &data.join(SECRETS))?;
        let photos = copy_directory(&source.join(PHOTOS), &data.join(PHOTOS))?;
        let records = fill(client, &draft, batch).await?;
        fs::rename(draft.join("db"), data.join("db"))?;
        sync_parent(&data.join("db"))?;
        fs::remove_dir_all(&draft)?;
        let human = format!("{records} records and {photos} photos in {}", data.display());
        Ok(out.one(&Saved { directory: data, records, photos }, &human)?)
    }
}

/// Everything of the batch in a data directory of its own, closed again when this returns.
async fn fill(client: &Client, data_dir: &Path, batch: Batch) -> Result<u64, Failure> {
    let data_dir = data_dir.to_owned();
    let config = Config { data_dir, metrics_listen: None, tls: None, ..client.config.clone() };
    let services = Services::open(config).await?;
    let imported = services.store.import(batch, Merge::default()).await.map_err(Problem::from)?;
    services.store.flush().await.map_err(Problem::from)?;
    if let Some(fault) = imported.faults.first() {
        let message = format!("line {}: {}", fault.line, fault.reason);
        return Err(Problem::new(Kind::FoundWrong, message).into());
    }
    Ok(imported.added.values().sum())
}

fn make_directory(path: &Path) -> Result<(), Problem> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| named(path, &error))
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Problem> {
    let copied = File::open(from).and_then(|mut file| {
        let mut draft = AtomicFile::create(to)?;
        io::copy(&mut file, &mut draft)?;
        draft.commit()
    });
    copied.map_err(|error| named(from, &error))
}

/// The files of a directory that may not be there. One that goes while it is read is left out: it
/// was a photo that somebody removed.
fn copy_directory(from: &Path, to: &Path) -> Result<u64, Problem> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(named(from, &error)),
    };
    make_directory(to)?;
    let mut copied = 0;
    for entry in entries {
        let entry = entry.map_err(|error| named(from, &error))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copied += copy_directory(&path, &target)?;
        } else if path.exists() {
            copy_file(&path, &target)?;
            copied += 1;
        }
    }
    Ok(copied)
}
