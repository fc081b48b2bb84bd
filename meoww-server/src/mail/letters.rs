//! What the mails say: one template a purpose, as plain text and as HTML.

use crate::core::{account::Email, otp::Code};

/// A mail to a user.
#[derive(Clone, Copy)]
pub enum Letter<'a> {
    /// Confirms the address of a sign-up.
    Verify(&'a Code),
    /// Lets the reader choose a new password.
    ResetPassword(&'a Code),
    /// Confirms the address an account is to have.
    ChangeEmail(&'a Code),
    /// Tells the old address that it is the account's no more, and which one is.
    EmailChanged(&'a Email),
    /// Shows an operator that mail arrives.
    Test,
}

/// What a [`Letter`] is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// [`Letter::Verify`].
    Verify,
    /// [`Letter::ResetPassword`].
    ResetPassword,
    /// [`Letter::ChangeEmail`].
    ChangeEmail,
    /// [`Letter::EmailChanged`].
    EmailChanged,
    /// [`Letter::Test`].
    Test,
}

/// A letter's words.
pub(super) struct Text {
    pub(super) subject: &'static str,
    pub(super) plain: String,
    pub(super) html: String,
}

impl Letter<'_> {
    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Verify(_) => Purpose::Verify,
            Self::ResetPassword(_) => Purpose::ResetPassword,
            Self::ChangeEmail(_) => Purpose::ChangeEmail,
            Self::EmailChanged(_) => Purpose::EmailChanged,
            Self::Test => Purpose::Test,
        }
    }

    /// The code it carries, if it carries one.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::Verify(code) | Self::ResetPassword(code) | Self::ChangeEmail(code) => Some(code),
            Self::EmailChanged(_) | Self::Test => None,
        }
    }

    pub(super) fn text(&self) -> Text {
        match self {
            Self::Verify(code) => {
                with_code("Your Meoww verification code", "Verify your Meoww account", code, "")
            }
            Self::ResetPassword(code) => with_code(
                "Your Meoww password reset code",
                "Choose a new Meoww password",
                code,
                "If you did not ask for it, ignore this mail: your password stays as it is.",
            ),
            Self::ChangeEmail(code) => with_code(
                "Confirm your new Meoww address",
                "Confirm your new Meoww address",
                code,
                "If you did not ask for it, ignore this mail: nothing changes.",
            ),
            Self::EmailChanged(new) => address_changed(&masked(new)),
            Self::Test => test(),
        }
    }
}

/// The code stands on a line of its own, for people and for programs.
fn with_code(subject: &'static str, heading: &str, code: &Code, more: &str) -> Text {
    let code = code.as_str();
    let (plain_more, html_more) = match more {
        "" => (String::new(), String::new()),
        more => (format!("{more}\n"), format!("\n    {}", small(more))),
    };
    let plain = format!(
        "Your one-time code is:\n\n{code}\n\nThis code expires in 10 minutes. Do not share it.\n\
         {plain_more}"
    );
    let html = page(&format!(
        r#"<h2 style="color: #1B1A55;">{heading}</h2>
    <p>Your one-time code is:</p>
    <h1 style="letter-spacing: 8px; color: #535C91; font-size: 36px;">{code}</h1>
    {}{html_more}"#,
        small("This code expires in 10 minutes. Do not share it."),
    ));
    Text { subject, plain, html }
}

fn address_changed(new: &str) -> Text {
    const MORE: &str = "If it was not you, tell whoever runs your Meoww server.";
    let said = format!("The address of your Meoww account was changed to {new}.");
    Text {
        subject: "Your Meoww address was changed",
        plain: format!("{said}\n\n{MORE}\n"),
        html: page(&format!(
            "<h2 style=\"color: #1B1A55;\">Your Meoww address was changed</h2>\n    \
             <p>{}</p>\n    {}",
            escaped(&said),
            small(MORE)
        )),
    }
}

fn test() -> Text {
    const SAID: &str = "Mail of your Meoww server arrives.";
    Text {
        subject: "A test of your Meoww server",
        plain: format!("{SAID}\n"),
        html: page(&format!("<p>{SAID}</p>")),
    }
}

/// Enough to know one's own address by, too little for whoever reads the old mailbox now.
fn masked(email: &Email) -> String {
    let first: String = email.user().chars().take(1).collect();
    format!("{first}***@{}", email.domain())
}

fn page(body: &str) -> String {
    format!(
        r#"<div style="font-family: sans-serif; max-width: 400px; margin: 0 auto; padding: 32px;">
    {body}
</div>
"#
    )
}

fn small(text: &str) -> String {
    format!(r#"<p style="color: #888; font-size: 13px;">{text}</p>"#)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_sign_up_comes_in_the_page_of_the_node_backend() {
        let code = Code::parse("012345").expect("six digits");
        let text = Letter::Verify(&code).text();
        assert_eq!(text.subject, "Your Meoww verification code");
        let page = r#"<div style="font-family: sans-serif; max-width: 400px; margin: 0 auto; padding: 32px;">
    <h2 style="color: #1B1A55;">Verify your Meoww account</h2>
    <p>Your one-time code is:</p>
    <h1 style="letter-spacing: 8px; color: #535C91; font-size: 36px;">012345</h1>
    <p style="color: #888; font-size: 13px;">This code expires in 10 minutes. Do not share it.</p>
</div>
"#;
        assert_eq!(text.html, page);
    }

    #[test]
    fn a_code_has_a_line_of_its_own_and_every_purpose_its_subject() {
        let code = Code::parse("012345").expect("six digits");
        let letters =
            [Letter::Verify(&code), Letter::ResetPassword(&code), Letter::ChangeEmail(&code)];
        let texts = letters.map(|letter| letter.text());
        for text in &texts {
            assert_eq!(text.plain.lines().filter(|line| *line == "012345").count(), 1);
            assert!(text.html.contains(">012345<"));
        }
        assert!(texts[0].subject != texts[1].subject && texts[1].subject != texts[2].subject);
    }

    #[test]
    fn a_new_address_is_hinted_at_and_cannot_write_html() {
        let new = Email::parse("zelda@example.com").expect("an address");
        let text = Letter::EmailChanged(&new).text();
        assert!(text.plain.contains("z***@example.com") && !text.plain.contains("zelda"));
        assert!(text.html.contains("z***@example.com"));
        assert_eq!(escaped("<&>"), "&lt;&amp;&gt;");
    }
}
