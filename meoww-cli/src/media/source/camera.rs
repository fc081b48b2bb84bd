//! Pictures from a webcam.

use nokhwa::{
    Buffer, Camera, NokhwaError,
    pixel_format::RgbFormat,
    query,
    utils::{
        ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
        Resolution,
    },
};
use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPackedImage, YuvPlanarImageMut, YuvRange,
    YuvStandardMatrix,
};

use super::{Pictures, SourceError, worker::Stop};
use crate::media::frame::Frame;

/// More than a terminal shows, and little enough for any bus.
const RESOLUTION: (u32, u32) = (640, 480);
const RATE: u32 = 30;
/// In order of preference: the first costs no decoding.
const FORMATS: [FrameFormat; 4] =
    [FrameFormat::YUYV, FrameFormat::MJPEG, FrameFormat::NV12, FrameFormat::RAWRGB];
/// Larger pictures are not taken.
const MAX_SIDE: u32 = 4096;

/// Numbers of the webcams there are, in order.
pub(super) fn indices() -> Vec<u32> {
    let cameras = query(ApiBackend::Auto).unwrap_or_default();
    let mut indices: Vec<_> =
        cameras.iter().filter_map(|camera| camera.index().as_index().ok()).collect();
    indices.sort_unstable();
    indices
}

/// An open webcam.
pub(super) struct Webcam(Camera);

impl Webcam {
    pub(super) fn open(index: u32) -> Result<Self, SourceError> {
        if !indices().contains(&index) {
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
    fn next(&mut self, stop: &Stop) -> Option<Frame> {
        loop {
            match self.0.frame() {
                Ok(buffer) => {
                    if let Some(picture) = convert(&buffer) {
                        return Some(picture);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the camera is gone");
                    return None;
                }
            }
            if stop.wait(std::time::Duration::ZERO) {
                return None;
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
    match buffer.source_frame_format() {
        FrameFormat::YUYV => from_yuyv(buffer, width, height),
        FrameFormat::MJPEG
        | FrameFormat::NV12
        | FrameFormat::GRAY
        | FrameFormat::RAWRGB
        | FrameFormat::RAWBGR => from_any(buffer, width, height),
    }
}

fn from_yuyv(buffer: &Buffer, width: u32, height: u32) -> Option<Frame> {
    let packed = YuvPackedImage {
        yuy: buffer.buffer(),
        yuy_stride: buffer.resolution().width() * 2,
        width,
        height,
    };
    let mut frame = Frame::black(width as usize, height as usize);
    yuv::yuyv422_to_yuv420(&mut planar(&mut frame), &packed).ok()?;
    Some(frame)
}

fn from_any(buffer: &Buffer, width: u32, height: u32) -> Option<Frame> {
    let rgb = buffer.decode_image::<RgbFormat>().ok()?;
    if rgb.width() < width || rgb.height() < height {
        return None;
    }
    let mut frame = Frame::black(width as usize, height as usize);
    yuv::rgb_to_yuv420(
        &mut planar(&mut frame),
        &rgb,
        rgb.width() * 3,
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
        YuvConversionMode::default(),
    )
    .ok()?;
    Some(frame)
}

fn planar(frame: &mut Frame) -> YuvPlanarImageMut<'_, u8> {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let [y, u, v] = frame.planes_mut();
    YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: width / 2,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: width / 2,
        width,
        height,
    }
}
