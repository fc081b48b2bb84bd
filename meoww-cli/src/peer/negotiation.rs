//! Offer, answer and candidates (RFC 8829), as a pure value: what came in, and what is to be done.
//!
//! ```text
//!        own offer            answer              restart             answer, or the
//!   New ──────────▶ Offered ──────────▶ Agreed ──────────▶ Restarting ─ partner's offer ▶ Agreed
//!    └───────── the partner's offer ───────▲
//! ```
//!
//! A description begins a generation of ICE (RFC 8445, section 2.5), named by its `ice-ufrag`.
//! Candidates name the generation they belong to, and are not used in another.
//!
//! A restart is only an offer until it is answered: the path that there is goes on, and the offer can
//! be repeated, as messages are lost with the link to the server. Who gets one twice answers the same
//! twice. Where offers cross, that of the initiator holds, and the other side drops its own.

mod generation;

use std::net::SocketAddr;

use rtc::peer_connection::{sdp::RTCSdpType, transport::RTCIceCandidateInit};
use serde_json::value::RawValue;
use webrtc::peer_connection::RTCSessionDescription;

use self::generation::{Own, Partners};
use super::{
    candidates::{Candidate, Reach},
    remote::{self, Kind},
    sdp::{Rejected, TheirVideo, Usable, own},
};
use crate::core::event::PeerEvent;

/// An event.
pub(super) enum Input {
    /// The connection is there.
    Start,
    Offer(Box<RawValue>),
    Answer(Box<RawValue>),
    Candidate(Box<RawValue>),
    /// The result of [`Effect::MakeOffer`], [`Effect::MakeRestart`] or [`Effect::MakeAnswer`].
    Local(Box<RTCSessionDescription>),
    LocalCandidate(RTCIceCandidateInit),
    /// A new path is needed.
    Restart,
    /// An answer is late: the offer, or the answer itself, may be lost.
    Late,
}

/// An action to take, in order.
#[derive(Debug)]
pub(super) enum Effect {
    /// Makes the first offer, and takes it.
    MakeOffer,
    /// Makes an offer that restarts ICE, which is not taken before it is answered.
    MakeRestart,
    MakeAnswer,
    /// Takes the offer that was made to restart ICE: the old path ends here.
    ApplyOwn(Box<RTCSessionDescription>),
    /// Takes the partner's description.
    Apply(Box<RTCSessionDescription>),
    /// Takes one of the partner's candidates.
    Add(RTCIceCandidateInit),
    /// The agreement on pictures and sound each way, when it changes.
    Agreed(Agreed),
    /// ICE begins anew.
    Restarted,
    Tell(PeerEvent),
    /// There will be no connection; why is for people.
    Fail(String),
}

/// What both sides make of pictures and sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) their_video: TheirVideo,
    /// Whether the partner takes this side's.
    pub(super) our_video: bool,
    /// Whether the partner may send sound.
    pub(super) their_sound: bool,
    /// Whether it takes this side's.
    pub(super) our_sound: bool,
}

/// Where an exchange stands.
enum State {
    /// There was none. The initiator begins.
    New,
    /// This side's first offer is out.
    Offered,
    /// Both sides have each other's description.
    Agreed,
    /// This side's offer to restart is out, and was not taken yet.
    Restarting { offer: Box<RTCSessionDescription>, json: Box<RawValue> },
}

/// All exchanges of a connection.
pub(super) struct Negotiation {
    is_initiator: bool,
    reach: Reach,
    state: State,
    partners: Partners,
    own: Own,
    agreed: Option<Agreed>,
    /// The partner's last offer, and what it was answered.
    answered: Option<(String, Option<Box<RawValue>>)>,
    rejected: Vec<Rejected>,
    /// Whether a restart was given up for an offer of the partner's that is none.
    restart_is_due: bool,
}

impl Negotiation {
    pub(super) fn new(is_initiator: bool, reach: Reach) -> Self {
        Self {
            is_initiator,
            reach,
            state: State::New,
            partners: Partners::new(reach),
            own: Own::new(reach),
            agreed: None,
            answered: None,
            rejected: Vec::new(),
            restart_is_due: false,
        }
    }

    /// From the next generation on, direct addresses are used and told.
    pub(super) fn allow_direct(&mut self, reach: Reach) {
        (self.reach, self.own.reach) = (reach, reach);
    }

    /// Whether an address is that of the partner's relay, as it says.
    pub(super) fn is_relay(&self, address: SocketAddr) -> bool {
        self.partners.is_relay(address)
    }

    /// Whether this side waits for the answer to a restart.
    fn is_restarting(&self) -> bool {
        matches!(self.state, State::Restarting { .. })
    }

