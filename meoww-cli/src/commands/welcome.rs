//! `meoww` without a command: shows the server, the account and the next steps.

use std::io::{self, IsTerminal};

use serde_json::json;

use super::Context;
use crate::{api::Standing, error::Error};

pub(super) async fn run(context: &Context) -> Result<(), Error> {
    // A script that forgot its command must not take this for a success.
    if !io::stdout().is_terminal() {
        return Err(Error::Missing("A command", "one of those `meoww --help` lists"));
    }
    let server = context.api.server().to_string();
    let (found, standing) = match context.api.reach().await {
        Ok(()) => (Ok(()), context.api.standing().await?),
        Err(error) => (Err(fault(&error)), Standing::Unknown),
    };
    let data = json!({
        "server": server,
        "reachable": found.is_ok(),
        "standing": standing.name(),
        "next": next(&standing).first().map(|(command, _)| command),
    });
    context.result(&text(&server, found.err().as_deref(), &standing), &data)
}

fn text(server: &str, fault: Option<&str>, standing: &Standing) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        " /\\_/\\\n( o.o )   meoww {version}\n > ^ <    video chat with a random stranger, in your terminal\n\n"
    );
    text += &format!("server   {server}\n");
    if let Some(fault) = fault {
        text += &format!("         {fault}\n");
    }
    if let Some(you) = you(standing) {
        text += &format!("you      {you}\n");
    }
    text += "\n";
    for (command, what) in next(standing) {
        text += &format!("  {command:<32}{what}\n");
    }
    text + "  meoww --help                    all commands, files and exit codes"
}

/// Describes a fault of the server named in the line above.
fn fault(error: &Error) -> String {
    match error {
        Error::Unreachable { why, .. } => format!("cannot be reached ({why})"),
        Error::NotMeoww { why, .. } => format!("is no Meoww server ({why})"),
        other => other.to_string(),
    }
}

fn you(standing: &Standing) -> Option<String> {
    match standing {
        Standing::LoggedIn(user) => Some(format!("{}, {}", user.username, user.email)),
        Standing::Unverified => Some("signed up; a code was mailed to you".to_owned()),
        Standing::Expired => Some("your session has ended".to_owned()),
        Standing::LoggedOut => Some("not logged in".to_owned()),
        Standing::Unknown => None,
    }
}

/// Returns the next commands and their purposes, the likeliest first.
fn next(standing: &Standing) -> &'static [(&'static str, &'static str)] {
    match standing {
        Standing::LoggedIn(_) => &[
            ("meoww search", "find somebody: F1 in the call shows the keys"),
            ("meoww search --tag rust", "rather somebody who likes the same"),
            ("meoww logout", "end this session"),
        ],
        Standing::Unverified => &[
            ("meoww verify 123456", "confirm the code from the mail; you are logged in"),
            ("meoww resend", "have a new code mailed"),
        ],
        Standing::Expired => &[("meoww login", "log in again")],
        Standing::LoggedOut => &[
            ("meoww signup", "make an account; a code comes by mail"),
            ("meoww login", "log in to the account you have"),
            ("meoww --server https://HOST", "look at another server; signup and login keep it"),
        ],
        Standing::Unknown => &[
            ("meoww --server https://HOST", "look at another server; signup and login keep it"),
            ("meoww-server serve", "run a server of your own, here"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use meoww_proto::{UserId, account::User};

    use super::*;

    fn ada() -> Standing {
        Standing::LoggedIn(Box::new(User {
            id: UserId::from_bytes([1; 12]),
            name: "Ada".to_owned(),
            username: "ada".to_owned(),
            email: "ada@example.org".to_owned(),
            profile_image: String::new(),
            is_verified: true,
            created_at: "2026-01-01T00:00:00.000Z".to_owned(),
        }))
    }

    #[test]
    fn each_standing_has_its_next_step() {
        for (standing, command) in [
            (ada(), "meoww search"),
            (Standing::Unverified, "meoww verify 123456"),
            (Standing::Expired, "meoww login"),
            (Standing::LoggedOut, "meoww signup"),
            (Standing::Unknown, "meoww --server https://HOST"),
        ] {
            let text = text("http://here", None, &standing);
            let step = text.lines().find(|line| line.starts_with("  meoww")).unwrap();
            assert!(step.trim_start().starts_with(command), "{text}");
        }
    }

    #[test]
    fn it_fits_eighty_columns_and_shows_who_and_where() {
        let text = text("http://here", Some("It is down."), &ada());
        assert!(text.contains("server   http://here\n         It is down.\nyou      ada, ada@ex"));
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
