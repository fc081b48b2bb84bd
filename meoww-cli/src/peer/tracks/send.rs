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

use super::super::{
    allocate::Shares,
    stats::{Tally, count},
};
use crate::{
    clock,
    picture::{encode::Encoder, slot::FrameSlot},
};

/// Bits a pixel at which a moving picture looks right.
const BITS_PER_PIXEL: f64 = 0.2;
const FRAMES_PER_SECOND: f64 = 30.0;
/// Faster cameras are thinned out to about 30 pictures a second.
const MIN_GAP: Duration = Duration::from_millis(25);
/// A stranger may ask for key frames as often as he likes, but they are large: two in this time at
/// most, so that one that got lost on a new connection is repeated at once.
const TWO_KEYS_IN: Duration = Duration::from_millis(400);
/// And at most this share of the bits for them, or a slow path would carry nothing else.
const KEY_SHARE: f64 = 0.5;

/// What the session wants sent. The thread ends when its other end is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Orders {
    /// RTP payload type that was negotiated; `None` before there is a connection.
    pub(super) payload_type: Option<u8>,
    /// What the partner can show.
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

/// What the thread remembers.
struct State {
    scaler: Scaler,
    encoder: Encoder,
    began: Instant,
    last_sent: Option<Instant>,
    /// The last two key frames, the older one first.
    keys: [Option<Instant>; 2],
    /// Size of two like the last.
    key_bits: f64,
    key_wanted: bool,
    /// Size of the pictures sent.
    size: Option<(usize, usize)>,
}

impl Sender {
    /// Runs until the session ends.
    pub(super) fn run(mut self, runtime: &Handle) {
        let mut state = State {
            scaler: Scaler::default(),
            encoder: Encoder::new(*self.estimate.borrow()),
            began: clock::now(),
            last_sent: None,
            keys: [None; 2],
            key_bits: 0.0,
            key_wanted: true,
            size: None,
        };
        self.warm_up(&mut state);
        loop {
            match runtime.block_on(self.wake()) {
                // Orders: perhaps a connection, or another size, which is not to wait for the next
                // picture.
                Wake::Picture | Wake::Orders => {}
                Wake::KeyframeRequest => state.key_wanted = true,
                Wake::Report => continue,
                Wake::End => return,
            }
            let Orders { payload_type: Some(payload_type), grid, with_sound } =
                *self.orders.borrow()
            else {
                continue;
            };
            let Some(picture) = self.pictures.borrow_and_update().clone() else {
                // After the camera was off, nobody knows what it showed before.
                state.key_wanted = true;
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
        let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        let gap = since(self.last_sent);
        let two_keys = Duration::from_secs_f64(self.key_bits / (f64::from(share) * KEY_SHARE));
        let two_keys = two_keys.max(TWO_KEYS_IN);
        let key_allowed = since(self.keys[0]).is_none_or(|gap| gap >= two_keys);
        // A new size is a key frame as well.
        let fit = grid.fit(picture.width(), picture.height());
        let size = self.size.filter(|_| !key_allowed).unwrap_or(fit);
        let key = key_allowed && (self.key_wanted || self.size != Some(size));
        if !key && gap.is_some_and(|gap| gap < MIN_GAP) {
            return None;
        }
        self.size = Some(size);
        self.encoder.set_bitrate(bitrate(size, share));
        let picture = self.scaler.scale(picture, size);
        let at = now.saturating_duration_since(self.began);
        let coded = match self.encoder.encode(&picture, at, key) {
            Ok(coded) => coded?,
            Err(error) => {
                tracing::warn!(%error, "a picture could not be encoded");
                return None;
            }
        };
        if coded.key {
            self.key_wanted = false;
            self.keys = [self.keys[1], Some(now)];
            self.key_bits = 2.0 * 8.0 * coded.data.len() as f64;
        }
        self.last_sent = Some(now);
        let duration = gap.unwrap_or(Duration::from_millis(33));
        Some(Sample { data: coded.data.into(), duration, ..Sample::new(now) })
    }
}

/// Bits a second for a picture of this size, of those there are.
fn bitrate((width, height): (usize, usize), share: u32) -> u32 {
    let worth = width as f64 * height as f64 * BITS_PER_PIXEL * FRAMES_PER_SECOND;
    worth.min(f64::from(share)) as u32
}

fn asks_for_keyframe(event: &TrackLocalEvent) -> bool {
    let TrackLocalEvent::OnRtcpPacket(packets) = event else { return false };
    packets.iter().any(|packet| {
        let packet = packet.as_any();
        packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>()
    })
}
