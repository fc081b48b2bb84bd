use meoww_proto::RoomId;
use proptest::prelude::*;

use super::*;

const ALICE: &str = "sha-256 AA:11";
const BOB: &str = "sha-256 BB:22";
/// The certificate of the man in the middle, the same on both legs, which is the best for it.
const MIDDLE: &str = "sha-256 CC:33";

fn room() -> RoomId {
    "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().expect("a room")
}

fn side(role: Role, own: &str, partner: &str, nonce: u8) -> (SafetyWords, Said) {
    let fingerprints = Fingerprints { own: own.to_owned(), partner: partner.to_owned() };
    SafetyWords::start(role, room(), fingerprints, [nonce; 32])
}

/// Has two ends talk to each other, in the order that `turns` says; returns what each came to.
fn talk(
    (mut a, first_a): (SafetyWords, Said),
    (mut b, first_b): (SafetyWords, Said),
    turns: &[bool],
) -> [Option<Outcome>; 2] {
    let (mut to_a, mut to_b) = (vec![first_b], vec![first_a]);
    let mut ends = [None, None];
    for turn in turns.iter().copied().chain([true, false].into_iter().cycle()).take(40) {
        let (side, inbox, outbox, end) = match turn {
            true => (&mut a, &mut to_a, &mut to_b, &mut ends[0]),
            false => (&mut b, &mut to_b, &mut to_a, &mut ends[1]),
        };
        if inbox.is_empty() {
            continue;
        }
        match side.handle(inbox.remove(0)) {
            Some(Outcome::Say(said)) => outbox.push(said),
            Some(outcome) => *end = Some(outcome),
            None => {}
        }
    }
    ends
}

fn words(outcome: Option<Outcome>) -> [&'static str; SAFETY_WORDS] {
    match outcome {
        Some(Outcome::Words(words)) => words,
        outcome => panic!("{outcome:?} is no words"),
    }
}

#[test]
fn the_words_are_those_of_the_published_list() {
    // Computed once more with Python's hashlib and the list of BIP 39, by the text above.
    let [a, b] =
        talk(side(Role::Initiator, ALICE, BOB, 1), side(Role::Responder, BOB, ALICE, 2), &[]);
    assert_eq!(words(a), EXPECTED);
    assert_eq!(words(b), EXPECTED);
}

const EXPECTED: [&str; SAFETY_WORDS] = ["armor", "drastic", "blur", "broken"];

#[test]
fn messages_have_the_documented_form() {
    let zeros = "00".repeat(31);
    let commit = Said::Commit(Bytes32(std::array::from_fn(|n| if n == 31 { 0xaf } else { 0 })));
    let json = serde_json::to_string(&commit).expect("JSON");
    assert_eq!(json, format!(r#"{{"step":"commit","value":"{zeros}af"}}"#));
    for bad in [format!("{zeros}AF"), zeros.clone(), format!("{zeros}zz"), format!("{zeros}é")] {
        let json = format!(r#"{{"step":"reveal","value":"{bad}"}}"#);
        assert!(serde_json::from_str::<Said>(&json).is_err(), "{bad}");
    }
}

#[test]
fn a_commitment_that_comes_back_fits_nothing() {
    let (mut alice, commit) = side(Role::Initiator, ALICE, ALICE, 1);
    let Some(Outcome::Say(reveal)) = alice.handle(commit) else { panic!("no number") };
    assert_eq!(alice.handle(reveal), Some(Outcome::Broken));
}

#[test]
fn a_number_before_the_commitment_is_refused() {
    let (mut alice, _) = side(Role::Initiator, ALICE, BOB, 1);
    assert_eq!(alice.handle(Said::Reveal(Bytes32([7; 32]))), Some(Outcome::Broken));
    assert_eq!(alice.handle(Said::Commit(Bytes32([7; 32]))), None);
}

#[test]
fn passing_on_what_the_ends_say_yields_no_words() {
    // In the middle, with the ends' own messages: their commitments name other certificates.
    let alice = side(Role::Initiator, ALICE, MIDDLE, 1);
    let bob = side(Role::Responder, BOB, MIDDLE, 2);
    assert_eq!(talk(alice, bob, &[]), [Some(Outcome::Broken); 2]);
}

proptest! {
    #[test]
    fn two_ends_get_equal_words_in_any_order(
        turns: Vec<bool>, a: [u8; 32], b: [u8; 32], cert_a in "[0-9A-F:]{0,95}", cert_b in "[0-9A-F:]{0,95}",
    ) {
        let fingerprints = |own: &str, partner: &str| Fingerprints {
            own: format!("sha-256 {own}"),
            // One side's library may write small letters.
            partner: format!("sha-256 {}", partner.to_lowercase()),
        };
        let alice = SafetyWords::start(Role::Initiator, room(), fingerprints(&cert_a, &cert_b), a);
        let bob = SafetyWords::start(Role::Responder, room(), fingerprints(&cert_b, &cert_a), b);
        let [alice, bob] = talk(alice, bob, &turns);
        prop_assert_eq!(words(alice), words(bob));
    }

    /// Two calls, both ended in the middle; a chance of one in 2^44 is none here.
    #[test]
    fn with_somebody_in_the_middle_words_differ(
        a: [u8; 32], b: [u8; 32], m: [u8; 32], n: [u8; 32], turns: Vec<bool>,
    ) {
        let start = |role, own: &str, partner: &str, nonce| {
            let fingerprints = Fingerprints { own: own.to_owned(), partner: partner.to_owned() };
            SafetyWords::start(role, room(), fingerprints, nonce)
        };
        let alice = start(Role::Initiator, ALICE, MIDDLE, a);
        let bob = start(Role::Responder, BOB, MIDDLE, b);
        let [alice, _] = talk(alice, start(Role::Responder, MIDDLE, ALICE, m), &turns);
        let [_, bob] = talk(start(Role::Initiator, MIDDLE, BOB, n), bob, &turns);
        prop_assert_ne!(words(alice), words(bob));
    }

    /// Whatever a partner says, in whatever order: no words without a commitment that its number fits.
    #[test]
    fn noise_yields_no_words(said in prop::collection::vec((any::<bool>(), any::<[u8; 32]>()), 0..6)) {
        let (mut alice, _) = side(Role::Initiator, ALICE, BOB, 1);
        for (commits, bytes) in said {
            let said = if commits { Said::Commit(Bytes32(bytes)) } else { Said::Reveal(Bytes32(bytes)) };
            prop_assert!(!matches!(alice.handle(said), Some(Outcome::Words(_))));
        }
    }
}
