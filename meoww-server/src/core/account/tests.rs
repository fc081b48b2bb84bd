//! Fields as people type them.

use super::*;
use proptest::prelude::*;

#[test]
fn fields_are_normalised() {
    assert_eq!(Name::parse("  Ada L. ").expect("a name").0, "Ada L.");
    assert_eq!(Username::parse(" Ada_L.1 ").expect("a username").as_str(), "ada_l.1");
    assert_eq!(Email::parse(" Ada@Example.COM ").expect("an email").as_str(), "ada@example.com");
}

#[test]
fn bad_fields_are_refused() {
    let long = "x".repeat(65);
    assert!(["", "  ", "a\u{7}b", "a\nb", &long].iter().all(|n| Name::parse(n).is_err()));
    let long = "x".repeat(33);
    assert!(["ab", "a b c", "ädä", &long, "a-b-c"].iter().all(|u| Username::parse(u).is_err()));
    let long = format!("{}@example.com", "x".repeat(250));
    let emails = ["", "a", "a@", "@b", "a b@c.d", "a@b\r\nBcc: c@d.e", "a@\u{ad}", &long];
    assert!(emails.iter().all(|e| Email::parse(e).is_err()));
    let long = "x".repeat(129);
    assert!(["1234567", &long].iter().all(|p| Password::parse((*p).to_owned()).is_err()));
}

#[test]
fn times_are_written_as_javascript_does() {
    let at = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_007_900_000);
    assert_eq!(rfc3339_millis(at.expect("in range")), "2023-11-14T22:13:20.007Z");
}

proptest! {
    #[test]
    fn what_parses_once_parses_to_itself(text in ".{0,70}") {
        if let Ok(name) = Name::parse(&text) {
            prop_assert_eq!(Name::parse(&name.0), Ok(name));
        }
        if let Ok(username) = Username::parse(&text) {
            prop_assert_eq!(Username::parse(username.as_str()), Ok(username));
        }
    }

    #[test]
    fn an_address_is_the_same_however_often_it_is_read(
        user in "[a-zA-Z\\PC]{1,8}", domain in "[a-z\u{e0}-\u{17f}]{1,6}\\.[a-z]{2,3}",
    ) {
        if let Ok(email) = Email::parse(&format!("{user}@{domain}")) {
            prop_assert!(email.domain().is_ascii());
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
        }
    }
}

#[test]
fn one_address_has_one_spelling() {
    let spellings = [
        ("A\u{64}a@Example.COM", "ada@example.com"),
        ("\u{ff41}da@example.com", "ada@example.com"),
        ("ada@B\u{fc}cher.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
        ("u\u{308}@example.com", "\u{fc}@example.com"),
    ];
    for (typed, kept) in spellings {
        assert_eq!(Email::parse(typed).expect("an address").as_str(), kept);
    }
}

#[test]
fn addresses_that_no_mail_reaches_are_refused() {
    let user = |length| format!("{}@example.org", "x".repeat(length));
    let label = |length| format!("ada@{}.example", "x".repeat(length));
    let reached =
        "ada@localhost a.d.a@example.org o'neil+news@x-y.example 1@1.2.3.com \u{e4}@x.org";
    for text in reached.split(' ').map(str::to_owned).chain([user(64), label(63)]) {
        assert_eq!(Email::parse(&text).expect(&text).as_str(), text);
    }
    let unreached = "\"ada\"@example.org x@[127.0.0.1] x@[IPv6:::1] x@127.0.0.1 .ada@example.org \
        ada.@example.org a..da@example.org a,b@example.org <a>@b.org ada@example..org \
        ada@example.org. ada@-x.org ada@x-.org ada@my_host.org ada@b@example.org \u{1f408}@x.org";
    let unreached = unreached.split_whitespace().map(str::to_owned);
    for text in unreached.chain([user(65), label(64), "\"a b\"@example.org".into()]) {
        assert!(Email::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn sub_addresses_share_a_mailbox() {
    let mailbox = |text| Email::parse(text).expect("an address").mailbox();
    assert_eq!(mailbox("ada+1@example.com"), mailbox("ada+2+3@example.com"));
    assert_eq!(mailbox("ada@example.com"), mailbox("ada+@example.com"));
    assert_ne!(mailbox("ada@example.com"), mailbox("adb@example.com"));
    assert_ne!(mailbox("ada@example.com"), mailbox("ada@example.org"));
}

#[test]
fn passwords_others_would_try_first_are_refused() {
    let common = ["password", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "iloveyou", "P@ssw0rd"];
    for password in common {
        let refusal = Password::parse(password.into()).err().expect(password).to_string();
        assert!(refusal.starts_with("Password is too easy to guess. "), "{refusal}");
    }
    let known = ["Ada Lovelace", "lovelace1815", "ada@lovelace.example"];
    assert!(Password::parse("lovelace1815".into()).is_ok());
    assert!(Password::parse_for("lovelace1815".into(), &known).is_err());
    for password in ["correct horse", "tr0ub4dor&3 and more", &"x1y2z3 ".repeat(18)] {
        assert!(Password::parse_for(password.into(), &known).is_ok(), "{password}");
    }
}
