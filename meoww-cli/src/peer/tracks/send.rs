//! The sending half of a call: newest picture -> scale -> encode -> track, on a thread of its own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use meoww_paint::{Frame, Grid, Scaler};
use rtc::{
    media::Sample,
    rtcp::payload_feedbacks::{
        full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
    },
};
use tokio::{runtime::Handle, sync::watch};
use webrtc::media_stream::{
    Track,
    track_local::{TrackLocal, TrackLocalEvent, static_sample::TrackLocalStaticSample},
};

use super::{
    super::{
        allocate::Shares,
        stats::{Tally, count},
    },
    shape::{Plan, Shape},
};
use crate::{
    clock,
    picture::{encode::Encoder, slot::FrameSlot},
};

/// Settings of the session for what is sent. The thread ends when its other end is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders {
    /// RTP payload type that was negotiated; `None` before there is a connection.
    pub(super) payload_type: Option<u8>,
    /// The size that the partner can show.
    pub(super) grid: Grid,
    /// Whether sound takes its share of the path.
    pub(super) with_sound: bool,
}

/// All the thread needs.
pub(super) struct Sender {
    pub(super) pictures: FrameSlot,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) estimate: watch::Receiver<u32>,
    pub(super) track: Arc<TrackLocalStaticSample>,
    pub(super) tally: Arc<Tally>,
}

/// Why the thread woke up.
enum Wake {
    Picture,
    Orders,
    KeyframeRequest,
    /// A report that says nothing here.
    Report,
    End,
}

/// State of the thread.
struct State {
    scaler: Scaler,
    encoder: Encoder,
    began: Instant,
    last_sent: Option<Instant>,
    shape: Shape,
}

impl Sender {
    /// Runs until the session ends.
    pub(super) fn run(mut self, runtime: &Handle) {
        let mut state = State {
            scaler: Scaler::default(),
            encoder: Encoder::new(*self.estimate.borrow()),
            began: clock::now(),
            last_sent: None,
            shape: Shape::default(),
        };
        self.warm_up(&mut state);
        loop {
            match runtime.block_on(self.wake()) {
                // Orders: perhaps a connection, or another size, which is not to wait for the next
                // picture.
                Wake::Picture | Wake::Orders => {}
                Wake::KeyframeRequest => state.shape.want_key(),
                Wake::Report => continue,
                Wake::End => return,
            }
            let Orders { payload_type: Some(payload_type), grid, with_sound } =
                *self.orders.borrow()
            else {
                continue;
            };
            let Some(picture) = self.pictures.borrow_and_update().clone() else {
                // The partner may have dropped the picture from before the camera was off.
                state.shape.want_key();
                continue;
            };
            let share = Shares::of(*self.estimate.borrow(), with_sound).picture;
            if let Some(sample) = state.code(clock::now(), &picture, grid, share)
                && runtime.block_on(self.send(payload_type, sample)).is_none()
            {
                return;
            }
        }
    }

    /// The codec's tables and memory cost more than a picture: not when the first one is due.
    fn warm_up(&self, state: &mut State) {
        let picture = self.pictures.borrow().clone();
        let picture = picture.unwrap_or_else(|| Arc::new(Frame::black(320, 240)));
        let warmed = state.encoder.encode(&picture, Duration::ZERO, true);
        if let Err(error) = warmed {
            tracing::warn!(%error, "the video encoder does not start");
        }
    }

    async fn wake(&mut self) -> Wake {
        let connected = self.orders.borrow().payload_type.is_some();
        tokio::select! {
            biased;
            orders = self.orders.changed() => orders.map_or(Wake::End, |()| Wake::Orders),
            Some(event) = self.track.poll(), if connected => match asks_for_keyframe(&event) {
                true => Wake::KeyframeRequest,
                false => Wake::Report,
            },
            // An error means the camera is gone: the session will end or bring another.
            Ok(()) = self.pictures.changed() => Wake::Picture,
            else => self.orders.changed().await.map_or(Wake::End, |()| Wake::Orders),
        }
    }

    /// `None` when the session ended meanwhile.
    async fn send(&mut self, payload_type: u8, sample: Sample) -> Option<()> {
        let ssrc = self.track.ssrcs().await.first().copied()?;
        let mut closed = self.orders.clone();
        let written = tokio::select! {
            written = self.track.write_sample(ssrc, payload_type, &sample, &[]) => written,
            _ = closed.wait_for(|orders| orders.payload_type.is_none()) => return None,
        };
        // The error would show whole packets; that it failed says enough.
        match written {
            Ok(()) => {
                count(&self.tally.frames_sent);
                self.tally.bytes_out.fetch_add(sample.data.len() as u64, Relaxed);
            }
            Err(_) => tracing::debug!("a picture could not be sent"),
        }
        Some(())
    }
}

impl State {
    /// The next sample for the track; `None` when this picture is left out.
    fn code(
        &mut self,
        now: Instant,
        picture: &Arc<Frame>,
        grid: Grid,
        share: u32,
    ) -> Option<Sample> {
        let Plan { size, bps, key } =
            self.shape.plan(now, (picture.width(), picture.height()), grid, share)?;
        self.encoder.set_bitrate(bps);
        let picture = self.scaler.scale(picture, size);
        let at = now.saturating_duration_since(self.began);
        let coded = match self.encoder.encode(&picture, at, key) {
            Ok(coded) => coded?,
            Err(error) => {
                tracing::warn!(%error, "a picture could not be encoded");
                return None;
            }
        };
        self.shape.coded(now, coded.data.len(), coded.key);
        let duration =
            self.last_sent.replace(now).map_or(Duration::from_millis(33), |last| now - last);
        Some(Sample { data: coded.data.into(), duration, ..Sample::new(now) })
    }
}

fn asks_for_keyframe(event: &TrackLocalEvent) -> bool {
    let TrackLocalEvent::OnRtcpPacket(packets) = event else { return false };
    packets.iter().any(|packet| {
        let packet = packet.as_any();
        packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
    })
}
