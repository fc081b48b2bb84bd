//! `db import`: an export, or the users of the Node.js backend, into the database.

use std::{
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, Read},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::PathBuf,
};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    export::{STREAM_TIMEOUT, named},
    mongo,
    progress::Progress,
};
use crate::{
    admin::{
        Desk, Needs,
        client::{self, Client, Way},
        failure::{Failure, Kind, Problem},
        output::Out,
        protocol::Reply,
    },
    store::{Batch, Change, Changed, Fault, Imported, Merge},
};

/// What it is called on the socket.
pub(crate) const IMPORT: &str = "db import";

/// Bring records into the database: an export, or with --mongo what mongoexport wrote.
///
/// Everything is looked at before the first record is written; until then it waits in files without a
/// name in the data directory, which needs room for it. Of an export, all is taken or
/// nothing; of mongoexport's, faulty users are reported and the others taken. Users keep their ids
/// and their passwords: bcrypt hashes are replaced by Argon2id at the next login.
///
/// Exit codes: 0 all is there, 9 some of it is not (the report says which), 10 the database is not
/// empty.
#[derive(Args, Serialize, Deserialize)]
#[command(after_help = "\
Examples:
  meoww-server db import accounts.jsonl
  mongoexport --uri $MONGO_URI --collection users --out users.json
  meoww-server db import --mongo --dry-run users.json
  meoww-server db import --mongo --rename --json users.json > report.json
  jq -r '.changed[] | select(.field == \"username\") | [.email, .old, .new] | @tsv' report.json")]
pub(crate) struct Import {
    /// Where from; - is standard input
    #[arg(value_name = "FILE")]
    #[serde(skip)]
    file: PathBuf,
    /// The file holds the users collection as mongoexport writes it: one JSON object after the other,
    /// or an array of them, pretty or not
    #[arg(long)]
    mongo: bool,
    /// Take users whose username or name breaks the rules, or is taken, under another; the report says
    /// which
    #[arg(long, requires = "mongo")]
    rename: bool,
    /// Add to what is there, and keep what is there where both have the same id
    #[arg(long)]
    merge: bool,
    /// Look at everything and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let progress = Progress::new();
        let input: Box<dyn Read + Send> = if self.file.as_os_str() == "-" {
            Box::new(progress.of(io::stdin(), None))
        } else {
            let file = File::open(&self.file).map_err(|error| named(&self.file, &error))?;
            let length = file.metadata().ok().filter(Metadata::is_file).map(|file| file.len());
            Box::new(progress.of(file, length))
        };
        let imported = match client.way(Needs::PlaceForDatabase).await? {
            Way::Here(desk) => self.import(&desk, Box::new(BufReader::new(input))).await?,
            Way::Server(stream) => self.send(stream, input).await?,
        };
        drop(progress);
        self.report(&imported, out)
    }

    async fn send(
        &self,
        stream: tokio::net::UnixStream,
        mut input: Box<dyn Read + Send>,
    ) -> Result<Imported, Failure> {
        let of = serde_json::to_value(self).map_err(io::Error::from)?;
        let stream = client::send(stream, IMPORT, of).await?.into_std()?;
        stream.set_nonblocking(false)?;
        let sending = tokio::task::spawn_blocking(move || {
            // A server that refuses does not read to the end; what it says is read all the same.
            let _ = io::copy(&mut input, &mut &stream);
            stream.shutdown(Shutdown::Write)?;
            client::reply(&mut BufReader::new(stream))
        });
        match sending.await.map_err(io::Error::other)?? {
            Reply::Answer(imported) => {
                Ok(serde_json::from_value(imported).map_err(io::Error::from)?)
            }
            Reply::Problem(problem) => Err(problem.into()),
        }
    }

    async fn import(
        &self,
        desk: &Desk,
        input: Box<dyn BufRead + Send>,
    ) -> Result<Imported, Problem> {
        let (mongo, rename) = (self.mongo, self.rename);
        let batch = Batch::in_directory(&desk.services.config.data_dir);
        let reading = tokio::task::spawn_blocking(move || match mongo {
            true => Ok(mongo::parse(batch, input, rename)),
            false => batch.read(input).map(|batch| (batch, vec![])),
        });
        let read = reading.await.map_err(|error| Problem::new(Kind::Failed, error.to_string()))?;
        let (batch, mut faults) = match read {
            Ok(read) => read,
            Err(faults) => return Ok(Imported { faults, ..Imported::default() }),
        };
        let merge = Merge {
            into_existing: self.merge,
            despite_faults: mongo,
            rename,
            dry_run: self.dry_run,
        };
        let mut imported = desk.services.store.import(batch, merge).await?;
        desk.services.look_for_old_hashes().await?;
        imported.faults.append(&mut faults);
        imported.faults.sort_by_key(|fault| fault.line);
        Ok(imported)
    }

    fn report(&self, imported: &Imported, out: &Out) -> Result<(), Failure> {
        if let [Fault { line: 0, reason, .. }, ..] = &imported.faults[..] {
            let message = format!("{reason}; --merge adds to what is there");
            return Err(Problem::new(Kind::Taken, message).into());
        }
        if out.is_json() {
            out.one(imported, "")?;
        } else {
            self.tell(imported, out)?;
        }
        match imported.faults.len() {
            0 => Ok(()),
            n => {
                let others = match (self.mongo, self.dry_run) {
                    (false, _) => "nothing was taken",
                    (true, false) => "all others were taken",
                    (true, true) => "all others would be taken",
                };
                let message = format!("{n} faulty, as the report says; {others}");
                Err(Problem::new(Kind::FoundWrong, message).into())
            }
        }
    }
}

impl Import {
    fn tell(&self, imported: &Imported, out: &Out) -> io::Result<()> {
        if !imported.changed.is_empty() {
            let heading = ["LINE", "ADDRESS", "FIELD", "OLD", "NEW"];
            out.rows(&imported.changed, heading, |Changed { line, email, change, .. }| {
                let Change { field, old, new } = change.clone();
                [line.to_string(), email.clone(), field, old, new]
            })?;
        }
        if !imported.faults.is_empty() {
            out.rows(&imported.faults, ["LINE", "USER", "FAULT"], |fault| {
                let user = fault.user.map_or_else(String::new, |user| user.to_string());
                [fault.line.to_string(), user, fault.reason.clone()]
            })?;
        }
        let verb = if self.dry_run { "would be added" } else { "added" };
        let added = imported.added.iter().map(|(name, n)| format!("{n} {name} {verb}"));
        let kept = format!("{} kept as they were", imported.kept);
        let mut said: Vec<_> = added.chain([kept]).collect();
        if imported.orphans > 0 {
            said.push(format!("{} left out: of accounts that are not there", imported.orphans));
        }
        out.one(imported, &said.join(", "))
    }
}

/// The server's side, after the request line: the records up to where the peer stops writing,
/// the first of which may have come with the line.
pub(crate) async fn serve(
    desk: &Desk,
    of: serde_json::Value,
    begun: Vec<u8>,
    peer: &UnixStream,
) -> Result<Imported, Problem> {
    let failed = |error: String| Problem::new(Kind::Failed, error);
    let import: Import = serde_json::from_value(of).map_err(|error| failed(error.to_string()))?;
    let reading = peer.try_clone().map_err(|error| failed(error.to_string()))?;
    reading.set_read_timeout(Some(STREAM_TIMEOUT)).map_err(|error| failed(error.to_string()))?;
    let input = io::Cursor::new(begun).chain(BufReader::new(reading));
    import.import(desk, Box::new(input)).await
}
