//! The receiving half of a call: RTP -> picture -> decode -> slot, on a thread of its own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use meoww_paint::{Frame, Grid, Scaler};
use rtc::{
    rtcp::{
        payload_feedbacks::picture_loss_indication::PictureLossIndication,
        sender_report::SenderReport,
    },
    rtp,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::{
    super::{
        budget::Pictures,
        stats::{Tally, count},
    },
    assemble::{Assembler, Packet, Unit},
    keyframes::Keyframes,
    lip_sync::LipSync,
    sound::Timing,
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

/// Without packets for so long, the path was down, or the camera off.
const SILENCE: Duration = Duration::from_millis(500);

/// Reports to the session, each sent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::peer) enum Report {
    FirstFrame,
    /// Pictures come that are more than is decoded; in pixels.
    TooLarge {
        width: u32,
        height: u32,
    },
    /// More pictures or sizes than any camera makes.
    Flood,
}

/// All the thread needs.
pub(super) struct Receiver {
    pub(super) track: Arc<dyn TrackRemote>,
    pub(super) pictures: RoomSlot,
    /// Whether the partner says its camera is on. The thread ends when the other end is dropped.
    pub(super) camera_on: watch::Receiver<bool>,
    pub(super) tally: Arc<Tally>,
    pub(super) sound: Option<Timing>,
    pub(super) reports: mpsc::Sender<Report>,
}

/// State of the thread.
struct State {
    decoder: Decoder,
    assembler: Assembler,
    keyframes: Keyframes,
    scaler: Scaler,
    lip_sync: LipSync<Arc<Frame>>,
    /// Of the last packet; a report on another stream says nothing of this one.
    ssrc: Option<u32>,
    too_large: bool,
    budget: Pictures,
    flooded: bool,
    last_packet: Option<Instant>,
}

/// Why the thread woke up.
enum Wake {
    Packet(rtp::Packet),
    Report(SenderReport),
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
            lip_sync: LipSync::default(),
            ssrc: None,
            too_large: false,
            budget: Pictures::default(),
            flooded: false,
            last_packet: None,
        };
        loop {
            let round_trip = Duration::from_micros(self.tally.rtt.load(Relaxed));
            state.assembler.set_round_trip(round_trip);
            state.keyframes.set_round_trip(round_trip);
            // A camera that is off has none to give.
            let expecting = state.keyframes.is_needed() && *self.camera_on.borrow();
            if expecting && state.keyframes.ask(clock::now()) {
                count(&self.tally.keyframes_requested);
                runtime.block_on(self.request_keyframe());
            }
            let tick = (!state.assembler.is_idle() || expecting).then_some(TICK);
            let due = state.lip_sync.next_in(clock::now());
            match runtime.block_on(self.wake(tick.into_iter().chain(due).min())) {
                Wake::Packet(packet) => self.take(&mut state, packet),
                Wake::Report(report) if Some(report.ssrc) == state.ssrc => {
                    state.lip_sync.report(report.ntp_time, report.rtp_time);
                }
                Wake::Camera => self.camera_changed(&mut state),
                Wake::Report(_) | Wake::Tick => {}
                Wake::End => break,
            }
            while let Some(unit) = state.assembler.pop(clock::now()) {
                self.decode(&mut state, unit);
            }
            if let Some(picture) = state.lip_sync.pop(clock::now()) {
                self.pictures.put(Some(picture));
            }
        }
        self.pictures.put(None);
    }

    /// With nothing that is due in some time, only a packet wakes the thread.
    async fn wake(&mut self, due: Option<Duration>) -> Wake {
        tokio::select! {
            biased;
            camera = self.camera_on.changed() => camera.map_or(Wake::End, |()| Wake::Camera),
            event = self.track.poll() => match event {
                Some(TrackRemoteEvent::OnRtpPacket(packet)) => Wake::Packet(packet),
                Some(TrackRemoteEvent::OnRtcpPacket(packets)) => {
                    let mut packets = packets.iter().map(|packet| packet.as_any());
                    let report = packets.find_map(|packet| packet.downcast_ref::<SenderReport>());
                    report.map_or(Wake::Tick, |report| Wake::Report(report.clone()))
                }
                Some(TrackRemoteEvent::OnEnded) | None => Wake::End,
                Some(_) => Wake::Tick,
            },
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => Wake::Tick,
        }
    }

    async fn request_keyframe(&self) {
        let media_ssrc = self.track.ssrcs().await.first().copied().unwrap_or_default();
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
        if self.track.write_rtcp(vec![Box::new(request)]).await.is_err() {
            tracing::debug!("a key frame could not be asked for");
        }
    }

    fn take(&self, state: &mut State, packet: rtp::Packet) {
        self.tally.bytes_in.fetch_add(packet.payload.len() as u64, Relaxed);
        let rtp::Packet { header, payload, .. } = packet;
        let rtp::Header { ssrc, sequence_number: sequence, marker, timestamp, .. } = header;
        state.ssrc = Some(ssrc);
        let now = clock::now();
        let last = state.last_packet.replace(now);
        if last.is_some_and(|last| now.saturating_duration_since(last) > SILENCE) {
            // A request for a key frame during the silence was lost.
            state.keyframes.restart();
        }
        state.assembler.push(Packet { sequence, marker, timestamp, payload }, now);
    }

    fn decode(&self, state: &mut State, unit: Unit) {
        if state.flooded {
            return;
        }
        let Unit::Whole(stream, timestamp) = unit else { return self.lost(state) };
        if !state.budget.take_one(clock::now()) {
            return self.flood(state);
        }
        let decoded = state.decoder.decode(&stream);
        match decoded {
            Ok(Some(picture)) => {
                let size = (picture.width(), picture.height());
                if !state.budget.take_size(clock::now(), size) {
                    return self.flood(state);
                }
                state.keyframes.decoded();
                self.show(picture, timestamp, state);
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

    /// The session ends; until it has, nothing more is decoded.
    fn flood(&self, state: &mut State) {
        state.flooded = true;
        let _ = self.reports.try_send(Report::Flood);
    }

    fn lost(&self, state: &mut State) {
        count(&self.tally.frames_lost);
        state.keyframes.lost();
    }

    /// Hands a picture on, to be shown in time with its sound. Larger than any screen asks for is made
    /// smaller here, where it is in no one's way.
    fn show(&self, picture: Frame, timestamp: u32, state: &mut State) {
        self.tally.width.store(picture.width() as u32, Relaxed);
        self.tally.height.store(picture.height() as u32, Relaxed);
        if self.tally.frames_decoded.fetch_add(1, Relaxed) == 0 {
            let _ = self.reports.try_send(Report::FirstFrame);
        }
        if *self.camera_on.borrow() {
            let size = Grid::FULL.fit(picture.width(), picture.height());
            let picture = state.scaler.scale(&Arc::new(picture), size);
            let playing = self.sound.as_ref().and_then(Timing::playing);
            state.lip_sync.push(timestamp, picture, playing, clock::now());
            if let Some(sound) = &self.sound {
                sound.wait_at_least(state.lip_sync.sound_waits());
            }
        }
    }

    /// No stale picture stays when the partner's camera goes off.
    fn camera_changed(&mut self, state: &mut State) {
        if *self.camera_on.borrow_and_update() {
            state.keyframes.restart();
        } else {
            state.lip_sync.clear();
            self.pictures.put(None);
        }
    }
}
