//! One-time codes that prove an address: six digits, ten minutes, single use, five tries.

use meoww_proto::UserId;
use rand::{CryptoRng, RngExt};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use super::account::Email;

/// How long a code is good for.
pub const LIFETIME: Duration = Duration::minutes(10);
/// Wrong codes after which even the right one is refused.
pub const MAX_TRIES: u8 = 5;

/// The zeros of the scripts that have decimal digits (Unicode 17, category Nd, the basic plane); the
/// nine others follow each.
const ZEROS: [u32; 37] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

/// The digit that `c` is, as ASCII has it.
fn digit(c: char) -> Option<char> {
    ZEROS.iter().find_map(|zero| char::from_digit(u32::from(c).checked_sub(*zero)?, 10))
}

/// Six decimal digits.
pub struct Code(String);

impl Code {
    /// Draws one, uniformly.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        Self(format!("{:06}", rng.random_range(0..1_000_000)))
    }

    /// Parses typed text. Only digits count, of any script; returns `None` unless there are six.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter_map(digit).collect();
        (digits.len() == 6).then_some(Self(digits))
    }

    /// For the mail that carries it, and for nothing else.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it. A plain hash of six digits is undone by a million guesses, so it is
    /// keyed (HMAC-SHA256, RFC 2104); the subject keeps equal codes of two users, or of one for
    /// two purposes, apart.
    pub fn seal(&self, key: &[u8; 32], subject: Subject<'_>) -> Seal {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(subject.label());
        match subject {
            Subject::SignUp(user) | Subject::ChangeEmail(user) => mac.update(user.as_bytes()),
            Subject::Reset(email) => mac.update(email.as_str().as_bytes()),
        }
        // The code comes last and has one length, so no two inputs read the same.
        mac.update(self.0.as_bytes());
        Seal(mac.sign().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// Whose code it is, and what for.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// Confirms the address an account was signed up with.
    SignUp(UserId),
    /// Lets whoever reads this address's mail choose a new password.
    Reset(&'a Email),
    /// Confirms the address an account is to have.
    ChangeEmail(UserId),
}

impl Subject<'_> {
    fn label(self) -> &'static [u8] {
        match self {
            Self::SignUp(_) => b"sign-up",
            Self::Reset(_) => b"reset",
            Self::ChangeEmail(_) => b"change-email",
        }
    }
}

/// A code under the server's key.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seal([u8; 32]);

/// A code that was sent and waits to come back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Challenge {
    seal: Seal,
    #[serde(with = "time::serde::timestamp::milliseconds")]
    expires_at: OffsetDateTime,
    wrong_tries: u8,
}

/// What a try at a [`Challenge`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the code; the challenge is spent.
    Accepted,
    /// It is not the code; the try was counted.
    Wrong,
    /// Too many wrong codes came before, so this one was not looked at.
    Exhausted,
    /// The ten minutes are over.
    Expired,
}

impl Challenge {
    /// For a code sent at `now`.
    pub fn issue(seal: Seal, now: OffsetDateTime) -> Self {
        Self { seal, expires_at: now + LIFETIME, wrong_tries: 0 }
    }

    /// Whether the ten minutes are over.
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        now >= self.expires_at
    }

    /// Judges a candidate and counts it if it is wrong. The caller stores the counted challenge,
    /// or removes the accepted one, in the same transaction it was read in.
    pub fn attempt(&mut self, candidate: &Seal, now: OffsetDateTime) -> Verdict {
        if self.is_expired(now) {
            Verdict::Expired
        } else if self.wrong_tries >= MAX_TRIES {
            Verdict::Exhausted
        } else if bool::from(self.seal.0.ct_eq(&candidate.0)) {
            Verdict::Accepted
        } else {
            self.wrong_tries += 1;
            Verdict::Wrong
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    const KEY: [u8; 32] = [7; 32];
    const USER: UserId = UserId::from_bytes([1; 12]);
    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn seal(code: &str) -> Seal {
        Code::parse(code).expect("six digits").seal(&KEY, Subject::SignUp(USER))
    }

    #[test]
    fn a_code_is_six_digits() {
        let mut rng = StdRng::seed_from_u64(1);
        assert!((0..1000).all(|_| Code::parse(Code::draw(&mut rng).as_str()).is_some()));
        assert!(["", "12345", "1234567", "12345a", "one"].iter().all(|c| Code::parse(c).is_none()));
        for typed in
            [" 012345\n", "012 345", "012-345", "0 1 2 3 4 5", "٠١٢٣٤٥", "０１２３４５", "०१२३४५"]
        {
            assert_eq!(Code::parse(typed).expect("six digits").as_str(), "012345", "{typed}");
        }
    }

    #[test]
    fn a_seal_depends_on_the_subject_and_the_key() {
        let code = Code::parse("123456").expect("six digits");
        let email = Email::parse("ada@example.com").expect("an address");
        let seals = [
            code.seal(&KEY, Subject::SignUp(USER)).0,
            code.seal(&[8; 32], Subject::SignUp(USER)).0,
            code.seal(&KEY, Subject::SignUp(UserId::from_bytes([2; 12]))).0,
            code.seal(&KEY, Subject::ChangeEmail(USER)).0,
            code.seal(&KEY, Subject::Reset(&email)).0,
        ];
        assert_eq!(seals.iter().collect::<std::collections::HashSet<_>>().len(), seals.len());
    }

    #[test]
    fn five_wrong_codes_spend_the_challenge() {
        let mut challenge = Challenge::issue(seal("123456"), START);
        for _ in 0..MAX_TRIES {
            assert_eq!(challenge.attempt(&seal("000000"), START), Verdict::Wrong);
        }
        assert_eq!(challenge.attempt(&seal("123456"), START), Verdict::Exhausted);
    }

    proptest! {
        #[test]
        fn accepted_only_if_right_in_time_and_in_five_tries(
            wrong in 0u8..8, seconds in 0i64..1200, right: bool,
        ) {
            let mut challenge = Challenge::issue(seal("123456"), START);
            for _ in 0..wrong {
                challenge.attempt(&seal("654321"), START);
            }
            let candidate = seal(if right { "123456" } else { "123457" });
            let verdict = challenge.attempt(&candidate, START + Duration::seconds(seconds));
            let expected = match (seconds < 600, wrong < MAX_TRIES, right) {
                (false, _, _) => Verdict::Expired,
                (true, false, _) => Verdict::Exhausted,
                (true, true, false) => Verdict::Wrong,
                (true, true, true) => Verdict::Accepted,
            };
            prop_assert_eq!(verdict, expected);
        }
    }
}
