//! The receiving half of a call: RTP -> picture -> decode -> slot, on a thread of its own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use meoww_paint::{Frame, Grid, Scaler};
use rtc::{rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication, rtp};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::{
    super::stats::{Tally, count},
    assemble::{Assembler, Packet, Unit},
    keyframes::Keyframes,
};
use crate::{
    clock,
    picture::{
        decode::{DecodeError, Decoder},
        slot::RoomSlot,
    },
};

/// How often to look whether a missing packet, or a request, is due.
const TICK: Duration = Duration::from_millis(20);

/// What the session is told, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::peer) enum Report {
    FirstFrame,
    /// Pictures come that are more than is decoded; in pixels.
    TooLarge {
        width: u32,
        height: u32,
    },
}

/// All the thread needs.
pub(super) struct Receiver {
    pub(super) track: Arc<dyn TrackRemote>,
    pub(super) pictures: RoomSlot,
    /// Whether the partner says its camera is on. The thread ends when the other end is dropped.
    pub(super) camera_on: watch::Receiver<bool>,
    pub(super) tally: Arc<Tally>,
    pub(super) reports: mpsc::Sender<Report>,
}

/// What the thread remembers.
struct State {
    decoder: Decoder,
    assembler: Assembler,
    keyframes: Keyframes,
    scaler: Scaler,
    too_large: bool,
}

/// Why the thread woke up.
enum Wake {
    Packet(rtp::Packet),
    Camera,
    Tick,
    End,
}

impl Receiver {
    /// Runs until the session or the track ends.
    pub(super) fn run(mut self, runtime: &Handle) {
        let Ok(decoder) = Decoder::new() else {
            tracing::warn!("the video decoder does not start");
            return;
        };
        let mut state = State {
            decoder,
            assembler: Assembler::default(),
            keyframes: Keyframes::new(),
            scaler: Scaler::default(),
            too_large: false,
        };
        loop {
            // A camera that is off has none to give.
            let expecting = state.keyframes.is_needed() && *self.camera_on.borrow();
            if expecting && state.keyframes.ask(clock::now()) {
                count(&self.tally.keyframes_requested);
                runtime.block_on(self.request_keyframe());
            }
            match runtime.block_on(self.wake(!state.assembler.is_idle() || expecting)) {
                Wake::Packet(packet) => self.take(&mut state.assembler, packet),
                Wake::Camera => self.camera_changed(&mut state.keyframes),
                Wake::Tick => {}
                Wake::End => break,
            }
            while let Some(unit) = state.assembler.pop(clock::now()) {
                self.decode(&mut state, unit);
            }
        }
        self.pictures.put(None);
    }

    /// With nothing to wait for, only a packet wakes the thread.
    async fn wake(&mut self, tick: bool) -> Wake {
        tokio::select! {
            biased;
            camera = self.camera_on.changed() => camera.map_or(Wake::End, |()| Wake::Camera),
            event = self.track.poll() => match event {
                Some(TrackRemoteEvent::OnRtpPacket(packet)) => Wake::Packet(packet),
                Some(TrackRemoteEvent::OnEnded) | None => Wake::End,
                Some(_) => Wake::Tick,
            },
            () = tokio::time::sleep(TICK), if tick => Wake::Tick,
        }
    }

    async fn request_keyframe(&self) {
        let media_ssrc = self.track.ssrcs().await.first().copied().unwrap_or_default();
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
        if self.track.write_rtcp(vec![Box::new(request)]).await.is_err() {
            tracing::debug!("a key frame could not be asked for");
        }
    }

    fn take(&self, assembler: &mut Assembler, packet: rtp::Packet) {
        self.tally.bytes_in.fetch_add(packet.payload.len() as u64, Relaxed);
        let rtp::Packet { header, payload, .. } = packet;
        let (sequence, marker) = (header.sequence_number, header.marker);
        assembler.push(Packet { sequence, marker, payload }, clock::now());
    }

    fn decode(&self, state: &mut State, unit: Unit) {
        let decoded = match unit {
            Unit::Whole(stream) => state.decoder.decode(&stream),
            Unit::Lost => return self.lost(state),
        };
        match decoded {
            Ok(Some(picture)) => {
                state.keyframes.decoded();
                self.show(picture, &mut state.scaler);
            }
            // Parameter sets, or padding.
            Ok(None) => {}
            Err(DecodeError::TooLarge { width, height }) => {
                if !std::mem::replace(&mut state.too_large, true) {
                    // Its queue has room for each of the few messages it ever gets.
                    let _ = self.reports.try_send(Report::TooLarge { width, height });
                }
                self.lost(state);
            }
            Err(DecodeError::Codec(_) | DecodeError::Unreadable) => self.lost(state),
        }
    }

    fn lost(&self, state: &mut State) {
        count(&self.tally.frames_lost);
        state.keyframes.lost();
    }

    /// Larger than any screen asks for is made smaller here, where it is in no one's way.
    fn show(&self, picture: Frame, scaler: &mut Scaler) {
        self.tally.width.store(picture.width() as u32, Relaxed);
        self.tally.height.store(picture.height() as u32, Relaxed);
        if self.tally.frames_decoded.fetch_add(1, Relaxed) == 0 {
            let _ = self.reports.try_send(Report::FirstFrame);
        }
        if *self.camera_on.borrow() {
            let size = Grid::FULL.fit(picture.width(), picture.height());
            self.pictures.put(Some(scaler.scale(&Arc::new(picture), size)));
        }
    }

    /// No stale picture stays when the partner's camera goes off.
    fn camera_changed(&mut self, keyframes: &mut Keyframes) {
        if *self.camera_on.borrow_and_update() {
            keyframes.restart();
        } else {
            self.pictures.put(None);
        }
    }
}
