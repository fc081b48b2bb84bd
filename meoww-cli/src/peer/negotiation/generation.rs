//! The two halves of a generation: what the partner named, and what this side did.

use std::net::SocketAddr;

use rtc::peer_connection::transport::RTCIceCandidateInit;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Effect;
use crate::{
    core::event::PeerEvent,
    peer::{
        candidates::{Candidate, Chosen, Reach, own::told},
        remote::Trickled,
        sdp::{self, Usable, own::with_level_of_decoder},
    },
};

/// Candidates that may come before the description they belong to.
const MAX_EARLY: usize = 32;
/// Own candidates that are kept to be told again: more than there are.
const MAX_OWN: usize = 32;

/// The partner's half.
pub(super) struct Partners {
    /// `None` before the first description.
    ufrag: Option<Option<String>>,
    chosen: Chosen,
    early: Vec<Trickled>,
}

impl Partners {
    pub(super) fn new(reach: Reach) -> Self {
        Self { ufrag: None, chosen: Chosen::new(reach), early: Vec::new() }
    }

    /// Whether a description begins another generation than the present one.
    pub(super) fn is_restarted_by(&self, usable: &Usable) -> bool {
        self.ufrag.as_ref() != Some(&usable.ufrag)
    }

    /// A description came. Returns the candidates to use of those `inside` it and of those that were
    /// too early.
    pub(super) fn begin(
        &mut self,
        ufrag: Option<String>,
        reach: Reach,
        inside: Vec<Candidate>,
    ) -> impl Iterator<Item = Effect> + use<> {
        if self.ufrag.as_ref() != Some(&ufrag) {
            self.ufrag = Some(ufrag);
            self.chosen = Chosen::new(reach);
        }
        let early = std::mem::take(&mut self.early).into_iter();
        let early = early.filter(|early| self.is_current(early));
        let early: Vec<_> = early.map(|early| early.candidate).collect();
        let best = self.chosen.best_of(inside.into_iter().chain(early).collect());
        best.into_iter().map(|candidate| add(&candidate))
    }

    /// A candidate came alone. One of another generation waits, as that may begin with the next
    /// description; the oldest of too many is dropped.
    pub(super) fn candidate(&mut self, trickled: Trickled) -> Option<Effect> {
        if self.ufrag.is_some() && self.is_current(&trickled) {
            return self.chosen.take(&trickled.candidate).then(|| add(&trickled.candidate));
        }
        if self.early.len() == MAX_EARLY {
            self.early.remove(0);
        }
        self.early.push(trickled);
        None
    }

    pub(super) fn is_relay(&self, address: SocketAddr) -> bool {
        self.chosen.is_relay(address)
    }

    fn is_current(&self, trickled: &Trickled) -> bool {
        trickled.ufrag.is_none() || Some(&trickled.ufrag) == self.ufrag.as_ref()
    }
}

fn add(candidate: &Candidate) -> Effect {
    let candidate = candidate.text().to_owned();
    Effect::Add(RTCIceCandidateInit { candidate, ..Default::default() })
}

/// This side's half.
pub(super) struct Own {
    pub(super) reach: Reach,
    ufrag: Option<String>,
    /// The section that candidates name: the first that both sides use.
    pub(super) section: u16,
    told: Vec<Box<RawValue>>,
}

impl Own {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, ufrag: None, section: 0, told: Vec::new() }
    }

    /// A description of this side's is taken.
    pub(super) fn begin(&mut self, sdp: &str) {
        let ufrag = sdp::ufrag(sdp);
        if self.ufrag != ufrag {
            self.ufrag = ufrag;
            self.told.clear();
        }
    }

    /// A description for the wire.
    pub(super) fn json(&self, is_offer: bool, sdp: &str) -> Option<Box<RawValue>> {
        let lines = sdp.lines().filter_map(|line| match line.starts_with("a=candidate:") {
            true => told(line, self.reach),
            false => Some(with_level_of_decoder(line)),
        });
        let sdp = lines.fold(String::new(), |sdp, line| sdp + &line + "\r\n");
        let kind = if is_offer { "offer" } else { "answer" };
        to_raw_value(&Init { kind, sdp: &sdp }).ok()
    }

    pub(super) fn candidate(&mut self, mut candidate: RTCIceCandidateInit) -> Vec<Effect> {
        let Some(text) = told(&candidate.candidate, self.reach) else { return Vec::new() };
        candidate.candidate = text;
        candidate.sdp_mline_index = Some(self.section);
        candidate.username_fragment.clone_from(&self.ufrag);
        let Ok(json) = to_raw_value(&candidate) else { return Vec::new() };
        if self.told.len() < MAX_OWN {
            self.told.push(json.clone());
        }
        vec![Effect::Tell(PeerEvent::LocalCandidate(json))]
    }

    /// Those of this generation that were told, to be told again.
    pub(super) fn candidates(&self) -> impl Iterator<Item = Effect> {
        self.told.iter().cloned().map(PeerEvent::LocalCandidate).map(Effect::Tell)
    }
}

/// `RTCSessionDescriptionInit`.
#[derive(Serialize)]
struct Init<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    sdp: &'a str,
}
