//! Resolves a name on the command line to a device.

use super::{Device, DeviceError, Kind};
use crate::text::SafeText;

/// The one device that matches best: by its whole name or description, else by a part of one; and
/// the monitor of a speaker only if nothing else matches. Letters are compared without case.
pub(super) fn find<'a>(
    kind: Kind,
    wanted: &str,
    devices: &'a [Device],
) -> Result<&'a Device, DeviceError> {
    let lower = wanted.to_lowercase();
    let ranked: Vec<_> = devices.iter().filter_map(|d| Some((rank(&lower, d)?, d))).collect();
    let best = ranked.iter().map(|(rank, _)| *rank).min();
    let matching: Vec<_> = ranked.iter().filter(|(rank, _)| Some(*rank) == best).collect();
    let wanted = SafeText::new(wanted).to_string();
    match matching.as_slice() {
        [(_, device)] => Ok(device),
        [] => Err(DeviceError::NotFound { kind, wanted, available: shown(devices) }),
        several => {
            let matching = shown(several.iter().map(|(_, device)| *device));
            Err(DeviceError::Ambiguous { kind, wanted, matching })
        }
    }
}

/// How well a device matches, the best first.
fn rank(lower: &str, device: &Device) -> Option<u8> {
    let names = [device.name.to_lowercase(), device.description.as_str().to_lowercase()];
    if names.iter().any(|name| name == lower) {
        return Some(0);
    }
    let is_part = !lower.is_empty() && names.iter().any(|name| name.contains(lower));
    is_part.then_some(if device.is_monitor { 2 } else { 1 })
}

fn shown<'a>(devices: impl IntoIterator<Item = &'a Device>) -> Vec<String> {
    devices.into_iter().map(|device| SafeText::new(&device.name).to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> Vec<Device> {
        [
            ("alsa_input.pci.analog", "Built-in Audio", false),
            ("alsa_input.usb-Jabra.mono", "Jabra Link 380", false),
            ("alsa_output.usb-Jabra.monitor", "Monitor of Jabra Link 380", true),
            ("usb", "Other", false),
        ]
        .map(|(name, description, is_monitor)| Device {
            name: name.to_owned(),
            description: SafeText::new(description),
            is_default: false,
            is_monitor,
        })
        .to_vec()
    }

    #[test]
    fn a_name_a_description_or_a_part_is_enough() {
        let devices = devices();
        let found = |wanted: &str| {
            let found = names_find(wanted, &devices);
            found.unwrap_or_else(|error| panic!("{wanted}: {error}"))
        };
        assert_eq!(found("alsa_input.pci.analog"), "alsa_input.pci.analog");
        assert_eq!(found("built-in audio"), "alsa_input.pci.analog");
        assert_eq!(found("jabra"), "alsa_input.usb-Jabra.mono", "and not the monitor");
        assert_eq!(found("USB"), "usb", "a whole name before a part");
        assert_eq!(found("monitor of"), "alsa_output.usb-Jabra.monitor");
    }

    fn names_find(wanted: &str, devices: &[Device]) -> Result<String, DeviceError> {
        find(Kind::Microphone, wanted, devices).map(|device| device.name.clone())
    }

    #[test]
    fn what_cannot_be_decided_is_said_with_the_names_there_are() {
        let devices = devices();
        assert_eq!(
            names_find("alsa_input", &devices).unwrap_err().to_string(),
            "Several microphones match \"alsa_input\": alsa_input.pci.analog, \
             alsa_input.usb-Jabra.mono. Give more of the name."
        );
        assert_eq!(
            names_find("webcam\u{1b}[2J", &devices[..1]).unwrap_err().to_string(),
            "There is no microphone \"webcam[2J\". There is alsa_input.pci.analog. \
             A file is named with its folder: ./FILE.wav"
        );
        assert_eq!(
            find(Kind::Speaker, "x", &[]).unwrap_err().to_string(),
            "There is no speaker \"x\". There are none; see `meoww devices`. \
             A file is named with its folder: ./FILE.wav"
        );
        assert!(names_find("", &devices).is_err());
    }
}
