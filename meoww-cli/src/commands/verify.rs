//! `meoww verify`.

use super::Context;
use crate::{cli::Verify, error::Error, prompt::Question};

pub(super) async fn run(context: &Context, args: Verify) -> Result<(), Error> {
    let question = Question { name: "Code from the mail", flag: "it as an argument" };
    let code = question.text(args.code)?.trim().to_owned();
    let user = context.api.verify(args.user_id.as_deref(), code).await?;
    let text =
        format!("Verified and logged in as {}. Find somebody: `meoww search`.", user.username);
    context.result(&text, &user)
}
