//! Opens a device.

use std::{sync::Arc, thread::Thread, time::Duration};

use cpal::{ErrorKind, SupportedStreamConfig, traits::StreamTrait};

use super::{
    Host, device_error,
    format::{self, End},
    name,
};
use crate::sound::device::{
    DeviceError, Kind,
    stream::{Counters, Ring, Stream},
};

/// How long the sound system may take to set up a stream.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Milliseconds between two callbacks of a microphone and of a speaker. A speaker that is late is
/// heard, and the scheduler of a busy machine is late.
const PERIODS: (u32, u32) = (10, 20);

/// Holds a device open.
pub(in crate::sound::device) struct Held {
    _stream: cpal::Stream,
    host: Host,
    kind: Kind,
    name: String,
}

impl Held {
    /// Whether the device is still there. PulseAudio plays on another one when it is unplugged, and does
    /// not say so; other systems do.
    pub(in crate::sound::device) fn is_there(&self) -> bool {
        !self.host.is_pulseaudio() || self.host.named(self.kind, &self.name).is_ok()
    }
}

/// Opens the device of that name, or the default one, and starts it. May take as long as the driver
/// likes. `reader` is woken when it has worked.
pub(in crate::sound::device) fn start(
    kind: Kind,
    wanted: Option<&str>,
    reader: Thread,
) -> Result<(Held, Stream), DeviceError> {
    let host = Host::open()?;
    let device = match wanted {
        Some(name) => host.named(kind, name)?,
        None => host.default(kind)?,
    };
    let name = name(&device).unwrap_or_default();
    let failed = |error: cpal::Error| device_error(kind, &name, &error);
    let offered = format::choose(&device, kind).map_err(failed)?;
    let counters = Arc::<Counters>::default();
    let build = Build { device: &device, kind, offered: &offered, counters: &counters, reader };
    let (stream, ring) = build.any().map_err(failed)?;
    stream.play().map_err(failed)?;
    tracing::info!(%kind, name, ?offered, "device opened");
    let held = Held { _stream: stream, host, kind, name: name.clone() };
    Ok((held, Stream::new(name, offered.sample_rate(), ring, counters)))
}

struct Build<'a> {
    device: &'a cpal::Device,
    kind: Kind,
    offered: &'a SupportedStreamConfig,
    counters: &'a Arc<Counters>,
    reader: Thread,
}

impl Build<'_> {
    /// With short periods if the device has them.
    fn any(&self) -> Result<(cpal::Stream, Ring), cpal::Error> {
        let milliseconds = if self.kind == Kind::Microphone { PERIODS.0 } else { PERIODS.1 };
        self.with(format::with_period(self.offered, milliseconds)).or_else(|error| {
            match error.kind() {
                ErrorKind::UnsupportedConfig => self.with(self.offered.config()),
                _ => Err(error),
            }
        })
    }

    fn with(&self, config: cpal::StreamConfig) -> Result<(cpal::Stream, Ring), cpal::Error> {
        let (counters, reader) = (self.counters.clone(), self.reader.clone());
        let failure = counters.clone();
        let on_error = move |error: cpal::Error| note(&error, &failure);
        let format = self.offered.sample_format();
        let (producer, consumer) = rtrb::RingBuffer::new(self.offered.sample_rate() as usize / 5);
        Ok(match self.kind {
            Kind::Microphone => {
                let end = End { ring: producer, counters, reader };
                let held = format::record(self.device, format, config, end, on_error)?;
                (held, Ring::Recorded(consumer))
            }
            Kind::Speaker => {
                let end = End { ring: consumer, counters, reader };
                let held = format::play(self.device, format, config, end, on_error)?;
                (held, Ring::ToPlay(producer))
            }
        })
    }
}

/// A gap is no reason to open the device again, and neither is one error: ALSA's plugin for PulseAudio
/// has one where there was nothing to play in time.
fn note(error: &cpal::Error, counters: &Counters) {
    tracing::debug!(%error, "device");
    match error.kind() {
        ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
        ErrorKind::DeviceNotAvailable
        | ErrorKind::HostUnavailable
        | ErrorKind::PermissionDenied
        | ErrorKind::StreamInvalidated => counters.fail(),
        _ => {
            counters.add_error();
            // It may be repeated without end, at the pace of a processor.
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}
