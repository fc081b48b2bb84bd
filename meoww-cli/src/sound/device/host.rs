//! The sound system of this machine, by `cpal`.

mod format;
mod open;
mod quiet;

use cpal::{
    ErrorKind,
    traits::{DeviceTrait, HostTrait},
};

pub(super) use self::open::{Held, start};
use super::{Device, DeviceError, Kind};
use crate::text::SafeText;

/// Entries of ALSA's list that are no devices: converters, parts of cards, and devices that bypass its mixer.
/// The device behind each is listed as `plughw`.
const ALSA_PLUMBING: [&str; 23] = [
    "center_lfe",
    "dmix",
    "dsnoop",
    "front",
    "hdmi",
    "hw",
    "iec958",
    "jack",
    "lavrate",
    "modem",
    "null",
    "oss",
    "phoneline",
    "rear",
    "samplerate",
    "side",
    "spdif",
    "speex",
    "speexrate",
    "sysdefault",
    "upmix",
    "usbstream",
    "vdownmix",
];

/// PulseAudio or PipeWire where one of them runs, else the system's own: ALSA, Core Audio or
/// WASAPI.
pub(super) struct Host(cpal::Host);

impl Host {
    pub(super) fn open() -> Result<Self, DeviceError> {
        quiet::silence();
        let mut reason = String::new();
        for id in cpal::ALL_HOSTS {
            match cpal::host_from_id(*id) {
                Ok(host) => return Ok(Self(host)),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(DeviceError::NoSystem { reason: SafeText::new(&reason).to_string() })
    }

    pub(super) fn list(&self, kind: Kind) -> Result<Vec<Device>, DeviceError> {
        let default = self.default(kind).ok().and_then(|device| name(&device));
        let (devices, others) = (self.devices(kind)?, self.devices(kind.other())?);
        // ALSA's library is there on every Linux, also where nothing else is.
        if !self.is_pulseaudio() && devices.is_empty() && others.is_empty() {
            return Err(DeviceError::NoSystem { reason: "no sound card".to_owned() });
        }
        let devices = devices.into_iter().filter_map(|device| {
            let name = name(&device)?;
            let description = device.description().ok()?;
            Some(Device {
                description: SafeText::new(description.name()),
                is_default: default.as_ref() == Some(&name),
                is_monitor: is_monitor(&name),
                name,
            })
        });
        Ok(devices.collect())
    }

    /// The device that is used unless another is named.
    fn default(&self, kind: Kind) -> Result<cpal::Device, DeviceError> {
        let device = match kind {
            Kind::Microphone => self.0.default_input_device(),
            Kind::Speaker => self.0.default_output_device(),
        };
        // Without a microphone, PulseAudio offers the monitor of a speaker.
        let is_real = |device: &cpal::Device| name(device).is_some_and(|name| !is_monitor(&name));
        device.filter(is_real).ok_or(DeviceError::Missing { kind })
    }

    fn named(&self, kind: Kind, wanted: &str) -> Result<cpal::Device, DeviceError> {
        let mut devices = self.devices(kind)?.into_iter();
        let found = devices.find(|device| name(device).as_deref() == Some(wanted));
        found.ok_or_else(|| DeviceError::Gone { kind, name: SafeText::new(wanted).to_string() })
    }

    fn is_pulseaudio(&self) -> bool {
        self.0.id().name() == "PulseAudio"
    }

    fn devices(&self, kind: Kind) -> Result<Vec<cpal::Device>, DeviceError> {
        let found = match kind {
            Kind::Microphone => self.0.input_devices().map(Iterator::collect),
            Kind::Speaker => self.0.output_devices().map(Iterator::collect),
        };
        let mut found: Vec<cpal::Device> =
            found.map_err(|error| DeviceError::NoSystem { reason: safe(&error) })?;
        found.retain(|device| name(device).is_some_and(|name| !is_plumbing(&name)));
        Ok(found)
    }
}

/// The name that a device keeps.
fn name(device: &cpal::Device) -> Option<String> {
    device.id().ok().map(|id| id.id().to_owned())
}

/// Why a device does not open or work.
fn device_error(kind: Kind, name: &str, error: &cpal::Error) -> DeviceError {
    let name = SafeText::new(name).to_string();
    match error.kind() {
        ErrorKind::DeviceBusy => DeviceError::Busy { kind, name },
        ErrorKind::PermissionDenied => DeviceError::Denied { kind, name },
        // A machine without a sound card has ALSA's default all the same.
        ErrorKind::DeviceNotAvailable if name == "default" => {
            DeviceError::NoSystem { reason: "no sound card".to_owned() }
        }
        ErrorKind::DeviceNotAvailable => DeviceError::Gone { kind, name },
        ErrorKind::HostUnavailable => DeviceError::NoSystem { reason: safe(error) },
        _ => DeviceError::Unusable { kind, name, reason: safe(error) },
    }
}

fn safe(error: &cpal::Error) -> String {
    SafeText::new(&error.to_string()).to_string()
}

fn is_monitor(name: &str) -> bool {
    name.ends_with(".monitor")
}

fn is_plumbing(name: &str) -> bool {
    let (plugin, card) = name.split_once(":CARD=").unwrap_or((name, ""));
    // Cards are listed by name and once more by number, which changes.
    let is_number = card.split(',').next().is_some_and(|card| card.parse::<u32>().is_ok());
    is_number || ALSA_PLUMBING.contains(&plugin) || plugin.starts_with("surround")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_a_device_says_what_to_do() {
        for (kind, expected) in [
            (ErrorKind::DeviceBusy, "The speaker usb is held by another program. Close that,"),
            (ErrorKind::PermissionDenied, "The speaker usb may not be used by you. Allow it"),
            (ErrorKind::DeviceNotAvailable, "The speaker usb is gone."),
            (ErrorKind::UnsupportedConfig, "The speaker usb does not open ("),
        ] {
            let error =
                device_error(Kind::Speaker, "usb\u{1b}", &cpal::Error::new(kind)).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    /// As `aplay -L` and cpal list them for a laptop with PipeWire's ALSA plugin.
    #[test]
    fn of_what_alsa_lists_each_device_is_left_once() {
        let listed = [
            "null",
            "default",
            "pipewire",
            "lavrate",
            "samplerate",
            "speexrate",
            "jack",
            "oss",
            "pulse",
            "speex",
            "upmix",
            "vdownmix",
            "sysdefault:CARD=PCH",
            "front:CARD=PCH,DEV=0",
            "surround51:CARD=PCH,DEV=0",
            "iec958:CARD=PCH,DEV=0",
            "dmix:CARD=PCH,DEV=0",
            "dsnoop:CARD=PCH,DEV=0",
            "hw:CARD=PCH,DEV=0",
            "plughw:CARD=PCH,DEV=0",
            "usbstream:CARD=PCH",
            "hw:CARD=0,DEV=0",
            "plughw:CARD=0,DEV=0",
        ];
        let left: Vec<_> = listed.into_iter().filter(|name| !is_plumbing(name)).collect();
        assert_eq!(left, ["default", "pipewire", "pulse", "plughw:CARD=PCH,DEV=0"]);
        assert!(!is_plumbing("alsa_output.pci-0000_00_1f.3.analog-stereo"));
    }
}
