//! A stage of the chain that packets pass: what it decides, without how the `rtc` crate moves packets
//! from one stage to the next.

use std::{collections::VecDeque, time::Instant};

use rtc::{
    interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket},
    sansio::Protocol,
    shared::{TransportContext, error::Error},
};

/// A stage. Each method has a default that lets everything pass and does nothing else.
pub(super) trait Stage: Send + Sync {
    /// Takes a packet from the network.
    fn incoming(&mut self, packet: TaggedPacket, out: &mut Passing) {
        out.incoming(packet);
    }

    /// Takes a packet on its way to the network.
    fn outgoing(&mut self, packet: TaggedPacket, out: &mut Passing) {
        out.outgoing(packet);
    }

    /// Returns when [`Stage::elapsed`] is to be called next.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Does what is due. May be called before anything is.
    fn elapsed(&mut self, _now: Instant, _out: &mut Passing) {}

    /// A stream of this side begins.
    fn bind_local(&mut self, _info: &StreamInfo) {}
    /// A stream of this side ends.
    fn unbind_local(&mut self, _info: &StreamInfo) {}
    /// A stream of the partner begins.
    fn bind_remote(&mut self, _info: &StreamInfo) {}
    /// A stream of the partner ends.
    fn unbind_remote(&mut self, _info: &StreamInfo) {}
}

/// Packets that have passed a stage, until the next takes them, which it does at once.
#[derive(Default)]
pub(super) struct Passing {
    incoming: VecDeque<TaggedPacket>,
    outgoing: VecDeque<TaggedPacket>,
}

impl Passing {
    /// Hands a packet on towards the application.
    pub(super) fn incoming(&mut self, packet: TaggedPacket) {
        self.incoming.push_back(packet);
    }

    /// Hands a packet on towards the network.
    pub(super) fn outgoing(&mut self, packet: TaggedPacket) {
        self.outgoing.push_back(packet);
    }
}

/// A stage as the `rtc` crate takes it.
pub(super) struct Staged<S> {
    pub(super) stage: S,
    passing: Passing,
}

impl<S: Stage> Staged<S> {
    pub(super) fn new(stage: S) -> Self {
        Self { stage, passing: Passing::default() }
    }
}

impl<S: Stage> Protocol<TaggedPacket, TaggedPacket, ()> for Staged<S> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.stage.incoming(packet, &mut self.passing);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.passing.incoming.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.stage.outgoing(packet, &mut self.passing);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.passing.outgoing.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.stage.elapsed(now, &mut self.passing);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.stage.due()
    }
}

impl<S: Stage> Interceptor for Staged<S> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.stage.bind_local(info);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.stage.unbind_local(info);
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.stage.bind_remote(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.stage.unbind_remote(info);
    }
}

/// Whether a stream is one of pictures.
pub(super) fn is_video(info: &StreamInfo) -> bool {
    info.mime_type.to_ascii_lowercase().starts_with("video/")
}

/// A packet that a stage makes at a time.
pub(super) fn made(now: Instant, packet: Packet) -> TaggedPacket {
    let (transport, message) = (TransportContext::default(), AttributedPacket::new(packet));
    TaggedPacket { now, transport, message }
}
