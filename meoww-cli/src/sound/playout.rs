//! From the partner's packets to blocks for the speaker, at the speaker's pace.
//!
//! The timeline is that of the sender's timestamps. How far its play position is behind the arrival of
//! packets that nothing delays is known at any moment, whether packets come or not, and is held at
//! the delay that the jitter asks for. Position and packets meet as follows:
//!
//! 1. The next packet is due or overdue: it is decoded; an overdue one puts the position back.
//! 2. It is not due, and a packet before it is lost: the lost one is recovered from it where it is the
//!    last one missing, and concealed otherwise.
//! 3. It is not due, and none is lost (the sender was silent), or there is none: concealed, which the
//!    codec turns into background noise.

use std::time::{Duration, Instant};

use super::{
    BLOCK_SAMPLES, Block, SAMPLE_RATE, SoundError,
    codec::{Decoder, STEP_SAMPLES},
    figures::PlayoutFigures,
    jitter::{JitterBuffer, Queued},
    regulator::{Correction, FAR, Regulator},
    room::{Playing, Received},
    stretch::{Line, SHORTEN_NEEDS},
};

/// Packets that would be played later than this behind their time, in seconds, are not.
const MAX_DELAY: f64 = 0.400;

/// The receiving half of one room.
pub(crate) struct Playout {
    origin: Instant,
    decoder: Decoder,
    buffer: JitterBuffer,
    line: Line,
    /// The timestamp after the last sample in `line`; `None` before the first packet.
    position: Option<i64>,
    /// Samples concealed since the last packet: lost, late, or silence; the next packet tells.
    pending: u64,
    concealed: u64,
    /// Of [`Playout::current_delay`].
    regulator: Regulator,
    report: Option<(u64, i64)>,
    /// Seconds that the delay must be at least, for pictures that are later than sound.
    at_least: f64,
}

impl Playout {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub(crate) fn new(origin: Instant) -> Result<Self, SoundError> {
        Ok(Self {
            origin,
            decoder: Decoder::new()?,
            buffer: JitterBuffer::default(),
            line: Line::default(),
            position: None,
            pending: 0,
            concealed: 0,
            regulator: Regulator::default(),
            report: None,
            at_least: 0.0,
        })
    }

    /// Takes a packet or a report of the connection.
    pub(crate) fn receive(&mut self, received: Received) {
        match received {
            Received::Packet(packet) => {
                let arrived = self.since_origin(packet.arrived);
                if self.buffer.push(packet, arrived) {
                    (self.position, self.report, self.pending) = (None, None, 0);
                }
            }
            Received::SenderReport { ntp, timestamp } => {
                self.report = self.buffer.unwrapped(timestamp).map(|timestamp| (ntp, timestamp));
            }
        }
    }

    /// Lets packets wait at least so long.
    pub(crate) fn wait_at_least(&mut self, delay: Duration) {
        self.at_least = delay.as_secs_f64().min(MAX_DELAY / 2.0);
    }

    /// Fills the next block, to be played `now`.
    pub(crate) fn play(&mut self, now: Instant, block: &mut Block) {
        let now = self.since_origin(now);
        self.begin(now);
        while self.line.ahead() < BLOCK_SAMPLES {
            self.extend(now);
        }
        self.correct(now);
        self.line.take(block);
    }

    /// The moment of the sender's clock whose sound is next to be played; `None` before its first
    /// sender report.
    pub(crate) fn playing(&self, at: Instant) -> Option<Playing> {
        let ((ntp, timestamp), position) = (self.report?, self.position?);
        let samples = position - self.line.ahead() as i64 - timestamp;
        let fraction = i128::from(samples) * (1_i128 << 32) / i128::from(SAMPLE_RATE);
        Some(Playing { ntp: ntp.wrapping_add(fraction as u64), at })
    }

    pub(crate) fn figures(&self) -> PlayoutFigures {
        PlayoutFigures {
            counts: self.buffer.counts(),
            concealed: self.concealed,
            target: self.target(),
            delay: self.regulator.delay(),
            drift_ppm: self.buffer.drift_ppm(),
        }
    }