    pub(super) fn handle(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Start if self.is_initiator => vec![Effect::MakeOffer],
            Input::Start => Vec::new(),
            Input::Offer(json) => self.offer(&json),
            Input::Answer(json) => self.answer(&json),
            Input::Candidate(json) => self.candidate(&json),
            Input::Local(description) => self.local(description),
            Input::LocalCandidate(candidate) => self.own.candidate(candidate),
            Input::Restart => self.restart(),
            Input::Late => self.repeat_offer(),
        }
    }

    fn restart(&mut self) -> Vec<Effect> {
        match self.state {
            // The first exchange is still to come, and brings a path of its own.
            State::New | State::Offered => Vec::new(),
            State::Agreed => vec![Effect::MakeRestart],
            State::Restarting { .. } => self.repeat_offer(),
        }
    }

    fn repeat_offer(&self) -> Vec<Effect> {
        match &self.state {
            State::Restarting { json, .. } => {
                vec![Effect::Tell(PeerEvent::LocalOffer(json.clone()))]
            }
            State::New | State::Offered | State::Agreed => Vec::new(),
        }
    }

    fn offer(&mut self, json: &RawValue) -> Vec<Effect> {
        let is_first = match self.state {
            State::New if !self.is_initiator => true,
            State::Agreed => false,
            State::Restarting { .. } if !self.is_initiator => false,
            // Offers crossed, and this side's holds; or it is a second one before the first answer.
            State::New | State::Offered | State::Restarting { .. } => {
                tracing::debug!("an offer that is not due");
                return Vec::new();
            }
        };
        if let Some((offer, answer)) = &self.answered
            && offer == json.get()
        {
            return self.repeat_answer(answer.clone());
        }
        let (offer, usable) = match remote::description(json, Kind::Offer) {
            Ok(used) => used,
            Err(error) if is_first => return vec![Effect::Fail(error.to_string())],
            Err(error) => {
                tracing::debug!(%error, "an offer that changes nothing");
                return Vec::new();
            }
        };
        // An offer this side staged goes into its answer, where it would be no restart of both.
        self.restart_is_due = self.is_restarting() && !self.partners.is_restarted_by(&usable);
        self.state = State::Agreed;
        self.answered = Some((json.get().to_owned(), None));
        self.take(offer, usable, vec![Effect::MakeAnswer])
    }

    fn repeat_answer(&self, answer: Option<Box<RawValue>>) -> Vec<Effect> {
        let answer = answer.map(PeerEvent::LocalAnswer).map(Effect::Tell);
        answer.into_iter().chain(self.own.candidates()).collect()
    }

    fn answer(&mut self, json: &RawValue) -> Vec<Effect> {
        if !matches!(self.state, State::Offered | State::Restarting { .. }) {
            tracing::debug!("an answer that is not due");
            return Vec::new();
        }
        let used = remote::description(json, Kind::Answer);
        match (std::mem::replace(&mut self.state, State::Agreed), used) {
            (State::Restarting { offer, .. }, Ok((answer, usable)))
                if self.partners.is_restarted_by(&usable) =>
            {
                self.own.begin(&offer.sdp);
                let mut effects = vec![Effect::ApplyOwn(offer)];
                effects.extend(self.take(answer, usable, Vec::new()));
                effects
            }
            // The answer to an earlier offer, for the second time.
            (restarting @ State::Restarting { .. }, _) => {
                self.state = restarting;
                Vec::new()
            }
            (_, Ok((answer, usable))) => self.take(answer, usable, Vec::new()),
            (_, Err(error)) => vec![Effect::Fail(error.to_string())],
        }
    }

    /// Takes the partner's description; `then` comes before candidates.
    fn take(
        &mut self,
        description: RTCSessionDescription,
        usable: Usable,
        then: Vec<Effect>,
    ) -> Vec<Effect> {
        let agreed = Agreed {
            their_video: usable.video,
            our_video: usable.wants_video,
            their_sound: usable.sends_sound,
            our_sound: usable.wants_sound,
        };
        let mut effects = Vec::new();
        if self.agreed.is_some() && self.partners.is_restarted_by(&usable) {
            effects.push(Effect::Restarted);
        }
        if self.agreed.replace(agreed) != Some(agreed) {
            effects.push(Effect::Agreed(agreed));
        }
        let Usable { candidates, ufrag, rejected, first, .. } = usable;
        (self.rejected, self.own.section) = (rejected, first);
        effects.push(Effect::Apply(Box::new(description)));
        effects.extend(then);
        let inside = candidates.iter().filter_map(|text| Candidate::parse(text)).collect();
        effects.extend(self.partners.begin(ufrag, self.reach, inside));
        effects
    }

    fn candidate(&mut self, json: &RawValue) -> Vec<Effect> {
        let trickled = remote::candidate(json);
        trickled.and_then(|trickled| self.partners.candidate(trickled)).into_iter().collect()
    }

    fn local(&mut self, description: Box<RTCSessionDescription>) -> Vec<Effect> {
        let is_offer = description.sdp_type == RTCSdpType::Offer;
        // Sections are where they were in the first offer, also in the next (RFC 8829, 5.2.2).
        let sdp = match is_offer && self.is_initiator {
            true => own::data_first(&description.sdp),
            false => own::with_rejected(&description.sdp, &self.rejected),
        };
        let Some(json) = sdp.and_then(|sdp| self.own.json(is_offer, &sdp)) else {
            return vec![Effect::Fail("this side's description is malformed".to_owned())];
        };
        match (&self.state, is_offer) {
            (State::New, true) => {
                self.own.begin(&description.sdp);
                self.state = State::Offered;
                vec![Effect::Tell(PeerEvent::LocalOffer(json))]
            }
            (_, true) => {
                self.state = State::Restarting { offer: description, json: json.clone() };
                vec![Effect::Tell(PeerEvent::LocalOffer(json))]
            }
            (_, false) => {
                self.own.begin(&description.sdp);
                if let Some((_, answer)) = &mut self.answered {
                    *answer = Some(json.clone());
                }
                let mut effects = vec![Effect::Tell(PeerEvent::LocalAnswer(json))];
                if std::mem::take(&mut self.restart_is_due) {
                    effects.push(Effect::MakeRestart);
                }
                effects
            }
        }
    }
}

#[cfg(test)]
mod tests;
