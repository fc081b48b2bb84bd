//! What tests of several parts share.

use std::path::Path;

use meoww_proto::{UserId, account::User};
use tokio::net::TcpListener;

use crate::{
    api::Api,
    config::Servers,
    session::{Kept, Login, SessionFile},
};

/// Returns the API of a server that a test plays, for somebody who is logged in there as the file of
/// sessions in `folder` says.
pub(crate) fn logged_in(server: &TcpListener, folder: &Path) -> Api {
    let address = format!("http://{}", server.local_addr().expect("an address"));
    let address: Servers = address.parse().expect("a server");
    let sessions = SessionFile::new(folder.join("sessions.json"));
    let user = User {
        id: UserId::from_bytes([7; 12]),
        name: "Anna".into(),
        username: "anna".into(),
        email: "anna@example.org".into(),
        profile_image: String::new(),
        is_verified: true,
        created_at: "2026-01-01T00:00:00.000Z".into(),
    };
    let login = Login { user, access_token: "old".into(), refresh_token: "first".into() };
    let kept = Kept { login: Some(login), ..Kept::default() };
    sessions.lock().expect("locked").store(&address, kept).expect("stored");
    Api::new(address, sessions).expect("an API")
}