    fn since_origin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.origin)
    }

    fn target(&self) -> f64 {
        self.buffer.target().max(self.at_least)
    }

    /// Seconds between the arrival that nothing delays of the next sample to be played, and `now`.
    fn current_delay(&self, position: i64, now: Duration) -> f64 {
        self.buffer.delay(position - self.line.ahead() as i64, now)
    }

    /// Puts the position so far before the first packet that this waits as long as it should.
    fn begin(&mut self, now: Duration) {
        let (None, Some(first)) = (self.position, self.buffer.next()) else { return };
        let waited = self.current_delay(first.timestamp, now);
        let samples = samples(self.target() - waited).max(0) / STEP_SAMPLES as i64;
        self.position = Some(first.timestamp - samples * STEP_SAMPLES as i64);
        self.regulator.begin(self.target().max(waited));
    }

    /// Makes the line longer by one packet, or by a piece that is recovered or concealed.
    fn extend(&mut self, now: Duration) {
        let Some(position) = self.position else {
            let end = self.line.ahead() + BLOCK_SAMPLES;
            return self.fill(end);
        };
        self.drop_overdue(now);
        let Some(next) = self.buffer.next() else { return self.conceal(BLOCK_SAMPLES, position) };
        let (gap, frame) = (next.timestamp - position, next.samples);
        if gap < STEP_SAMPLES as i64 {
            return self.decode();
        }
        let excess = self.current_delay(position, now) - self.target();
        if excess > FAR {
            // There is time to make up for, and nothing better to leave out.
            self.position = Some(position + gap.min(samples(excess)));
            return;
        }
        let whole = (gap / STEP_SAMPLES as i64 * STEP_SAMPLES as i64) as usize;
        if self.buffer.is_after_loss() && gap <= frame {
            let payload = next.payload.clone();
            if !self.decoder.recover(&payload, whole, self.line.end()) {
                self.pending += whole as u64;
            }
            self.position = Some(position + whole as i64);
        } else {
            let piece = if self.buffer.is_after_loss() { gap - frame } else { gap };
            let piece = (piece.max(1) as usize).div_ceil(STEP_SAMPLES) * STEP_SAMPLES;
            self.conceal(piece.min(BLOCK_SAMPLES), position);
        }
    }

    fn fill(&mut self, ahead: usize) {
        let missing = ahead - self.line.ahead();
        let line = self.line.end();
        line.resize(line.len() + missing, 0.0);
    }

    fn conceal(&mut self, samples: usize, position: i64) {
        self.decoder.conceal(samples, self.line.end());
        self.pending += samples as u64;
        self.position = Some(position + samples as i64);
    }

    /// Decodes the next packet, wherever the position is.
    fn decode(&mut self) {
        let is_after_loss = self.buffer.is_after_loss();
        let Some(Queued { timestamp, samples, payload, .. }) = self.buffer.take() else { return };
        let is_late = self.position.is_some_and(|position| timestamp < position);
        if is_after_loss || is_late {
            self.concealed += self.pending;
        }
        self.pending = 0;
        let before = self.line.ahead();
        if !self.decoder.decode(&payload, self.line.end()) {
            let missing = (samples as usize).div_ceil(STEP_SAMPLES) * STEP_SAMPLES;
            self.decoder.conceal(missing, self.line.end());
            self.concealed += missing as u64;
        }
        let decoded = (self.line.ahead() - before) as i64;
        self.position = Some(timestamp + decoded);
    }

    /// Drops packets whose time is long past, except the newest.
    fn drop_overdue(&mut self, now: Duration) {
        while self.buffer.len() > 1
            && let Some(next) = self.buffer.next()
            && self.current_delay(next.timestamp, now) > self.target() + MAX_DELAY
        {
            self.concealed += next.samples.unsigned_abs();
            self.buffer.take();
        }
    }

    /// Moves the delay towards its target by leaving out or repeating a little.
    fn correct(&mut self, now: Duration) {
        let Some(position) = self.position else { return };
        let (delay, target) = (self.current_delay(position, now), self.target());
        let Some(Correction { excess, similarity }) = self.regulator.update(delay, target) else {
            return;
        };
        let most = samples(excess.abs()) as usize;
        let gained = if excess > 0.0 {
            while self.line.ahead() < SHORTEN_NEEDS && self.is_next_due() {
                self.decode();
            }
            self.line.shorten(most, similarity) as i64
        } else {
            -(self.line.lengthen(most, similarity) as i64)
        };
        self.regulator.corrected(gained as f64 / f64::from(SAMPLE_RATE));
    }

    fn is_next_due(&self) -> bool {
        let due = |position: i64| position + STEP_SAMPLES as i64;
        let next = self.buffer.next().map(|next| next.timestamp);
        next.zip(self.position).is_some_and(|(next, position)| next < due(position))
    }
}

/// Samples in so many seconds.
fn samples(seconds: f64) -> i64 {
    (seconds * f64::from(SAMPLE_RATE)) as i64
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;
