//! A build without the feature `sound` has no devices.

use std::thread::Thread;

use super::{Device, DeviceError, Kind, stream::Stream};

pub(super) enum Host {}

impl Host {
    pub(super) fn open() -> Result<Self, DeviceError> {
        Err(DeviceError::Unsupported)
    }

    pub(super) fn list(&self, _: Kind) -> Result<Vec<Device>, DeviceError> {
        match *self {}
    }
}

pub(super) enum Held {}

impl Held {
    pub(super) fn is_there(&self) -> bool {
        match *self {}
    }
}

pub(super) fn start(_: Kind, _: Option<&str>, _: Thread) -> Result<(Held, Stream), DeviceError> {
    Err(DeviceError::Unsupported)
}
