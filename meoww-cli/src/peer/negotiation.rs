//! Offer, answer and candidates (RFC 8829), as a pure value: what came in, and what is to be done.
//! One exchange a connection, and no second.
//!
//! A description begins a generation of ICE (RFC 8445, section 2.5), named by its `ice-ufrag`.
//! Candidates that name another generation are not used.

use rtc::peer_connection::transport::RTCIceCandidateInit;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use webrtc::peer_connection::RTCSessionDescription;

use super::{
    candidates::{Candidate, Chosen, Reach, without_base},
    remote::{self, Kind, Trickled},
    sdp::{self, Rejected, TheirVideo, Usable},
};
use crate::core::event::PeerEvent;

/// Candidates that may come before the description they belong to.
const MAX_EARLY: usize = 32;

/// What happened.
pub(super) enum Input {
    /// The connection is there.
    Start,
    Offer(Box<RawValue>),
    Answer(Box<RawValue>),
    Candidate(Box<RawValue>),
    /// What was made of [`Effect::MakeOffer`] or [`Effect::MakeAnswer`].
    Local(Box<RTCSessionDescription>),
    LocalCandidate(RTCIceCandidateInit),
}

/// What is to be done, in order.
#[derive(Debug)]
pub(super) enum Effect {
    MakeOffer,
    MakeAnswer,
    /// Takes the partner's description.
    Apply(Box<RTCSessionDescription>),
    /// Takes one of the partner's candidates.
    Add(RTCIceCandidateInit),
    /// What comes of pictures and sound each way.
    Agreed(Agreed),
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

/// One exchange.
pub(super) struct Negotiation {
    /// The description that is due from the partner; `None` once it came.
    due: Option<Kind>,
    relay_only: bool,
    chosen: Chosen,
    early: Vec<Trickled>,
    /// The partner's generation.
    ufrag: Option<String>,
    rejected: Vec<Rejected>,
    /// The section that this side's candidates name: the first that both sides use.
    section: u16,
}

impl Negotiation {
    pub(super) fn new(is_initiator: bool, reach: Reach) -> Self {
        Self {
            due: Some(if is_initiator { Kind::Answer } else { Kind::Offer }),
            relay_only: reach == Reach::Relay,
            chosen: Chosen::new(reach),
            early: Vec::new(),
            ufrag: None,
            rejected: Vec::new(),
            section: 0,
        }
    }

    pub(super) fn handle(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Start if self.due == Some(Kind::Answer) => vec![Effect::MakeOffer],
            Input::Start => Vec::new(),
            Input::Offer(json) => self.description(&json, Kind::Offer),
            Input::Answer(json) => self.description(&json, Kind::Answer),
            Input::Candidate(json) => self.candidate(&json),
            Input::Local(description) => self.local(&description),
            Input::LocalCandidate(candidate) => self.local_candidate(candidate),
        }
    }

    fn description(&mut self, json: &RawValue, kind: Kind) -> Vec<Effect> {
        if self.due != Some(kind) {
            tracing::debug!(?kind, "a description that is not due");
            return Vec::new();
        }
        let (description, usable) = match remote::description(json, kind) {
            Ok(used) => used,
            Err(error) => return vec![Effect::Fail(error.to_string())],
        };
        self.due = None;
        let agreed = Agreed {
            their_video: usable.video,
            our_video: usable.wants_video,
            their_sound: usable.sends_sound,
            our_sound: usable.wants_sound,
        };
        let Usable { candidates, ufrag, rejected, first, .. } = usable;
        (self.ufrag, self.rejected, self.section) = (ufrag, rejected, first);
        let mut effects = vec![Effect::Agreed(agreed), Effect::Apply(Box::new(description))];
        if kind == Kind::Offer {
            effects.push(Effect::MakeAnswer);
        }
        let early = std::mem::take(&mut self.early);
        let early = early.into_iter().filter(|early| self.is_current(early));
        let early: Vec<_> = early.map(|early| early.candidate).collect();
        let inside = candidates.iter().filter_map(|text| Candidate::parse(text));
        let best = self.chosen.best_of(inside.chain(early).collect());
        effects.extend(best.iter().map(|candidate| add(candidate.text())));
        effects
    }

    fn candidate(&mut self, json: &RawValue) -> Vec<Effect> {
        let Some(trickled) = remote::candidate(json) else {
            return Vec::new();
        };
        if self.due.is_some() {
            if self.early.len() < MAX_EARLY {
                self.early.push(trickled);
            }
            return Vec::new();
        }
        let take = self.is_current(&trickled) && self.chosen.take(&trickled.candidate);
        if take { vec![add(trickled.candidate.text())] } else { Vec::new() }
    }

    /// Whether a candidate is of the generation that the partner's description began.
    fn is_current(&self, trickled: &Trickled) -> bool {
        trickled.ufrag.is_none() || trickled.ufrag == self.ufrag
    }

    fn local(&mut self, description: &RTCSessionDescription) -> Vec<Effect> {
        // An offer is made before a description came; nothing was rejected then.
        let is_answer = self.due.is_none();
        let sdp = match is_answer {
            true => sdp::own::with_rejected(&description.sdp, &self.rejected),
            false => sdp::own::data_first(&description.sdp),
        };
        let Some(sdp) = sdp else {
            return vec![Effect::Fail("this side's description is malformed".to_owned())];
        };
        let lines = sdp.lines().filter_map(|line| match line.strip_prefix("a=candidate:") {
            Some(_) if self.relay_only && !is_relayed(line) => None,
            Some(_) => Some(without_base(line)),
            None => Some(sdp::own::with_level_of_decoder(line)),
        });
        let sdp = lines.fold(String::new(), |sdp, line| sdp + &line + "\r\n");
        let json = |kind| json(&Init { kind, sdp: &sdp });
        let event = match is_answer {
            true => json("answer").map(PeerEvent::LocalAnswer),
            false => json("offer").map(PeerEvent::LocalOffer),
        };
        event.map(Effect::Tell).into_iter().collect()
    }

    fn local_candidate(&self, mut candidate: RTCIceCandidateInit) -> Vec<Effect> {
        if self.relay_only && !is_relayed(&candidate.candidate) {
            return Vec::new();
        }
        candidate.candidate = without_base(&candidate.candidate);
        candidate.sdp_mline_index = Some(self.section);
        let event = json(&candidate).map(PeerEvent::LocalCandidate);
        event.map(Effect::Tell).into_iter().collect()
    }
}

/// `RTCSessionDescriptionInit`.
#[derive(Serialize)]
struct Init<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    sdp: &'a str,
}

fn add(candidate: &str) -> Effect {
    Effect::Add(RTCIceCandidateInit { candidate: candidate.to_owned(), ..Default::default() })
}

fn is_relayed(candidate: &str) -> bool {
    candidate.contains(" typ relay")
}

/// For the wire.
fn json(value: &impl Serialize) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}

#[cfg(test)]
mod tests;
