//! `meoww signup`.

use meoww_proto::account::SignupRequest;

use super::{Context, password};
use crate::{cli::Signup, error::Error, prompt::Question};

pub(super) async fn run(context: &Context, args: Signup) -> Result<(), Error> {
    let ask = |name, flag, given| Question { name, flag }.text(given);
    let request = SignupRequest {
        name: ask("Name", "--name", args.name)?,
        username: ask("Username", "--username", args.username)?,
        email: ask("E-mail address", "--email", args.email)?,
        password: password()?,
    };
    let response = context.api.signup(&request).await?;
    context.keep_servers()?;
    let text = format!(
        "A code was mailed to {}. Confirm it with `meoww verify CODE`.",
        request.email.trim()
    );
    context.result(&text, &response)
}
