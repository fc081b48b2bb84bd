//! What two clients tell each other on the data channel: JSON, one object a text message.

use serde::{Deserialize, Serialize};

use super::safety_words::Said;
use crate::picture::wanted::{MOST_FPS, Wanted};

/// Label of the data channel.
pub(super) const LABEL: &str = "meoww";
/// Longer messages are not read.
const MAX_BYTES: usize = 1024;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Control {
    /// The size that the sender of this can show, in pixels, and in pictures a second where that is fewer than
    /// there may be. Without it, it gets all there is.
    Grid {
        width: u32,
        height: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fps: Option<u8>,
    },
    /// Whether pictures come.
    Camera { on: bool },
    /// Whether sound comes: not while the microphone is muted, or when there is none.
    Sound { on: bool },
    /// A step towards the safety words.
    Safety(Said),
    /// The sender of this wants a direct path instead of a relay.
    Direct,
    /// The connection is about to be closed.
    Bye,
}

impl Control {
    pub(super) fn wanted(wanted: Wanted) -> Self {
        let (width, height) = (wanted.grid.width().into(), wanted.grid.height().into());
        Self::Grid { width, height, fps: Some(wanted.fps()).filter(|fps| *fps < MOST_FPS) }
    }

    /// `None` for what is too long, malformed, or of a type not known here.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        if message.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_slice(message).ok()
    }

    pub(crate) fn to_json(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use meoww_paint::Grid;
    use proptest::prelude::*;

    use super::*;
    use crate::peer::safety_words::Bytes32;

    #[test]
    fn words_on_the_wire() {
        let wanted = |fps| Control::wanted(Wanted::new(Grid::new(160, 90), fps));
        assert_eq!(wanted(30).to_json(), r#"{"type":"grid","width":160,"height":90}"#);
        assert_eq!(wanted(12).to_json(), r#"{"type":"grid","width":160,"height":90,"fps":12}"#);
        assert_eq!(Control::Bye.to_json(), r#"{"type":"bye"}"#);
        assert_eq!(Control::Camera { on: false }.to_json(), r#"{"type":"camera","on":false}"#);
        assert_eq!(Control::Direct.to_json(), r#"{"type":"direct"}"#);
        assert_eq!(Control::Sound { on: false }.to_json(), r#"{"type":"sound","on":false}"#);
        assert_eq!(Control::parse(br#"{"type":"bye","why":"tired"}"#), Some(Control::Bye));
        assert_eq!(Control::parse(br#"{"type":"dance"}"#), None);
        assert_eq!(Control::parse(br#"{"type":"grid","width":-1,"height":9e99}"#), None);
    }

    #[test]
    fn long_messages_are_not_read() {
        let long = format!(r#"{{"type":"bye"{}}}"#, " ".repeat(MAX_BYTES));
        assert_eq!(Control::parse(long.as_bytes()), None);
    }

    proptest! {
        /// Judged by the JSON parser alone: nothing but an object with a known type is a word.
        #[test]
        fn noise_is_no_word(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            kind in "grid|camera|sound|direct|bye|Bye|dance|", key in "type|width|on", more in "[ -~]{0,12}",
        ) {
            let text = format!(r#"{{"{key}":"{kind}"{more}}}"#);
            for message in [noise, text.into_bytes()] {
                let value = serde_json::from_slice::<serde_json::Value>(&message).ok();
                let named = value.as_ref().and_then(|value| value.get("type")?.as_str());
                let expected = named == Some("bye");
                prop_assert_eq!(Control::parse(&message) == Some(Control::Bye), expected);
                if !["grid", "camera", "sound", "safety", "direct", "bye"].map(Some).contains(&named) {
                    prop_assert_eq!(Control::parse(&message), None);
                }
            }
        }

        #[test]
        fn words_are_read_as_they_were_said(width: u32, height: u32, fps: Option<u8>, on: bool, bytes: [u8; 32]) {
            let steps = [Said::Commit(Bytes32(bytes)), Said::Reveal(Bytes32(bytes))];
            let grid = Control::Grid { width, height, fps };
            let others = [Control::Camera { on }, Control::Sound { on }, Control::Direct, Control::Bye];
            for word in steps.map(Control::Safety).into_iter().chain([grid]).chain(others) {
                prop_assert_eq!(Control::parse(word.to_json().as_bytes()), Some(word));
            }
        }
    }
}
