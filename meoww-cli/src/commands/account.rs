//! `meoww account`.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use meoww_proto::account::DeleteAccountRequest;
use serde_json::{Value, json};

use super::{Context, password};
use crate::{cli::Account, error::Error, files::file_error, output::inert, prompt::confirm};

pub(super) async fn run(context: &Context, args: Account) -> Result<(), Error> {
    match args {
        Account::Delete { yes } => delete(context, yes).await,
        Account::Export { file } => export(context, file.as_deref()).await,
    }
}

async fn delete(context: &Context, yes: bool) -> Result<(), Error> {
    let user = context.api.me().await?;
    if !yes {
        let server = context.api.server();
        let question = format!("Delete {} at {server} and everything of it?", user.username);
        confirm(&question, "--yes")?;
    }
    let request = DeleteAccountRequest { password: password()? };
    context.api.delete_account(&request).await?;
    context.result("The account is deleted.", &json!({ "deleted": user.username }))
}

async fn export(context: &Context, file: Option<&Path>) -> Result<(), Error> {
    let data = context.api.export().await?;
    match file {
        None => context.result(&inert(&format!("{data:#}")), &data),
        Some(path) => {
            write_new(path, &data).map_err(|error| file_error(path, error))?;
            let text = format!("Written to {}.", path.display());
            context.result(&text, &json!({ "file": path }))
        }
    }
}

/// Never over another file.
fn write_new(path: &Path, data: &Value) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{}", inert(&format!("{data:#}")))?;
    file.sync_all()
}
