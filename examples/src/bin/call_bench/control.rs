//! The congestion control of the peers.

use clap::ValueEnum;
use meoww_cli::peer::CongestionControl;
use serde::Serialize;

/// The congestion control of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Control {
    /// Meoww's estimator and pacer
    #[default]
    Ours,
    /// Google congestion control and the pacer of the rtc crate
    Crate,
}

impl Control {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Crate => "crate",
        }
    }

    pub(crate) fn chosen(self) -> CongestionControl {
        match self {
            Self::Ours => CongestionControl::Ours,
            Self::Crate => CongestionControl::Crate,
        }
    }
}
