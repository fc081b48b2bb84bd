//! `meoww password`.

use meoww_proto::account::{ChangePasswordRequest, ResetPasswordRequest};
use serde_json::json;

use super::{Context, code, new_password, password};
use crate::{cli::Password, error::Error, prompt::Question};

pub(super) async fn run(context: &Context, args: Password) -> Result<(), Error> {
    match args {
        Password::Change => change(context).await,
        Password::Forgot { email } => forgot(context, email).await,
        Password::Reset { code, email } => reset(context, code, email).await,
    }
}

async fn change(context: &Context) -> Result<(), Error> {
    // Nobody is asked for passwords in vain.
    context.api.access_token()?;
    let (current_password, new_password) = (password()?, new_password()?);
    let request = ChangePasswordRequest { current_password, new_password };
    let user = context.api.change_password(&request).await?;
    context.result("The password is changed. All other sessions have ended.", &user)
}

async fn forgot(context: &Context, email: Option<String>) -> Result<(), Error> {
    let done = context.api.forgot_password(address(email)?).await?;
    context.result(
        "If there is such an account, a code was mailed. Set a new password with \
         `meoww password reset CODE`.",
        &done,
    )
}

async fn reset(
    context: &Context,
    given: Option<String>,
    email: Option<String>,
) -> Result<(), Error> {
    let (email, otp) = (address(email)?, code(given)?);
    let request = ResetPasswordRequest { email, otp, new_password: new_password()? };
    context.api.reset_password(&request).await?;
    context.result(
        "The new password is set; all sessions have ended. Run `meoww login`.",
        &json!({ "reset": true }),
    )
}

fn address(given: Option<String>) -> Result<String, Error> {
    Question { name: "E-mail address", flag: "--email" }.text(given)
}
