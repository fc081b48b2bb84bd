//! Pictures from a webcam.

use std::sync::Arc;

use meoww_paint::Frame;
use nokhwa::{
    Buffer, Camera, NokhwaError,
    pixel_format::RgbFormat,
    query,
    utils::{
        ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
        Resolution,
    },
};

use super::{Next, Pictures, SourceError, worker::Stop};

/// More than a terminal shows, and little enough for any bus.
const RESOLUTION: (u32, u32) = (640, 480);
const RATE: u32 = 30;
/// In order of preference: the first costs no decoding.
const FORMATS: [FrameFormat; 4] =
    [FrameFormat::YUYV, FrameFormat::MJPEG, FrameFormat::NV12, FrameFormat::RAWRGB];
/// Larger pictures are not taken.
const MAX_SIDE: u32 = 4096;

/// Numbers and names of the webcams there are, in order.
pub(super) fn list() -> Vec<(u32, String)> {
    let cameras = query(ApiBackend::Auto).unwrap_or_default();
    let mut found: Vec<_> = cameras
        .iter()
        .filter_map(|camera| Some((camera.index().as_index().ok()?, camera.human_name())))
        .collect();
    found.sort_unstable();
    found
}

/// An open webcam.
pub(super) struct Webcam(Camera);

impl Webcam {
    pub(super) fn open(index: u32) -> Result<Self, SourceError> {
        if !list().iter().any(|(listed, _)| *listed == index) {
            return Err(SourceError::NoCamera(index));
        }
        let busy =
            |error: NokhwaError| SourceError::CameraBusy { index, reason: error.to_string() };
        let mut camera = closest(index).map_err(busy)?;
        camera.open_stream().map_err(busy)?;
        Ok(Self(camera))
    }
}

/// Near the wanted resolution, in the first format that the device has.
fn closest(index: u32) -> Result<Camera, NokhwaError> {
    let open = |request| {
        let format = RequestedFormat::new::<RgbFormat>(request);
        Camera::new(CameraIndex::Index(index), format)
    };
    let resolution = Resolution::new(RESOLUTION.0, RESOLUTION.1);
    FORMATS
        .into_iter()
        .map(|format| RequestedFormatType::Closest(CameraFormat::new(resolution, format, RATE)))
        .find_map(|request| open(request).ok())
        .map_or_else(|| open(RequestedFormatType::None), Ok)
}

impl Pictures for Webcam {
    /// Leaves out what cannot be decoded: cameras begin with half pictures.
    fn next(&mut self, stop: &Stop) -> Next {
        loop {
            let buffer = self.0.frame().map_err(|e| SourceError::CameraGone(e.to_string()))?;
            if let Some(picture) = convert(&buffer) {
                return Ok(Some(Arc::new(picture)));
            }
            if stop.wait(std::time::Duration::ZERO) {
                return Ok(None);
            }
        }
    }
}

fn convert(buffer: &Buffer) -> Option<Frame> {
    let resolution = buffer.resolution();
    let (width, height) = (resolution.width() & !1, resolution.height() & !1);
    if !(2..=MAX_SIDE).contains(&width) || !(2..=MAX_SIDE).contains(&height) {
        return None;
    }
    let (width, height) = (width as usize, height as usize);
    match buffer.source_frame_format() {
        FrameFormat::YUYV => {
            let stride = resolution.width() as usize * 2;
            Frame::from_yuyv(width, height, buffer.buffer(), stride)
        }
        FrameFormat::MJPEG
        | FrameFormat::NV12
        | FrameFormat::GRAY
        | FrameFormat::RAWRGB
        | FrameFormat::RAWBGR => {
            let rgb = buffer.decode_image::<RgbFormat>().ok()?;
            let wide_enough = rgb.width() as usize >= width;
            wide_enough.then(|| Frame::from_rgb(width, height, &rgb, rgb.width() as usize * 3))?
        }
    }
}
