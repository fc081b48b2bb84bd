//! Whether both sides want a direct path, which shows each the address of the other. A pure value.
//!
//! Each says its own wish on the data channel, so the second to agree knows both at once and is
//! ready for what follows, and the first learns it last and restarts ICE. A wish stays for the call: one
//! that could be taken back might cross the agreement to it.

use crate::core::event::{GoDirect, Way};

/// An action to take, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Says this side's wish to the partner.
    Say,
    /// Uses and names direct addresses from the next generation of ICE on.
    Allow,
    /// Begins that generation, if media is relayed.
    Restart,
    Tell(GoDirect),
}

#[derive(Debug)]
pub(super) struct Direct {
    way: Way,
    ours: bool,
    theirs: bool,
}

impl Direct {
    pub(super) fn new(way: Way) -> Self {
        Self { way, ours: way == Way::Direct, theirs: false }
    }

    /// The data channel is open.
    pub(super) fn opened(&self) -> Option<Effect> {
        self.ours.then_some(Effect::Say)
    }

    /// The user wants it.
    pub(super) fn asked(&mut self) -> Vec<Effect> {
        let known = std::mem::replace(&mut self.ours, self.way != Way::RelayOnly);
        match (self.way, known, self.theirs) {
            (Way::RelayOnly, _, _) => vec![Effect::Tell(GoDirect::Refused)],
            (Way::Direct, _, _) | (Way::RelayFirst, true, true) => {
                vec![Effect::Tell(GoDirect::Agreed)]
            }
            (Way::RelayFirst, false, true) => {
                vec![Effect::Allow, Effect::Say, Effect::Tell(GoDirect::Agreed)]
            }
            (Way::RelayFirst, true, false) => vec![Effect::Tell(GoDirect::Asking)],
            (Way::RelayFirst, false, false) => {
                vec![Effect::Say, Effect::Tell(GoDirect::Asking)]
            }
        }
    }

    /// The partner wants it.
    pub(super) fn heard(&mut self) -> Vec<Effect> {
        let known = std::mem::replace(&mut self.theirs, true);
        match (known, self.way, self.ours) {
            (true, _, _) | (_, Way::RelayOnly, _) => Vec::new(),
            // Nothing new to who wanted it from the start; a path that changes is told when it does.
            (_, Way::Direct, _) => vec![Effect::Allow, Effect::Restart],
            (_, _, true) => vec![Effect::Allow, Effect::Restart, Effect::Tell(GoDirect::Agreed)],
            (_, _, false) => vec![Effect::Tell(GoDirect::Asked)],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAYS: [Way; 3] = [Way::RelayOnly, Way::RelayFirst, Way::Direct];

    /// One side, and how much it said that is still on the way.
    struct Side {
        direct: Direct,
        said: usize,
        allowed: bool,
        restarted: bool,
        wanted: bool,
    }

    impl Side {
        fn new(way: Way) -> Self {
            let direct = Direct::new(way);
            let said = usize::from(direct.opened().is_some());
            Self { direct, said, allowed: false, restarted: false, wanted: way == Way::Direct }
        }

        fn carry_out(&mut self, effects: Vec<Effect>) {
            for effect in effects {
                match effect {
                    Effect::Say => self.said += 1,
                    Effect::Allow => self.allowed = true,
                    Effect::Restart => {
                        assert!(self.allowed, "before direct addresses may be named");
                        self.restarted = true;
                    }
                    Effect::Tell(_) => {}
                }
            }
        }
    }

    #[test]
    fn the_first_to_ask_learns_last_and_restarts() {
        let [mut first, mut second] = [(); 2].map(|()| Direct::new(Way::RelayFirst));
        assert_eq!(first.asked(), [Effect::Say, Effect::Tell(GoDirect::Asking)]);
        assert_eq!(second.heard(), [Effect::Tell(GoDirect::Asked)]);
        let agreed = Effect::Tell(GoDirect::Agreed);
        assert_eq!(second.asked(), [Effect::Allow, Effect::Say, agreed]);
        assert_eq!(first.heard(), [Effect::Allow, Effect::Restart, agreed]);
        assert!(second.heard().is_empty(), "known already");
    }

    #[test]
    fn where_it_is_the_way_from_the_start_there_is_no_news() {
        let mut side = Direct::new(Way::Direct);
        assert_eq!(side.opened(), Some(Effect::Say));
        assert_eq!(side.heard(), [Effect::Allow, Effect::Restart]);
    }

    proptest! {
        /// In whatever order keys are pressed and messages come: nobody's address is named before
        /// both wanted that, and when both do, both are ready and one has restarted.
        #[test]
        fn it_takes_both(
            ways in prop::array::uniform2(prop::sample::select(&WAYS[..])),
            steps in prop::collection::vec((any::<bool>(), any::<bool>()), 0..40),
        ) {
            let [mut a, mut b] = ways.map(Side::new);
            let drain = (0..40).map(|n| (n % 2 == 0, true));
            for (of_a, is_message) in steps.into_iter().chain(drain) {
                let (side, other) = if of_a { (&mut a, &mut b) } else { (&mut b, &mut a) };
                let effects = match is_message {
                    true if other.said == 0 => continue,
                    true => {
                        other.said -= 1;
                        side.direct.heard()
                    }
                    false => {
                        side.wanted |= side.direct.way != Way::RelayOnly;
                        side.direct.asked()
                    }
                };
                side.carry_out(effects);
                prop_assert!(!a.allowed && !b.allowed || a.wanted && b.wanted);
            }
            if a.wanted && b.wanted && ways != [Way::Direct; 2] {
                prop_assert!(a.restarted || b.restarted);
                prop_assert!([&a, &b].iter().all(|side| side.allowed || side.direct.way == Way::Direct));
            }
        }
    }
}
