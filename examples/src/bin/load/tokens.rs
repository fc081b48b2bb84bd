//! Whose connections they are: one account each.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use meoww_cli::config::ServerUrl;
use meoww_examples::account::throw_away;
use meoww_proto::account::ACCESS_COOKIE;

/// Sign-ups under way at once: the server hashes no faster.
const SIGN_UPS: usize = 4;

/// A `Cookie` header that carries an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cookie(String);

impl Cookie {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// From a line: a `Cookie` header, with or without its name, or a bare token.
    fn parse(line: &str) -> anyhow::Result<Self> {
        let line = line.strip_prefix("Cookie:").unwrap_or(line).trim();
        ensure!(line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "odd characters");
        if line.contains('=') { Ok(Self(line.to_owned())) } else { Ok(Self::of(line)) }
    }

    fn of(token: &str) -> Self {
        Self(format!("{ACCESS_COOKIE}={token}"))
    }
}

/// From a file as `meoww-server user create --tokens` prints it.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<Vec<Cookie>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let cookie = |(number, line)| {
        Cookie::parse(line).with_context(|| format!("no token on line {} of {path:?}", number + 1))
    };
    lines.map(cookie).collect()
}

/// Fresh accounts, on a server that writes its mail to `outbox`.
#[tokio::main]
pub(crate) async fn sign_up(
    server: &ServerUrl,
    count: usize,
    outbox: &Path,
) -> anyhow::Result<Vec<Cookie>> {
    let account = |_| async {
        let account = throw_away(server.clone().into(), outbox).await?;
        anyhow::Ok(Cookie::of(&account.api.access_token()?))
    };
    stream::iter(0..count).map(account).buffer_unordered(SIGN_UPS).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_token_is_understood() {
        for line in ["abc.def", "access_token=abc.def", "Cookie: access_token=abc.def"] {
            assert_eq!(Cookie::parse(line).expect("a token").as_str(), "access_token=abc.def");
        }
        assert!(Cookie::parse("a\u{7}b").is_err());
    }
}
