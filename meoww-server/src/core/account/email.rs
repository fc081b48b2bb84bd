//! Addresses of mail, as users type them and as they are compared.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::InvalidField;

/// Longest address: that of a path (256 bytes, RFC 5321, section 4.5.3.1.3) without its brackets.
const MAX_ADDRESS: usize = 254;
/// Longest part before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_USER: usize = 64;
/// Longest label of a domain (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// Unique: `Dot-string "@" Domain` of RFC 5321, section 4.1.2, lower-cased and NFKC. Before the `@`,
/// letters and digits of all scripts are allowed (RFC 6531); the domain is as the DNS knows it
/// (IDNA's A-labels). Quoted users and address literals are refused: the mailer cannot send to them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads what a person typed.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        const INVALID: InvalidField = InvalidField::because(
            "Email must be name@example.org, without spaces, quotes or an IP address",
        );
        let email = normalised(text).map(Self).ok_or(INVALID)?;
        // What is compared must not depend on how often it was normalised.
        if email.is_normalised() && is_dot_string(email.user()) && is_domain(email.domain()) {
            Ok(email)
        } else {
            Err(INVALID)
        }
    }

    /// Whether it is the one spelling of itself. Addresses that were stored may be of a form that
    /// [`Self::parse`] refuses: earlier versions accepted more.
    pub fn is_normalised(&self) -> bool {
        self.0.len() <= MAX_ADDRESS && normalised(&self.0).as_ref() == Some(&self.0)
    }

    /// As compared and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn user(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(user, _)| user)
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whose mail it is, for counting: a sub-address (RFC 5233) ends up in the same mailbox.
    pub fn mailbox(&self) -> Mailbox {
        let user = self.user();
        let user = user.split_once('+').map_or(user, |(user, _)| user);
        Mailbox(format!("{user}@{}", self.domain()))
    }
}

/// All addresses whose mail ends up in one place, as far as addresses tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox(String);

/// `None` for what can be no address, at the latest once it is this long.
fn normalised(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > 1024 || text.contains(char::is_control) {
        return None;
    }
    let text: String = text.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    let (user, domain) = text.trim().rsplit_once('@')?;
    Some(format!("{user}@{}", idna::domain_to_ascii(domain).ok()?))
}

/// `Dot-string` of RFC 5321; of what RFC 6531 adds to it, letters and digits.
fn is_dot_string(user: &str) -> bool {
    let is_atext = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atext);
    user.len() <= MAX_USER && user.split('.').all(is_atom)
}

/// `Domain` of RFC 5321. A last label of digits alone would be an IP address: no domain at the top
/// of the DNS is a number (RFC 3696, section 2).
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}
