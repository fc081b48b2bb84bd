//! `db export`: everything, as plain JSON lines. A running server sends the lines to whoever asked,
//! who writes the file; so it is where, and whose, the operator expects.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::Serialize;

use crate::{
    admin::{
        Desk, Needs,
        client::{self, Client, Way},
        failure::{Failure, Kind, Problem},
        output::Out,
        protocol::Reply,
    },
    atomic_file::AtomicFile,
    store::StoreError,
};

/// What it is called on the socket.
pub(crate) const EXPORT: &str = "db export";
/// Longest one end may keep the other waiting in the middle of the lines.
pub(crate) const STREAM_TIMEOUT: Duration = Duration::from_secs(60);

/// Write everything as plain JSON lines: accounts, sessions, codes.
///
/// Password hashes are in it, so the file is for its owner only (0600). It shows one moment, also
/// of a running server, and later versions can import it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  meoww-server db export accounts.jsonl
  meoww-server db export - | gzip > accounts.jsonl.gz")]
pub(crate) struct Export {
    /// Where to; - is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Exported<'a> {
    file: &'a Path,
    records: u64,
}

impl Export {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        if self.file.as_os_str() == "-" {
            copy(client, io::stdout()).await?;
            return Ok(());
        }
        let records = to_file(client, &self.file).await?;
        let report = Exported { file: &self.file, records };
        let human = format!(
            "{records} records in {}, for you only: password hashes are in it",
            self.file.display()
        );
        Ok(out.one(&report, &human)?)
    }
}

/// Exports to a file that is whole once it has its name.
pub(super) async fn to_file(client: &Client, path: &Path) -> Result<u64, Failure> {
    let draft = AtomicFile::create(path).map_err(|error| named(path, &error))?;
    let (draft, records) = copy(client, draft).await?;
    draft.commit().map_err(|error| named(path, &error))?;
    Ok(records)
}

pub(super) fn named(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Kind::Failed, format!("{}: {error}", path.display()))
}

async fn copy<W: Write + Send + 'static>(client: &Client, out: W) -> Result<(W, u64), Failure> {
    match client.way(Needs::Database).await? {
        Way::Here(desk) => Ok(desk.services.store.export(out).await.map_err(Problem::from)?),
        Way::Server(stream) => {
            let (stream, reply) = client::request(stream, EXPORT, serde_json::Value::Null).await?;
            if let Reply::Problem(problem) = reply {
                return Err(problem.into());
            }
            let copying = tokio::task::spawn_blocking(move || copy_lines(stream, out));
            Ok(copying.await.map_err(io::Error::other)??)
        }
    }
}

/// Copies up to the end and tells it from a server that went away.
fn copy_lines<W: Write>(mut lines: BufReader<UnixStream>, mut out: W) -> Result<(W, u64), Problem> {
    let failed = |error: io::Error| Problem::new(Kind::Failed, error.to_string());
    let (mut line, mut last) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        out.write_all(&line).map_err(failed)?;
        std::mem::swap(&mut line, &mut last);
    }
    out.flush().map_err(failed)?;
    #[derive(serde::Deserialize)]
    struct End {
        records: u64,
    }
    let cut = || Problem::new(Kind::Failed, "the server went away before the end of the export");
    serde_json::from_slice(&last).map(|End { records }| (out, records)).map_err(|_| cut())
}

/// The server's side, after the request line: a reply, then the export.
pub(crate) async fn serve(desk: &Desk, mut peer: UnixStream) -> io::Result<()> {
    peer.set_write_timeout(Some(STREAM_TIMEOUT))?;
    let mut reply = serde_json::to_vec(&Reply::Answer(serde_json::Value::Null))?;
    reply.push(b'\n');
    peer.write_all(&reply)?;
    let exported = desk.services.store.export(peer).await;
    exported.map(drop).map_err(|error: StoreError| io::Error::other(error))
}
