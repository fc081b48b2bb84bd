//! `meoww email`.

use meoww_proto::account::ChangeEmailRequest;
use serde_json::json;

use super::{Context, code, password};
use crate::{cli::Email, error::Error, prompt::Question};

pub(super) async fn run(context: &Context, args: Email) -> Result<(), Error> {
    match args {
        Email::Change { address } => change(context, address).await,
        Email::Confirm { code } => confirm(context, code).await,
    }
}

async fn change(context: &Context, address: Option<String>) -> Result<(), Error> {
    context.api.access_token()?;
    let question = Question { name: "New e-mail address", flag: "it as an argument" };
    let request = ChangeEmailRequest { email: question.text(address)?, password: password()? };
    context.api.change_email(&request).await?;
    let email = request.email.trim();
    let text = format!(
        "A code was mailed to {email}. Until you confirm it with `meoww email confirm CODE`, \
         the present address stays."
    );
    context.result(&text, &json!({ "mailedTo": email }))
}

async fn confirm(context: &Context, given: Option<String>) -> Result<(), Error> {
    let user = context.api.confirm_email(code(given)?).await?;
    context.result(&format!("Your address is now {}.", user.email), &user)
}
