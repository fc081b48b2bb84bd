//! Two negotiations with a link between them that loses messages, each on an engine that does what
//! the `rtc` crate does with descriptions.

use std::collections::VecDeque;

use super::*;

/// One side. Generations are numbers; own candidates have the number as their port.
struct Side {
    negotiation: Negotiation,
    name: &'static str,
    made: u16,
    /// Generations that ICE is in, this side's and the partner's.
    local: Option<u16>,
    remote: Option<u16>,
    /// The one that an offer has, and that was not taken yet.
    staged: Option<u16>,
    /// On the way to the partner.
    sent: VecDeque<PeerEvent>,
    failed: bool,
}

fn number(sdp: &str) -> u16 {
    crate::peer::sdp::ufrag(sdp).unwrap()[1..].parse().unwrap()
}

impl Side {
    fn new(is_initiator: bool) -> Self {
        Self {
            negotiation: Negotiation::new(is_initiator, Reach::Network),
            name: if is_initiator { "a" } else { "b" },
            made: 2000,
            local: None,
            remote: None,
            staged: None,
            sent: VecDeque::new(),
            failed: false,
        }
    }

    fn next(&mut self) -> u16 {
        self.made += 1;
        self.made
    }

    fn description(&self, kind: &str, generation: u16) -> Input {
        local(kind, &of(&format!("{}{generation}", self.name)))
    }

    fn handle(&mut self, input: Input) {
        let mut effects = VecDeque::from(self.negotiation.handle(input));
        while let Some(effect) = effects.pop_front() {
            effects.extend(self.carry_out(effect));
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Effect> {
        match effect {
            Effect::MakeOffer => {
                let generation = self.next();
                self.local = Some(generation);
                let offer = self.description("offer", generation);
                self.taken(offer)
            }
            Effect::MakeRestart => {
                let generation = self.next();
                self.staged = Some(generation);
                let offer = self.description("offer", generation);
                self.negotiation.handle(offer)
            }
            Effect::MakeAnswer => {
                let answer = self.description("answer", self.local.unwrap());
                self.taken(answer)
            }
            Effect::ApplyOwn(offer) => {
                assert_eq!(self.staged.take(), Some(number(&offer.sdp)), "what is not staged");
                (self.local, self.remote) = (Some(number(&offer.sdp)), None);
                self.candidate()
            }
            Effect::Apply(description) => {
                let remote = Some(number(&description.sdp));
                if description.sdp_type == RTCSdpType::Offer && self.remote != remote {
                    (self.local, self.staged) = (Some(self.next()), None);
                }
                self.remote = remote;
                Vec::new()
            }
            Effect::Add(init) => {
                let port = init.candidate.split(' ').nth(5).unwrap();
                assert_eq!(Some(port.parse().unwrap()), self.remote, "of another generation");
                Vec::new()
            }
            Effect::Tell(event) => {
                self.sent.push_back(event);
                Vec::new()
            }
            Effect::Agreed(_) | Effect::Restarted => Vec::new(),
            Effect::Fail(_) => {
                self.failed = true;
                Vec::new()
            }
        }
    }

    fn taken(&mut self, description: Input) -> Vec<Effect> {
        let mut effects = self.negotiation.handle(description);
        effects.extend(self.candidate());
        effects
    }

    /// Found after a description is taken.
    fn candidate(&mut self) -> Vec<Effect> {
        let port = self.local.unwrap();
        let candidate = format!("candidate:1 1 udp 2 192.0.2.1 {port} typ host");
        let init = RTCIceCandidateInit { candidate, ..Default::default() };
        self.negotiation.handle(Input::LocalCandidate(init))
    }

    fn receive(&mut self, event: PeerEvent) {
        self.handle(match event {
            PeerEvent::LocalOffer(json) => Input::Offer(json),
            PeerEvent::LocalAnswer(json) => Input::Answer(json),
            PeerEvent::LocalCandidate(json) => Input::Candidate(json),
            other => panic!("{other:?}"),
        });
    }
}

/// Passes one message on, if there is one.
fn pass(from: &mut Side, to: &mut Side) -> bool {
    let event = from.sent.pop_front();
    let passed = event.is_some();
    event.into_iter().for_each(|event| to.receive(event));
    passed
}

fn is_connected(a: &Side, b: &Side) -> bool {
    a.local.is_some() && a.local == b.remote && b.local.is_some() && b.local == a.remote
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(bool),
    Restart(bool),
    Late(bool),
    /// All that is on the way is lost.
    LinkLost,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<bool>().prop_map(Step::Pass),
        2 => any::<bool>().prop_map(Step::Restart),
        2 => any::<bool>().prop_map(Step::Late),
        1 => Just(Step::LinkLost),
    ]
}

fn settle(a: &mut Side, b: &mut Side) {
    while pass(a, b) || pass(b, a) {}
}

proptest! {
    /// Whatever was lost and whoever restarted when: once messages pass, both are in the same
    /// generation, at once or after the restarts that follow where no path is found; or the first
    /// exchange never came to its end, and the connection is closed.
    #[test]
    fn both_end_in_the_same_generation(steps in prop::collection::vec(step(), 0..60)) {
        let (mut a, mut b) = (Side::new(true), Side::new(false));
        a.handle(Input::Start);
        let mut lost = false;
        for step in steps {
            match step {
                Step::Pass(true) => _ = pass(&mut a, &mut b),
                Step::Pass(false) => _ = pass(&mut b, &mut a),
                Step::Restart(true) => a.handle(Input::Restart),
                Step::Restart(false) => b.handle(Input::Restart),
                Step::Late(true) => a.handle(Input::Late),
                Step::Late(false) => b.handle(Input::Late),
                Step::LinkLost => {
                    lost |= !(a.sent.is_empty() && b.sent.is_empty());
                    a.sent.clear();
                    b.sent.clear();
                }
            }
        }
        settle(&mut a, &mut b);
        for _ in 0..2 {
            a.handle(Input::Late);
            b.handle(Input::Late);
            settle(&mut a, &mut b);
            if is_connected(&a, &b) {
                break;
            }
            a.handle(Input::Restart);
            b.handle(Input::Restart);
            settle(&mut a, &mut b);
        }
        let never_began = a.remote.is_none() || b.remote.is_none();
        prop_assert!(!a.failed && !b.failed);
        prop_assert!(
            is_connected(&a, &b) || (never_began && lost),
            "{:?} {:?}, {:?} {:?}", a.local, b.remote, b.local, a.remote
        );
    }
}
