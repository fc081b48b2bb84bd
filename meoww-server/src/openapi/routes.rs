//! What each route takes and answers.

use meoww_proto::account::{
    AccountExport, Blocks, ChangeEmailRequest, ChangePasswordRequest, ConfirmEmailRequest,
    DeleteAccountRequest, Done, ForgotPasswordRequest, LoginRequest, ResendRequest,
    ResetPasswordRequest, Session, Sessions, SignupRequest, SignupResponse, TurnCredentials, User,
    VerifyRequest,
};
use serde_json::{Value, json};

use super::{
    Schemas,
    operation::{Operation, operation},
};

const JOINING: &str = "Joining";
const SESSIONS: &str = "Sessions";
const ACCOUNT: &str = "Account";
const CALLS: &str = "Calls";
const SERVER: &str = "Server";

/// Every operation of the server but the pages that show this document.
pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    let chapters = [joining, sessions, account, password_and_address, photos, calls, server];
    chapters.into_iter().flat_map(|chapter| chapter(schemas)).collect()
}

fn joining(schemas: &mut Schemas) -> Vec<Operation> {
    let fields = schemas.of::<SignupRequest>();
    vec![
        operation("post /api/auth/signup", JOINING, "Sign up; a code is mailed")
            .takes::<SignupRequest>(schemas)
            .takes_photo(Some(fields))
            .answers::<SignupResponse>(201, "The account waits for its code.", schemas)
            .limited(),
        operation("post /api/auth/verify", JOINING, "Confirm the address by the code")
            .takes::<VerifyRequest>(schemas)
            .answers::<Session>(200, "Verified and logged in.", schemas)
            .with_cookies(200)
            .refuses(&[403])
            .limited(),
        operation("post /api/auth/resend-otp", JOINING, "Have another code mailed")
            .takes::<ResendRequest>(schemas)
            .answers::<Done>(200, "The code is on its way.", schemas)
            .limited(),
    ]
}

fn sessions(schemas: &mut Schemas) -> Vec<Operation> {
    let id = json!({ "type": "string" });
    vec![
        operation("post /api/auth/login", SESSIONS, "Log in")
            .takes::<LoginRequest>(schemas)
            .answers::<Session>(200, "Logged in.", schemas)
            .with_cookies(200)
            .refuses(&[401, 403])
            .limited(),
        operation("post /api/auth/refresh", SESSIONS, "Spend the refresh token for new tokens")
            .answers::<Done>(200, "Refreshed.", schemas)
            .with_cookies(200)
            .refuses(&[401, 403])
            .limited(),
        operation("post /api/auth/logout", SESSIONS, "End the session, whatever its tokens are")
            .answers::<Done>(200, "Logged out.", schemas)
            .with_cookies(200)
            .limited(),
        operation("get /api/auth/sessions", SESSIONS, "One's own sessions")
            .with_session()
            .answers::<Sessions>(200, "Newest first.", schemas),
        operation("delete /api/auth/sessions", SESSIONS, "End all sessions but this one")
            .with_session()
            .answers::<Done>(200, "Ended.", schemas),
        operation("delete /api/auth/sessions/{id}", SESSIONS, "End one session")
            .with_session()
            .with_parameter("id", &id)
            .answers::<Done>(200, "Ended.", schemas),
    ]
}

fn account(schemas: &mut Schemas) -> Vec<Operation> {
    let id = json!({ "type": "string" });
    vec![
        operation("get /api/auth/me", ACCOUNT, "One's own account").with_session().answers::<User>(
            200,
            "The account.",
            schemas,
        ),
        operation("delete /api/auth/me", ACCOUNT, "Delete the account and everything of it")
            .with_session()
            .takes::<DeleteAccountRequest>(schemas)
            .answers::<Done>(200, "Deleted.", schemas)
            .with_cookies(200)
            .limited(),
        operation("get /api/auth/me/export", ACCOUNT, "Everything that is kept of the account")
            .with_session()
            .answers::<AccountExport>(200, "All of it.", schemas),
        operation("get /api/auth/blocks", ACCOUNT, "Whom one is never matched with")
            .with_session()
            .answers::<Blocks>(200, "Newest first.", schemas),
        operation("delete /api/auth/blocks/{id}", ACCOUNT, "Take back a block")
            .with_session()
            .with_parameter("id", &id)
            .answers::<Done>(200, "Taken back.", schemas),
    ]
}

