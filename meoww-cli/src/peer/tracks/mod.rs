//! Media that is sent and received, by kind: video on one thread each way, from and to the slots
//! of pictures; sound in one task each way, from and to the room's sound.

pub(crate) mod assemble;
mod depacketize;
#[cfg(test)]
mod in_step_tests;
pub(super) mod keyframes;
pub(super) mod lip_sync;
mod receive;
mod send;
pub(super) mod shape;
mod sound;
pub(super) mod stream;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use anyhow::Context;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use webrtc::media_stream::track_remote::TrackRemote;

pub(super) use self::receive::Report;
use self::{
    receive::Receiver,
    send::{Orders, Sender},
    sound::Sound,
    stream::LocalTrack,
};
use super::{PeerMedia, PeerSound, stats::Tally, threads::Threads};
use crate::picture::{
    slot::{FrameSlot, RoomSlot},
    wanted::Wanted,
};

/// First picture, and what is refused; each is reported once.
const REPORTS: usize = 4;

/// Events for the session.
pub(super) enum TracksEvent {
    Report(Report),
    /// What this side can show has changed.
    Wanted,
    /// This side's camera was switched.
    Camera,
    /// This side's sound was switched.
    Sound,
}

pub(super) struct Tracks {
    local: FrameSlot,
    remote: RoomSlot,
    wanted: watch::Receiver<Wanted>,
    sound: Sound,
    sound_on: watch::Receiver<bool>,
    orders: watch::Sender<Orders>,
    /// Whether the partner's camera is on, as it says.
    partner_camera: watch::Sender<bool>,
    reports: mpsc::Receiver<Report>,
    /// Given to the receiving thread, when there is one.
    reporter: Option<mpsc::Sender<Report>>,
    threads: Threads,
    /// Read so that their queues do not fill up, of which the library would complain.
    discarded: JoinSet<()>,
    tally: Arc<Tally>,
}

impl Tracks {
    /// # Errors
    ///
    /// When there is no thread for the encoder.
    pub(super) fn start(
        media: PeerMedia,
        video: LocalTrack,
        sound: LocalTrack,
        (estimate, twice): (watch::Receiver<u32>, watch::Receiver<bool>),
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let PeerMedia { local, remote, wanted, sound: PeerSound { room, on: sound_on }, .. } =
            media;
        let orders = Orders { payload_type: None, wanted: Wanted::ALL, with_sound: false };
        let (orders, ordered) = watch::channel(orders);
        let (reporter, reports) = mpsc::channel(REPORTS);
        let sound = Sound::new(room, sound, estimate.clone(), tally.clone());
        let sender = Sender {
            pictures: local.clone(),
            orders: ordered,
            estimate,
            twice,
            track: video,
            tally: tally.clone(),
        };
        let mut threads = Threads::new();
        threads
            .start("meoww-encode", move |runtime| sender.run(runtime))
            .context("starting the encoder's thread")?;
        Ok(Self {
            local,
            remote,
            wanted,
            sound,
            sound_on,
            orders,
            partner_camera: watch::channel(true).0,
            reports,
            reporter: Some(reporter),
            threads,
            discarded: JoinSet::new(),
            tally,
        })
    }

    /// Begins to send pictures.
    pub(super) fn send(&self, payload_type: u8) {
        self.orders.send_modify(|orders| orders.payload_type = Some(payload_type));
    }

    /// Begins to send sound.
    pub(super) fn send_sound(&mut self, payload_type: u8) {
        self.sound.send(payload_type);
        self.follow_sound();
    }

    /// Lets the partner hear this side, from now on.
    pub(super) fn go_live(&self) {
        self.sound.go_live();
    }

    /// Returns whether this side's sound is on: then, it takes its share of the path.
    pub(super) fn follow_sound(&mut self) -> bool {
        let on = *self.sound_on.borrow_and_update();
        let with_sound = on && self.sound.is_sending();
        self.orders.send_if_modified(|orders| {
            std::mem::replace(&mut orders.with_sound, with_sound) != with_sound
        });
        on
    }

    /// Sets what the partner can show.
    pub(super) fn set_partner_wanted(&self, wanted: Wanted) {
        self.orders
            .send_if_modified(|orders| std::mem::replace(&mut orders.wanted, wanted) != wanted);
    }

    /// Returns whether that is news.
    pub(super) fn set_partner_camera(&self, on: bool) -> bool {
        self.partner_camera.send_if_modified(|was| std::mem::replace(was, on) != on)
    }

    /// The partner sends a track. The first of video is shown, and the first of sound is heard.
    ///
    /// # Errors
    ///
    /// When there is no thread for the decoder.
    pub(super) async fn receive(&mut self, track: Arc<dyn TrackRemote>) -> std::io::Result<()> {
        let kind = track.kind().await;
        let track = match kind {
            RtpCodecKind::Audio => self.sound.receive(track),
            _ => Some(track),
        };
        let Some(track) = track else { return Ok(()) };
        let Some(reporter) = self.reporter.take_if(|_| kind == RtpCodecKind::Video) else {
            self.discarded.spawn(async move { while track.poll().await.is_some() {} });
            return Ok(());
        };
        let receiver = Receiver {
            track,
            pictures: self.remote.clone(),
            camera_on: self.partner_camera.subscribe(),
            tally: self.tally.clone(),
            sound: self.sound.timing(),
            reports: reporter,
        };
        self.threads.start("meoww-decode", move |runtime| receiver.run(runtime))
    }

    /// Waits for the next event for the session. `told` is what the partner was told about this side's
    /// camera; without it, there is no channel to tell the partner anything.
    pub(super) async fn next(&mut self, told: Option<bool>) -> TracksEvent {
        let Self { wanted, local, sound_on, .. } = self;
        let is_told = |picture: &Option<_>| picture.is_some() == told.unwrap_or_default();
        tokio::select! {
            report = next_report(&mut self.reports) => TracksEvent::Report(report),
            Ok(()) = wanted.changed(), if told.is_some() => TracksEvent::Wanted,
            Ok(_) = local.wait_for(|picture| !is_told(picture)), if told.is_some() => TracksEvent::Camera,
            Ok(()) = sound_on.changed() => TracksEvent::Sound,
        }
    }

    /// Whether the partner should be seen by now and is not, though its camera is said to be on.
    pub(super) fn lacks_picture(&self) -> bool {
        *self.partner_camera.borrow() && self.tally.frames_decoded.load(Relaxed) == 0
    }

    /// Whether anything came at all.
    pub(super) fn receives(&self) -> bool {
        self.tally.bytes_in.load(Relaxed) > 0
    }

    /// What this side can show.
    pub(super) fn wanted(&mut self) -> Wanted {
        *self.wanted.borrow_and_update()
    }

    /// Whether this side's camera is on.
    pub(super) fn camera(&mut self) -> bool {
        self.local.borrow_and_update().is_some()
    }

    /// Ends the threads, which must not be waited for before their tracks are closed, and the tasks.
    pub(super) fn stop(self) -> Threads {
        self.threads
    }
}

/// Never, once the receiving thread has ended.
async fn next_report(reports: &mut mpsc::Receiver<Report>) -> Report {
    match reports.recv().await {
        Some(report) => report,
        None => std::future::pending().await,
    }
}
