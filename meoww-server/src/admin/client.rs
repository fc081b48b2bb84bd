//! The end of whoever typed the command: asks the running server, or else opens the database and
//! answers itself.

use std::{
    io::{self, BufRead, BufReader, Read},
    os::unix::net::UnixStream as StdUnixStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::UnixStream};

use super::{
    AdminRequest, Desk, Needs,
    failure::{Failure, Kind, Problem},
    protocol::{MAX_REPLY, Reply, Request},
    socket,
};
use crate::{
    config::Config,
    services::{Services, StartError, open},
};

/// How long a server may take to start or to stop while somebody asks, and how often to look.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Asks on behalf of an operator.
pub(crate) struct Client {
    pub(crate) config: Config,
}

/// Who answers.
pub(crate) enum Way {
    /// The server that runs.
    Server(UnixStream),
    /// This process; it has the data directory until it ends.
    Here(Desk),
}

impl Client {
    pub(crate) fn new(config: Config) -> Self {
        Self { config }
    }

    /// Asks whoever is there to answer.
    pub(crate) async fn ask<A: AdminRequest>(&self, ask: A) -> Result<A::Answer, Failure> {
        match self.way(A::NEEDS).await? {
            Way::Server(stream) => ask_server(stream, &ask).await,
            Way::Here(desk) => Ok(ask.answer(&desk).await?),
        }
    }

    /// Waits a moment for a server that starts or stops, or for another command.
    pub(crate) async fn way(&self, needs: Needs) -> Result<Way, Failure> {
        let mut in_use = None;
        let looks = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            match socket::connect(&self.config.data_dir).await {
                Ok(stream) => return Ok(Way::Server(stream)),
                Err(error) if is_absence(&error) => {}
                Err(error) => {
                    let path = self.config.data_dir.join("admin.sock");
                    return Err(StartError::Files(path, error).into());
                }
            }
            match self.open(needs).await {
                Ok(desk) => return Ok(Way::Here(desk)),
                Err(Failure::Start(StartError::InUse(path))) => in_use = Some(path),
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let path = in_use.unwrap_or_else(|| self.config.data_dir.clone());
        Err(StartError::InUse(path).into())
    }

    async fn open(&self, needs: Needs) -> Result<Desk, Failure> {
        if needs == Needs::Server {
            return Err(self.no_server());
        }
        let is_here = self.config.database.is_none();
        if needs == Needs::Database && is_here && !self.database().exists() {
            let message = format!(
                "there is no database in {}; is it the server's --data-dir?",
                self.config.data_dir.display()
            );
            return Err(Problem::new(Kind::DataDirectory, message).into());
        }
        // Nothing is served from here, so nothing that only serving needs may stand in the way.
        // Nor does a command match anybody: other nodes find in the database what it has done.
        let config = Config { tls: None, metrics_listen: None, nats: None, ..self.config.clone() };
        let services: Arc<Services> = match needs {
            Needs::PlaceForDatabase => Services::open_to_restore(config).await?,
            Needs::DataDirectory | Needs::Database | Needs::Server => {
                Services::open(config).await?
            }
        };
        Ok(Desk { services, is_serving: false })
    }

    /// A server that has the lock and no socket yet is about to have one.
    fn no_server(&self) -> Failure {
        let data_dir = &self.config.data_dir;
        match open::lock(data_dir) {
            Err(error @ StartError::InUse(_)) => error.into(),
            Ok(_) | Err(_) => {
                let message = format!(
                    "no server runs on {}; start one with `meoww-server serve`, or name its --data-dir",
                    data_dir.display()
                );
                Problem::new(Kind::NoServer, message).into()
            }
        }
    }

    fn database(&self) -> PathBuf {
        self.config.data_dir.join("db")
    }
}

/// Nobody listens there: no server runs, or it died.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

async fn ask_server<A: AdminRequest>(stream: UnixStream, ask: &A) -> Result<A::Answer, Failure> {
    let of = serde_json::to_value(ask).map_err(io::Error::from)?;
    match request(stream, A::NAME, of).await?.1 {
        Reply::Answer(answer) => Ok(serde_json::from_value(answer).map_err(io::Error::from)?),
        Reply::Problem(problem) => Err(problem.into()),
    }
}

/// Sends a request and reads the reply; more may follow it.
pub(crate) async fn request(
    stream: UnixStream,
    ask: &str,
    of: Value,
) -> io::Result<(BufReader<StdUnixStream>, Reply)> {
    let stream = send(stream, ask, of).await?.into_std()?;
    stream.set_nonblocking(false)?;
    let reading = tokio::task::spawn_blocking(move || {
        let mut reading = BufReader::new(stream);
        let reply = reply(&mut reading)?;
        Ok((reading, reply))
    });
    reading.await.map_err(io::Error::other)?
}

/// Sends a request that more may follow.
pub(crate) async fn send(mut stream: UnixStream, ask: &str, of: Value) -> io::Result<UnixStream> {
    let mut line = serde_json::to_vec(&Request::new(ask, of))?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(stream)
}

/// Reads the line that comes back, however long the command takes.
pub(crate) fn reply(stream: &mut BufReader<StdUnixStream>) -> io::Result<Reply> {
    let mut line = String::new();
    stream.by_ref().take(MAX_REPLY).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("the server went away before it answered"));
    }
    Ok(serde_json::from_str(&line)?)
}
