//! The receiving half of a call: RTP -> picture -> decode -> slot, on a thread of its own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use meoww_paint::Frame;
use rtc::{rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication, rtp};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::{
    super::stats::{Tally, count},
    assemble::{Assembler, Packet, Unit},
};
use crate::{clock, picture::decode::Decoder};

/// Between two key frame requests while there is no picture.
const REQUEST_GAP: Duration = Duration::from_millis(200);
/// How often to look whether a missing packet, or a request, is due.
const TICK: Duration = Duration::from_millis(20);

/// All the thread needs.
pub(in crate::peer) struct Receiver {
    pub(in crate::peer) track: Arc<dyn TrackRemote>,
    pub(in crate::peer) ssrc: u32,
    pub(in crate::peer) pictures: watch::Sender<Option<Arc<Frame>>>,
    /// Whether the partner says its camera is on. The thread ends when the other end is dropped.
    pub(in crate::peer) camera_on: watch::Receiver<bool>,
    pub(in crate::peer) tally: Arc<Tally>,
    /// Told once, of the first picture.
    pub(in crate::peer) first: mpsc::Sender<()>,
}

/// Why the thread woke up.
enum Wake {
    Packet(rtp::Packet),
    Camera,
    Tick,
    End,
}

/// Whether a key frame has to be asked for.
struct Keyframes {
    needed: bool,
    asked: Option<Instant>,
}

impl Keyframes {
    /// Whether to ask for one that is needed now; counts as asked.
    fn ask(&mut self, now: Instant) -> bool {
        let recent = |asked| now.saturating_duration_since(asked) < REQUEST_GAP;
        let ask = !self.asked.is_some_and(recent);
        if ask {
            self.asked = Some(now);
        }
        ask
    }
}

impl Receiver {
    /// Runs until the session or the track ends.
    pub(in crate::peer) fn run(mut self, runtime: &Handle) {
        let Ok(mut decoder) = Decoder::new() else {
            tracing::warn!("the video decoder does not start");
            return;
        };
        let mut assembler = Assembler::default();
        // The first packets may have come before the track was there: a key frame is needed anyway.
        let mut keyframes = Keyframes { needed: true, asked: None };
        loop {
            // A camera that is off has none to give.
            let expecting = keyframes.needed && *self.camera_on.borrow();
            if expecting && keyframes.ask(clock::now()) {
                count(&self.tally.keyframes_requested);
                runtime.block_on(self.request_keyframe());
            }
            let wake = runtime.block_on(self.wake(!assembler.is_idle() || expecting));
            match wake {
                Wake::Packet(packet) => self.take(&mut assembler, packet),
                Wake::Camera => self.camera_changed(),
                Wake::Tick => {}
                Wake::End => break,
            }
            while let Some(unit) = assembler.pop(clock::now()) {
                self.decode(&mut decoder, unit, &mut keyframes);
            }
        }
        self.pictures.send_replace(None);
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
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc: self.ssrc };
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

    fn decode(&self, decoder: &mut Decoder, unit: Unit, keyframes: &mut Keyframes) {
        let decoded = match unit {
            Unit::Whole(stream) => decoder.decode(&stream).ok(),
            Unit::Lost => None,
        };
        match decoded {
            Some(Some(picture)) => {
                keyframes.needed = false;
                self.show(picture);
            }
            // Parameter sets, or padding.
            Some(None) => {}
            None => {
                count(&self.tally.frames_lost);
                keyframes.needed = true;
            }
        }
    }

    fn show(&self, picture: Frame) {
        self.tally.width.store(picture.width() as u32, Relaxed);
        self.tally.height.store(picture.height() as u32, Relaxed);
        if self.tally.frames_decoded.fetch_add(1, Relaxed) == 0 {
            // Its queue has room for the only message it ever gets.
            let _ = self.first.try_send(());
        }
        if *self.camera_on.borrow() {
            self.pictures.send_replace(Some(Arc::new(picture)));
        }
    }

    /// No stale picture stays when the partner's camera goes off.
    fn camera_changed(&mut self) {
        if !*self.camera_on.borrow_and_update() {
            self.pictures.send_replace(None);
        }
    }
}
