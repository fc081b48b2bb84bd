//! Codes: how they are made, judged and sent again.

use super::*;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

const KEY: [u8; 32] = [7; 32];
const USER: UserId = UserId::from_bytes([1; 12]);
const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const SUBJECT: Subject<'_> = Subject::SignUp(USER);

fn challenge() -> Challenge {
    Challenge::generate(&KEY, SUBJECT, &mut StdRng::seed_from_u64(1), START)
}

fn right(challenge: &Challenge) -> Seal {
    challenge.code(&KEY, SUBJECT).expect("it has a salt").seal(&KEY, SUBJECT)
}

fn wrong(challenge: &Challenge) -> Seal {
    let mut digits = challenge.code(&KEY, SUBJECT).expect("it has a salt").0;
    let last = if digits.pop() == Some('0') { '1' } else { '0' };
    Code(digits + &last.to_string()).seal(&KEY, SUBJECT)
}

#[test]
fn a_code_is_six_digits() {
    let derive = |n: u8| Code::derive(&KEY, SUBJECT, Salt([n; 16]));
    assert!((0..=255).all(|n| Code::parse(derive(n).as_str()).is_some()));
    assert!(["", "12345", "1234567", "12345a", "one"].iter().all(|c| Code::parse(c).is_none()));
    for typed in
        [" 012345\n", "012 345", "012-345", "0 1 2 3 4 5", "٠١٢٣٤٥", "０１２３４５", "०१२३४५"]
    {
        assert_eq!(Code::parse(typed).expect("six digits").as_str(), "012345", "{typed}");
    }
}

/// Computed with Python's `hmac` module.
#[test]
fn a_code_is_the_hmac_of_its_subject_and_salt() {
    assert_eq!(Code::derive(&KEY, SUBJECT, Salt([2; 16])).as_str(), "606461");
}

#[test]
fn a_seal_depends_on_the_subject_and_the_key() {
    let code = Code::parse("123456").expect("six digits");
    let email = Email::parse("ada@example.com").expect("an address");
    let seals = [
        code.seal(&KEY, SUBJECT).0,
        code.seal(&[8; 32], SUBJECT).0,
        code.seal(&KEY, Subject::SignUp(UserId::from_bytes([2; 12]))).0,
        code.seal(&KEY, Subject::ChangeEmail(USER)).0,
        code.seal(&KEY, Subject::Reset(&email)).0,
    ];
    assert_eq!(seals.iter().collect::<std::collections::HashSet<_>>().len(), seals.len());
}

#[test]
fn strangers_cannot_spoil_a_code_for_its_owner() {
    let mut challenge = challenge();
    let (right, wrong) = (right(&challenge), wrong(&challenge));
    for _ in 0..MAX_TRIES_OF_ANYONE {
        assert_eq!(challenge.attempt(&wrong, Presenter::Anyone, START), Verdict::Wrong);
    }
    let mut strange = challenge.clone();
    assert_eq!(strange.attempt(&right, Presenter::Anyone, START), Verdict::Exhausted);
    assert_eq!(challenge.attempt(&right, Presenter::Owner, START), Verdict::Accepted);
}

#[test]
fn a_code_that_is_asked_for_again_stays_while_it_has_tries_left() {
    let mut waiting = challenge();
    let (right, wrong) = (right(&waiting), wrong(&waiting));
    for _ in 0..MAX_TRIES {
        let later = START + LIFETIME - Duration::seconds(1);
        let again = waiting.clone().renewed(Presenter::Owner, later).expect("tries are left");
        let mut late = again.clone();
        let late = late.attempt(&right, Presenter::Owner, later + LIFETIME - Duration::seconds(1));
        assert_eq!(late, Verdict::Accepted, "the same code, for another ten minutes");
        waiting.attempt(&wrong, Presenter::Owner, START);
    }
    assert!(waiting.clone().renewed(Presenter::Owner, START).is_none(), "it is spoilt");
    assert!(waiting.clone().renewed(Presenter::Anyone, START).is_some(), "not for others");
    assert!(waiting.renewed(Presenter::Anyone, START + LIFETIME).is_none(), "it ran out");
}

#[test]
fn a_record_of_an_earlier_version_is_judged_and_not_sent_again() {
    let old = serde_json::to_value(challenge()).expect("JSON");
    let fields = ["seal", "expires_at", "wrong_tries"];
    let old: serde_json::Map<_, _> =
        fields.map(|name| (name.to_owned(), old[name].clone())).into_iter().collect();
    let mut read: Challenge = serde_json::from_value(old.into()).expect("readable");
    assert!(read.code(&KEY, SUBJECT).is_none());
    assert!(read.clone().renewed(Presenter::Owner, START).is_none());
    assert_eq!(read.attempt(&right(&challenge()), Presenter::Owner, START), Verdict::Accepted);
}

proptest! {
    #[test]
    fn accepted_only_if_right_in_time_and_in_few_tries(
        tries in 0u8..13, seconds in 0i64..1200, is_right: bool, is_owner: bool,
    ) {
        let (presenter, most) = if is_owner {
            (Presenter::Owner, MAX_TRIES)
        } else {
            (Presenter::Anyone, MAX_TRIES_OF_ANYONE)
        };
        let mut challenge = challenge();
        let (right, wrong) = (right(&challenge), wrong(&challenge));
        for _ in 0..tries {
            challenge.attempt(&wrong, presenter, START);
        }
        let candidate = if is_right { right } else { wrong };
        let verdict = challenge.attempt(&candidate, presenter, START + Duration::seconds(seconds));
        let expected = match (seconds < 600, tries < most, is_right) {
            (false, _, _) => Verdict::Expired,
            (true, false, _) => Verdict::Exhausted,
            (true, true, false) => Verdict::Wrong,
            (true, true, true) => Verdict::Accepted,
        };
        prop_assert_eq!(verdict, expected);
    }
}
