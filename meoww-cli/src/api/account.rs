//! What one has at the server: sessions, password, address, blocks, the account itself.

use meoww_proto::account::{
    Blocks, ChangeEmailRequest, ChangePasswordRequest, ConfirmEmailRequest, DEVICE_COOKIE,
    DeleteAccountRequest, Done, ForgotPasswordRequest, ResetPasswordRequest, Sessions, User,
};
use reqwest::Method;
use serde_json::Value;

use super::{Api, cookie};
use crate::{
    error::Error,
    session::{Kept, Login},
};

impl Api {
    /// Where one is logged in.
    pub async fn sessions(&self) -> Result<Sessions, Error> {
        self.get("/api/auth/sessions").await
    }

    /// Ends a session; for the one of this machine there is [`Api::logout`].
    pub async fn revoke_session(&self, id: &str) -> Result<(), Error> {
        self.delete("/api/auth/sessions", Some(id)).await
    }

    /// Ends all sessions but the one of this machine.
    pub async fn revoke_other_sessions(&self) -> Result<(), Error> {
        self.delete("/api/auth/sessions", None).await
    }

    /// Changes the password. All sessions end; a fresh one is kept.
    pub async fn change_password(&self, request: &ChangePasswordRequest) -> Result<User, Error> {
        let ask = || self.request(Method::POST, "/api/auth/password").json(request);
        let response = self.authorized(ask).await?;
        self.keep_login(response).await
    }

    /// Has a code mailed, if there is such an account.
    pub async fn forgot_password(&self, email: String) -> Result<Done, Error> {
        let request = ForgotPasswordRequest { email };
        let request =
            self.with_device_cookie(Method::POST, "/api/auth/password/forgot")?.json(&request);
        self.json(self.send(request).await?).await
    }

    /// Sets a new password by a mailed code. All sessions end, also the one of this machine.
    pub async fn reset_password(&self, request: &ResetPasswordRequest) -> Result<(), Error> {
        let ask = self.with_device_cookie(Method::POST, "/api/auth/password/reset")?.json(request);
        let device_token = cookie(&self.send(ask).await?, DEVICE_COOKIE);
        let guard = self.sessions.lock()?;
        let kept = guard.load(&self.servers)?;
        let ended = |login: &Login| login.user.email == request.email.trim().to_lowercase();
        let login = kept.login.filter(|login| !ended(login));
        let device_token = device_token.or(kept.device_token);
        guard.store(&self.servers, Kept { login, device_token, ..kept })
    }

    /// Has a code mailed to a new address.
    pub async fn change_email(&self, request: &ChangeEmailRequest) -> Result<(), Error> {
        let ask = || self.request(Method::POST, "/api/auth/email").json(request);
        self.authorized(ask).await.map(|_| ())
    }

    /// Uses the new address from now on.
    pub async fn confirm_email(&self, otp: String) -> Result<User, Error> {
        let request = ConfirmEmailRequest { otp };
        let ask = || self.request(Method::POST, "/api/auth/email/confirm").json(&request);
        let user: User = self.json(self.authorized(ask).await?).await?;
        let guard = self.sessions.lock()?;
        let kept = guard.load(&self.servers)?;
        let login = kept.login.map(|login| Login { user: user.clone(), ..login });
        guard.store(&self.servers, Kept { login, ..kept })?;
        Ok(user)
    }

    /// Deletes the account, and what is kept of it here.
    pub async fn delete_account(&self, request: &DeleteAccountRequest) -> Result<(), Error> {
        let ask = || self.request(Method::DELETE, "/api/auth/me").json(request);
        self.authorized(ask).await?;
        self.sessions.lock()?.store(&self.servers, Kept::default())
    }

    /// Everything the server keeps of the account and may tell, as it is.
    pub async fn export(&self) -> Result<Value, Error> {
        let ask = || self.request(Method::GET, "/api/auth/me/export");
        self.verbatim(self.authorized(ask).await?).await
    }

    /// Whom one never meets again.
    pub async fn blocks(&self) -> Result<Blocks, Error> {
        self.get("/api/auth/blocks").await
    }

    /// Lifts a block.
    pub async fn unblock(&self, id: &str) -> Result<(), Error> {
        self.delete("/api/auth/blocks", Some(id)).await
    }

    /// `id` is what somebody typed: it may name one part of a path and nothing else.
    async fn delete(&self, route: &str, id: Option<&str>) -> Result<(), Error> {
        let is_plain = |id: &str| {
            !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let route = match id {
            Some(id) if is_plain(id) => format!("{route}/{id}"),
            Some(_) => return Err(Error::InvalidInput("That is no id. See the list.".into())),
            None => route.to_owned(),
        };
        let ask = || self.request(Method::DELETE, &route);
        self.authorized(ask).await.map(|_| ())
    }
}
