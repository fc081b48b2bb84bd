//! What people type about themselves: refused, or the same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::{
    core::account::{Email, Name, Password, Username},
    fuzzing::recipient,
};

fuzz_target!(|text: &str| {
    if let Ok(name) = Name::parse(text) {
        let json = serde_json::to_string(&name).expect("JSON");
        let kept: String = serde_json::from_str(&json).expect("text");
        assert_eq!(Name::parse(&kept), Ok(name));
        assert!(!kept.contains(char::is_control) && kept.chars().count() <= 64);
    }
    if let Ok(username) = Username::parse(text) {
        assert_eq!(Username::parse(username.as_str()), Ok(username.clone()));
        assert!(!username.as_str().contains('@'), "it could be taken for an address");
    }
    if let Ok(email) = Email::parse(text) {
        assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
        assert!(email.as_str().len() <= 254 && !email.as_str().contains(['\r', '\n']));
        assert_eq!(recipient(&email).as_deref(), Some(email.as_str()), "no mail reaches it");
    }
    // Past a thousand characters it is refused before it is looked at.
    if text.len() < 200 {
        let _ = Password::parse(text.to_owned());
    }
});
