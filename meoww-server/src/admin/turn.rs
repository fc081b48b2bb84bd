//! `turn check`: whether clients will get a relay.

mod relay;

use clap::{Args, Subcommand};
use rand::RngExt;
use serde::Serialize;

use self::relay::{Transport, TurnUrl};
use super::{
    client::Client,
    failure::{Failure, Kind, Problem},
    output::Out,
};
use crate::{
    clock,
    core::{account::new_user_id, turn},
};

#[derive(Subcommand)]
pub(crate) enum Turn {
    Check(Check),
}

/// Ask the configured TURN server for a relay, as a client would, and give it back.
///
/// Over UDP, over TCP where the URL ends in ?transport=tcp, or over TLS where it begins with turns:.
/// The certificate has to be one that this machine trusts in.
#[derive(Args)]
pub(crate) struct Check {}

#[derive(Serialize)]
struct Checked<'a> {
    url: &'a str,
    transport: &'static str,
    /// How the server sees us.
    reflexive: String,
    /// Where peers would send.
    relayed: String,
}

impl Turn {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let Self::Check(Check {}) = self;
        let Some(relay) = &client.config.turn else {
            let message = "no TURN server is configured: set turn_server_url and turn_secret";
            return Err(Problem::new(Kind::FoundWrong, message).into());
        };
        let url = TurnUrl::parse(&relay.url)
            .map_err(|reason| Problem::new(Kind::Usage, format!("{}: {reason}", relay.url)))?;
        let now = clock::now();
        let user = new_user_id(now, rand::rng().random());
        let secret = relay.secret.expose().as_bytes();
        let server = turn::credentials(&relay.url, secret, user, now);
        let username = server.username.unwrap_or_default();
        let password = server.credential.unwrap_or_default();
        let found = relay::allocate(&url, username, password)
            .await
            .map_err(|reason| Problem::new(Kind::FoundWrong, format!("{}: {reason}", relay.url)))?;
        let transport = match url.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        };
        let (reflexive, relayed) = (found.reflexive.to_string(), found.relayed.to_string());
        let human =
            format!("{} gives relays over {transport}: {relayed}, for {reflexive}", relay.url);
        Ok(out.one(&Checked { url: &relay.url, transport, reflexive, relayed }, &human)?)
    }
}
