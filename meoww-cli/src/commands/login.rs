//! `meoww login`.

use meoww_proto::account::LoginRequest;

use super::{Context, password};
use crate::{cli::Login, error::Error, prompt::Question};

pub(super) async fn run(context: &Context, args: Login) -> Result<(), Error> {
    let email = Question { name: "E-mail address", flag: "--email" }.text(args.email)?;
    let request = LoginRequest { email, password: password()? };
    let user = context.api.login(&request).await?;
    context.keep_servers()?;
    let text = format!("Logged in as {}. Find somebody: `meoww search`.", user.username);
    context.result(&text, &user)
}