fn password_and_address(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        operation("post /api/auth/password", ACCOUNT, "Change the password; ends every session")
            .with_session()
            .takes::<ChangePasswordRequest>(schemas)
            .answers::<Session>(200, "Changed; a new session was opened.", schemas)
            .with_cookies(200)
            .limited(),
        operation(
            "post /api/auth/password/forgot",
            ACCOUNT,
            "Have a code for a new password mailed",
        )
        .takes::<ForgotPasswordRequest>(schemas)
        .answers::<Done>(200, "The same whether there is such an account.", schemas)
        .limited(),
        operation("post /api/auth/password/reset", ACCOUNT, "Choose a new password by the code")
            .takes::<ResetPasswordRequest>(schemas)
            .answers::<Done>(200, "Changed; every session was ended.", schemas)
            .limited(),
        operation("post /api/auth/email", ACCOUNT, "Have a code mailed to another address")
            .with_session()
            .takes::<ChangeEmailRequest>(schemas)
            .answers::<Done>(200, "The code is on its way.", schemas)
            .limited(),
        operation("post /api/auth/email/confirm", ACCOUNT, "Change the address by the code")
            .with_session()
            .takes::<ConfirmEmailRequest>(schemas)
            .answers::<User>(200, "The account with its new address.", schemas)
            .limited(),
    ]
}

fn photos(schemas: &mut Schemas) -> Vec<Operation> {
    let jpeg = json!({ "type": "string", "format": "binary" });
    let file = json!({ "type": "string" });
    vec![
        operation("put /api/auth/me/photo", ACCOUNT, "Set the profile photo")
            .with_session()
            .takes_photo(None)
            .answers::<User>(200, "The account with its new photo.", schemas)
            .limited(),
        operation("delete /api/auth/me/photo", ACCOUNT, "Remove the profile photo")
            .with_session()
            .answers::<User>(200, "The account without a photo.", schemas),
        operation("get /photos/{file}", ACCOUNT, "A profile photo, 400 by 400 pixels")
            .with_parameter("file", &file)
            .answers_with(200, "The photo; it never changes.", "image/jpeg", &jpeg)
            .answers_empty(304, "The client has it.")
            .refuses(&[503]),
    ]
}

fn calls(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        operation("get /api/auth/turn-credentials", CALLS, "STUN and TURN servers for a call")
            .with_session()
            .answers::<TurnCredentials>(200, "Good for an hour.", schemas)
            .limited(),
        operation("get /ws", CALLS, "Open the socket (RFC 6455)")
            .with_session()
            .answers_empty(101, "The socket is open.")
            .refuses(&[400])
            .limited(),
    ]
}

fn server(_: &mut Schemas) -> Vec<Operation> {
    let health: Value = json!({
        "type": "object", "required": ["status"],
        "properties": { "status": { "type": "string", "const": "ok" } },
    });
    let text = json!({ "type": "string" });
    let ready = json!({
        "type": "object", "required": ["status", "database", "mail", "matching"],
        "properties": { "status": text, "database": text, "mail": text, "matching": text },
    });
    let document = json!({ "type": "object" });
    vec![
        operation("get /health", SERVER, "Whether the server is up").answers_with(
            200,
            "It is.",
            "application/json",
            &health,
        ),
        operation("get /ready", SERVER, "Whether the server can do its work")
            .answers_with(200, "It can.", "application/json", &ready)
            .answers_with(503, "It cannot, or is about to stop.", "application/json", &ready),
        operation("get /api-docs/openapi.json", SERVER, "This document").answers_with(
            200,
            "OpenAPI 3.1.",
            "application/json",
            &document,
        ),
    ]
}
