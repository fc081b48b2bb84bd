//! Which device to open next, and what to tell the user. Decides only; the time is an argument.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::{DeviceError, Kind};

/// Until a device is tried again after none opened.
const AGAIN: Duration = Duration::from_secs(3);
/// After a device has worked for so long, notices on it are repeated.
const GOOD: Duration = Duration::from_secs(10);

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Open the device of that name, or the default one.
    Open(Option<String>),
    /// Try again then.
    Wait(Instant),
    /// There is no use in trying.
    Stop,
}

/// The choice of one microphone or speaker: the one that was asked for, else the default one, else none
/// until one can be opened.
pub(super) struct Plan {
    kind: Kind,
    chosen: Option<String>,
    is_trying_default: bool,
    /// Why the device before is not used.
    reason: Option<DeviceError>,
    /// Why there is none at all.
    without: Option<DeviceError>,
    opened: Option<Instant>,
    said: HashSet<String>,
}

impl Plan {
    pub(super) fn new(kind: Kind, chosen: Option<String>) -> Self {
        Self {
            kind,
            is_trying_default: chosen.is_none(),
            chosen,
            reason: None,
            without: None,
            opened: None,
            said: HashSet::new(),
        }
    }

    /// Whether there is none, as far as is known.
    pub(super) fn is_without(&self) -> bool {
        self.without.is_some()
    }

    /// Whether there is none because there is no sound system.
    pub(super) fn is_without_system(&self) -> bool {
        matches!(self.without, Some(DeviceError::NoSystem { .. } | DeviceError::Unsupported))
    }

    /// The device to begin with, also after a wait.
    pub(super) fn begin(&mut self) -> Option<String> {
        self.is_trying_default = self.chosen.is_none();
        self.chosen.clone()
    }

    /// The device of that name is open.
    pub(super) fn opened(&mut self, name: &str, now: Instant) -> Option<String> {
        self.opened = Some(now);
        let was_without = self.without.take().is_some();
        let kind = self.kind;
        match self.reason.take() {
            Some(reason) if self.is_trying_default => {
                self.say(format!("{reason} It goes on with the {kind} {name}."))
            }
            _ if was_without => self.say(format!("The {kind} {name} is in use now.")),
            _ => None,
        }
    }

    /// It did not open, or was open and does not work any more.
    pub(super) fn failed(&mut self, error: DeviceError, now: Instant) -> (Next, Option<String>) {
        let worked = self.opened.take().is_some_and(|opened| now - opened >= GOOD);
        if worked {
            self.said.clear();
        }
        if error == DeviceError::Unsupported {
            let notice = self.say(format!("{error} The call goes on without."));
            self.without = Some(error);
            return (Next::Stop, notice);
        }
        let is_another_left = !self.is_trying_default || worked;
        // The user has to know the first reason.
        let reason = self.reason.take().unwrap_or(error);
        if is_another_left {
            self.reason = Some(reason);
            self.is_trying_default = true;
            return (Next::Open(None), None);
        }
        let notice = self.say(self.notice(&reason));
        self.without = Some(reason);
        (Next::Wait(now + AGAIN), notice)
    }

    fn notice(&self, reason: &DeviceError) -> String {
        match (reason, self.kind) {
            // The same for both, so that it is said once.
            (DeviceError::NoSystem { .. }, _) => {
                format!("{reason} The call goes on without sound.")
            }
            (_, Kind::Microphone) => format!("{reason} Your partner does not hear you."),
            (_, Kind::Speaker) => format!("{reason} You do not hear your partner."),
        }
    }

    /// Nothing is said over and over while a device comes and goes.
    fn say(&mut self, text: String) -> Option<String> {
        self.said.insert(text.clone()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIC: Kind = Kind::Microphone;

    fn gone(name: &str) -> DeviceError {
        DeviceError::Gone { kind: MIC, name: name.to_owned() }
    }

    fn at(seconds: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(crate::clock::now) + Duration::from_secs(seconds)
    }

    #[test]
    fn unplugging_goes_on_with_the_default_and_says_so() {
        let mut plan = Plan::new(MIC, Some("usb".into()));
        assert_eq!(plan.begin(), Some("usb".into()));
        assert_eq!(plan.opened("usb", at(0)), None);
        assert_eq!(plan.failed(gone("usb"), at(60)), (Next::Open(None), None));
        assert_eq!(
            plan.opened("built-in", at(60)).unwrap(),
            "The microphone usb is gone. It goes on with the microphone built-in."
        );
        // The default one goes as well, and there is another default.
        assert_eq!(plan.failed(gone("built-in"), at(90)), (Next::Open(None), None));
        assert_eq!(
            plan.opened("dock", at(90)).unwrap(),
            "The microphone built-in is gone. It goes on with the microphone dock."
        );
    }

    #[test]
    fn without_any_it_is_tried_again_and_said_once() {
        let mut plan = Plan::new(MIC, Some("usb".into()));
        plan.begin();
        let busy = DeviceError::Busy { kind: MIC, name: "usb".into() };
        assert_eq!(plan.failed(busy.clone(), at(0)), (Next::Open(None), None));
        let missing = DeviceError::Missing { kind: MIC };
        let (next, notice) = plan.failed(missing.clone(), at(0));
        assert_eq!(next, Next::Wait(at(3)));
        assert_eq!(
            notice.unwrap(),
            "The microphone usb is held by another program. Close that, or choose another. \
             Your partner does not hear you."
        );
        for second in [3, 6, 9] {
            assert_eq!(plan.begin(), Some("usb".into()));
            assert_eq!(plan.failed(busy.clone(), at(second)), (Next::Open(None), None));
            assert_eq!(
                plan.failed(missing.clone(), at(second)),
                (Next::Wait(at(second + 3)), None)
            );
        }
        assert_eq!(plan.begin(), Some("usb".into()));
        assert_eq!(plan.opened("usb", at(12)).unwrap(), "The microphone usb is in use now.");
    }

    #[test]
    fn a_default_that_breaks_at_once_is_not_opened_in_a_loop() {
        let mut plan = Plan::new(MIC, None);
        assert_eq!(plan.begin(), None);
        let mut notices = Vec::new();
        for round in 0..20 {
            notices.extend(plan.opened("bad", at(4 * round)));
            let (next, notice) = plan.failed(gone("bad"), at(4 * round + 1));
            assert_eq!(next, Next::Wait(at(4 * round + 4)));
            notices.extend(notice);
            assert_eq!(plan.begin(), None);
        }
        assert_eq!(notices.len(), 2, "{notices:?}");
    }

    #[test]
    fn no_sound_system_is_said_alike_for_both() {
        let said = |kind| {
            let mut plan = Plan::new(kind, None);
            plan.failed(DeviceError::NoSystem { reason: "none".into() }, at(0)).1.unwrap()
        };
        assert_eq!(said(Kind::Microphone), said(Kind::Speaker));
    }

    #[test]
    fn a_build_without_devices_does_not_look_for_them() {
        let (next, notice) = Plan::new(MIC, None).failed(DeviceError::Unsupported, at(0));
        assert_eq!(next, Next::Stop);
        assert!(notice.unwrap().ends_with("The call goes on without."));
    }
}
