//! The one data channel that two clients have, and what is done about others.
//!
//! The `webrtc` crate keeps up to 256 messages for each channel that nobody reads, of up to 65,535
//! channels. So each foreign channel is closed and read until it is, and a partner that goes on
//! opening them is left.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use super::{
    budget::Budget,
    control::{Control, LABEL},
};
use crate::{clock, picture::wanted::Wanted};

/// Foreign channels that are closed without a word. A page may open one or two of its own.
const MAX_FOREIGN: usize = 8;
/// Messages a second, and seconds of them at once: somebody who drags the edge of a window says a size
/// for each step of it.
const MESSAGES: f64 = 30.0;
const MESSAGES_SECONDS: f64 = 10.0;
/// Between two looks whether a goodbye is out.
const BYE_POLL: Duration = Duration::from_millis(5);

/// What a channel reports that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelEvent {
    Opened,
    Said(Control),
    /// It was open, and the partner closed it.
    Closed,
    /// The partner talks more than any program of good will.
    Flood,
    /// Nothing that matters.
    Other,
}

pub(super) struct ControlChannel {
    channel: Option<Arc<dyn DataChannel>>,
    open: bool,
    foreign: usize,
    refused: JoinSet<()>,
    messages: Budget,
}

impl Default for ControlChannel {
    fn default() -> Self {
        let messages = Budget::new(MESSAGES, MESSAGES_SECONDS);
        Self { channel: None, open: false, foreign: 0, refused: JoinSet::new(), messages }
    }
}

/// The partner opens one channel after the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl ControlChannel {
    /// This side's own.
    pub(super) fn own(&mut self, channel: Arc<dyn DataChannel>) {
        self.channel = Some(channel);
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The partner opened a channel: the one that is due, or one that is closed.
    pub(super) async fn opened_by_partner(
        &mut self,
        channel: Arc<dyn DataChannel>,
    ) -> Result<(), TooMany> {
        let is_due = self.channel.is_none();
        if is_due && channel.label().await.is_ok_and(|label| label == LABEL) {
            self.channel = Some(channel);
            return Ok(());
        }
        self.foreign += 1;
        if self.foreign > MAX_FOREIGN {
            return Err(TooMany);
        }
        self.refused.spawn(async move {
            // Fails when it is closed already.
            let _ = channel.close().await;
            while channel.poll().await.is_some() {}
        });
        Ok(())
    }

    /// The next event; never, when there is no channel.
    pub(super) fn next(&self) -> impl Future<Output = Option<DataChannelEvent>> + use<> {
        let channel = self.channel.clone();
        async move {
            match channel {
                Some(channel) => channel.poll().await,
                None => std::future::pending().await,
            }
        }
    }

    /// What an event means.
    pub(super) fn read(&mut self, event: Option<DataChannelEvent>) -> ChannelEvent {
        match event {
            Some(DataChannelEvent::OnOpen) => {
                self.open = true;
                ChannelEvent::Opened
            }
            Some(DataChannelEvent::OnMessage(_)) if !self.messages.take(clock::now(), 1.0) => {
                ChannelEvent::Flood
            }
            Some(DataChannelEvent::OnMessage(message)) if message.is_string => {
                Control::parse(&message.data).map_or(ChannelEvent::Other, ChannelEvent::Said)
            }
            Some(DataChannelEvent::OnClose) | None => {
                self.channel = None;
                match std::mem::take(&mut self.open) {
                    true => ChannelEvent::Closed,
                    false => ChannelEvent::Other,
                }
            }
            Some(_) => ChannelEvent::Other,
        }
    }

    pub(super) async fn tell_wanted(&self, wanted: Wanted) {
        self.tell(Control::wanted(wanted)).await;
    }

    pub(super) async fn tell(&self, control: Control) {
        if let Some(channel) = self.channel.as_ref().filter(|_| self.open)
            && channel.try_send_text(&control.to_json()).await.is_err()
        {
            tracing::debug!(?control, "could not be said");
        }
    }

    /// Until the partner has acknowledged it, or the channel is gone.
    pub(super) async fn say_bye(&mut self) {
        let Some(channel) = self.channel.take().filter(|_| self.open) else {
            return;
        };
        if channel.try_send_text(&Control::Bye.to_json()).await.is_ok() {
            while channel.outstanding_bytes().await.is_ok_and(|bytes| bytes > 0) {
                sleep(BYE_POLL).await;
            }
        }
    }
}
