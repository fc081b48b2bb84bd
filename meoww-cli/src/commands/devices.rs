//! `meoww devices`. Needs no account and no server.

use serde_json::json;

use crate::{
    error::Error,
    output::Output,
    picture::source::{self, CameraInfo},
    sound::device::{self, Device, Kind},
};

pub(super) async fn run(out: Output) -> Result<(), Error> {
    // Drivers may take seconds.
    let found = tokio::task::spawn_blocking(|| Found {
        cameras: source::cameras().map_err(Error::from),
        microphones: device::list(Kind::Microphone).map_err(Error::from),
        speakers: device::list(Kind::Speaker).map_err(Error::from),
    });
    let found = found.await.map_err(|error| Error::Other(error.to_string()))?;
    out.result(&found.text(), &found.data()).map_err(|error| Error::Other(error.to_string()))
}

/// What there is of each, or why nothing can be said.
struct Found {
    cameras: Result<Vec<CameraInfo>, Error>,
    microphones: Result<Vec<Device>, Error>,
    speakers: Result<Vec<Device>, Error>,
}

impl Found {
    fn text(&self) -> String {
        [
            section("Cameras, for --camera", &self.cameras, |camera| {
                (camera.name.clone(), camera.description.to_string())
            }),
            section("Microphones, for --mic", &self.microphones, line),
            section("Speakers, for --speaker", &self.speakers, line),
        ]
        .join("\n")
    }

    fn data(&self) -> serde_json::Value {
        let problems = [
            problem("cameras", &self.cameras),
            problem("microphones", &self.microphones),
            problem("speakers", &self.speakers),
        ];
        json!({
            "cameras": entries(&self.cameras),
            "microphones": entries(&self.microphones),
            "speakers": entries(&self.speakers),
            "problems": problems.into_iter().flatten().collect::<Vec<_>>(),
        })
    }
}

fn line(device: &Device) -> (String, String) {
    let default = if device.is_default { " (default)" } else { "" };
    (device.name.clone(), format!("{}{default}", device.description))
}

fn section<T>(
    title: &str,
    found: &Result<Vec<T>, Error>,
    line: impl Fn(&T) -> (String, String),
) -> String {
    let lines: Vec<_> = match found {
        Ok(found) if found.is_empty() => vec!["  none".to_owned()],
        Ok(found) => {
            let lines: Vec<_> = found.iter().map(line).collect();
            let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            lines.iter().map(|(name, text)| format!("  {name:width$}  {text}")).collect()
        }
        Err(error) => vec![format!("  none: {error}")],
    };
    format!("{title}:\n{}", lines.join("\n"))
}

fn entries<T>(found: &Result<Vec<T>, Error>) -> &[T] {
    found.as_deref().unwrap_or_default()
}

fn problem<T>(of: &str, found: &Result<Vec<T>, Error>) -> Option<serde_json::Value> {
    let error = found.as_ref().err()?;
    Some(json!({"of": of, "code": error.code().1, "error": error.to_string()}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{picture::source::SourceError, sound::device::DeviceError, text::SafeText};

    fn device(name: &str, description: &str, is_default: bool) -> Device {
        let description = SafeText::new(description);
        Device { name: name.to_owned(), description, is_default, is_monitor: false }
    }

    fn found() -> Found {
        let description = SafeText::new("Integrated Camera");
        Found {
            cameras: Ok(vec![CameraInfo { name: "0".to_owned(), description }]),
            microphones: Ok(vec![
                device("alsa_input.pci", "Built-in Audio", true),
                device("usb", "Jabra\u{1b}[2J", false),
            ]),
            speakers: Ok(Vec::new()),
        }
    }

    #[test]
    fn names_stand_where_they_can_be_copied_from() {
        let expected = "\
Cameras, for --camera:
  0  Integrated Camera
Microphones, for --mic:
  alsa_input.pci  Built-in Audio (default)
  usb             Jabra[2J
Speakers, for --speaker:
  none";
        assert_eq!(found().text(), expected);
        assert_eq!(
            found().data(),
            json!({
                "cameras": [{"name": "0", "description": "Integrated Camera"}],
                "microphones": [
                    {"name": "alsa_input.pci", "description": "Built-in Audio", "default": true},
                    {"name": "usb", "description": "Jabra[2J", "default": false},
                ],
                "speakers": [],
                "problems": [],
            })
        );
    }

    #[test]
    fn a_build_without_sound_or_cameras_says_so() {
        let found = Found {
            cameras: Err(SourceError::CameraUnsupported.into()),
            microphones: Err(DeviceError::Unsupported.into()),
            speakers: Err(DeviceError::NoSystem { reason: "none".to_owned() }.into()),
        };
        assert!(
            found.text().starts_with("Cameras, for --camera:\n  none: This build has no camera")
        );
        assert!(found.text().contains("Microphones, for --mic:\n  none: This build has no micro"));
        let codes = found.data()["problems"].as_array().unwrap().clone();
        let codes: Vec<_> = codes.iter().map(|problem| problem["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["no-camera-support", "no-sound-support", "no-sound-system"]);
    }
}
