//! Pictures by kitty's graphics protocol.
//!
//! The terminal keeps one picture, which it shows in the cells that no overlay has, and is sent what
//! changed of it (`a=f`). One that cannot change a picture is sent it whole each time. On the same
//! machine it goes through shared memory.

mod command;
mod placeholder;
mod shared;

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use self::{command::Command, shared::Shared};
use super::About;
use crate::{
    area::Rect,
    deltas::{Deltas, Patch},
    few_colors::FewColors,
    motion::control,
    pixels::{Picture, Plotter},
    png,
    raster::{Channels, Raster},
    visible::visible,
};

pub(crate) const ABOUT: About =
    About { name: "kitty", help: "Pixels, by kitty's graphics protocol", needs_unicode: false };

/// Abilities beyond those of every terminal that knows the protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KittyTraits {
    /// Whether it changes parts of a picture (`a=f`).
    pub edits: bool,
    /// Whether it reads this machine's shared memory (`t=s`).
    pub shares: bool,
    /// Whether tmux is in between, which lets commands pass when it is told to.
    pub in_tmux: bool,
}

/// With smaller steps, few colours are too far from each other.
const FINE: u8 = 3;
/// Painters of a process at once, and pictures of each.
const PAINTERS: u32 = 8;
const PICTURES: u32 = 2;
/// A picture at rest is made exact in so many parts, or, where it is sent whole, when it was the same
/// so often.
const REFINED: usize = 16;
const EXACT_AFTER: u32 = 3;

/// Painters that were made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The number of a picture, which other programs on the same terminal hardly have. It is a colour of
/// 24 bits, and not one of the first 256.
fn id(painter: u32, picture: u32) -> u32 {
    let numbers = PAINTERS * PICTURES;
    let process = process::id() % ((1 << 24) / numbers - 256 / numbers) + 256 / numbers;
    process * numbers + painter * PICTURES + picture
}

/// Returns what removes every picture of this process from a terminal, also one that was sent in part,
/// and gives back the shared memory of those it has not read.
pub fn leave_nothing(in_tmux: bool) -> Vec<u8> {
    shared::remove_all();
    delete_all(in_tmux)
}

fn delete_all(in_tmux: bool) -> Vec<u8> {
    let mut out = Vec::new();
    Command::new("q=2,m=0").push(in_tmux, &mut out);
    for painter in 0..PAINTERS {
        for picture in 0..PICTURES {
            let delete = format!("a=d,d=I,i={},q=2", id(painter, picture));
            Command::new(&delete).push(in_tmux, &mut out);
        }
    }
    out
}

/// Asks what a terminal knows of the protocol, each about a picture of its own number.
#[derive(Debug)]
pub struct Questions;

impl Questions {
    /// Whether it shows pictures; through tmux, in placeholders.
    pub const SHOWS: u32 = 31;
    /// Whether it changes them.
    pub const EDITS: u32 = 32;
    /// Whether it reads this machine's shared memory.
    pub const SHARES: u32 = 33;

    /// Appends the questions.
    pub fn push(in_tmux: bool, out: &mut Vec<u8>) {
        let pixel = &[0; 3];
        let ask = |control: String, payload: &[u8], out: &mut Vec<u8>| {
            Command::new(&control).payload(payload).push(in_tmux, out);
        };
        let (shows, edits, shares) = (Self::SHOWS, Self::EDITS, Self::SHARES);
        if in_tmux {
            ask(format!("i={shows},s=1,v=1,a=t,t=d,f=24,q=2"), pixel, out);
            ask(format!("i={shows},a=p,U=1,c=1,r=1"), &[], out);
            ask(format!("i={shows},a=d,d=I,q=2"), &[], out);
        } else {
            ask(format!("i={shows},s=1,v=1,a=q,t=d,f=24"), pixel, out);
        }
        ask(format!("i={edits},s=1,v=1,a=t,t=d,f=24,q=2"), pixel, out);
        ask(format!("i={edits},s=1,v=1,a=f,r=1,t=d,f=24"), pixel, out);
        ask(format!("i={edits},a=d,d=I,q=2"), &[], out);
        ask(format!("i={shares},s=1,v=1,a=q,t=s,f=24"), Self::name().as_bytes(), out);
    }

    /// Puts into shared memory what a terminal on this machine can read there. Without such memory,
    /// none can.
    pub fn offer() {
        let _ = shared::put(&Self::name(), &[0; 3]);
    }

    /// Gives that memory back.
    pub fn withdraw() {
        shared::unlink(&Self::name());
    }

    fn name() -> String {
        format!("/meoww-{}-question", process::id())
    }
}

pub(crate) struct Kitty {
    terminal: KittyTraits,
    painter: u32,
    /// The picture that the terminal has, and how large.
    sent: Option<Sent>,
    /// Whether the terminal may have pictures of before.
    has_leftovers: bool,
    /// The picture it shows, and in which parts of it.
    placed: Option<(Sent, Vec<Rect>)>,
    deltas: Deltas,
    colors: FewColors,
    shared: Shared,
    pixels: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    /// Which of the painter's pictures.
    picture: u32,
    width: usize,
    height: usize,
    /// Where, in cells.
    place: Rect,
}

impl Kitty {
    pub(crate) fn new(terminal: KittyTraits) -> Self {
        let painter = MADE.fetch_add(1, Ordering::Relaxed) % PAINTERS;
        Self {
            terminal,
            painter,
            sent: None,
            has_leftovers: false,
            placed: None,
            deltas: Deltas::default(),
            colors: FewColors::default(),
            shared: Shared::new(),
            pixels: Vec::new(),
        }
    }

    fn id(&self, picture: u32) -> u32 {
        id(self.painter, picture)
    }

    fn command(&self, control: &str, payload: &[u8], out: &mut Vec<u8>) {
        Command::new(control).payload(payload).push(self.terminal.in_tmux, out);
    }

    /// Sends the whole picture, and where it is to be shown.
    fn send(&mut self, picture: &mut Picture<'_>, step: u8, out: &mut Vec<u8>) {
        let before = self.sent.take();
        if std::mem::take(&mut self.has_leftovers) {
            self.command("q=2,m=0", &[], out);
            (0..PICTURES).for_each(|number| self.delete(number, out));
        }
        let Raster { width, height, .. } = *picture.raster;
        self.deltas.restart(width, height);
        // The last one stays until the next one is there; in tmux, cells name one and the same.
        let number = match before {
            Some(sent) if !self.terminal.in_tmux => (sent.picture + 1) % PICTURES,
            Some(_) | None => 0,
        };
        self.transmit(picture, step, &format!("a=t,i={},q=2", self.id(number)), out);
        self.sent = Some(Sent { picture: number, width, height, place: picture.place });
        self.place(picture, out);
        if let Some(before) = before.filter(|before| before.picture != number) {
            self.delete(before.picture, out);
        }
    }

    /// All pixels of the picture, by the best way there is.
    fn transmit(&mut self, picture: &Picture<'_>, step: u8, control: &str, out: &mut Vec<u8>) {
        let Raster { width, height, .. } = *picture.raster;
        let channels = &picture.raster.channels;
        self.pixels.clear();
        if self.terminal.shares {
            picture.raster.interleave(&mut self.pixels);
            if let Ok(name) = self.shared.put(&self.pixels) {
                self.deltas.take_exactly(channels);
                let control = format!("{control},t=s,f=24,s={width},v={height}");
                return self.command(&control, name.as_bytes(), out);
            }
            self.pixels.clear();
        }
        let png = if step > FINE {
            let whole = self.deltas.choose_all();
            self.in_few_colors(channels, step, whole)
        } else {
            self.deltas.take_all(channels, step, &mut self.pixels);
            png::rgb(&self.pixels, width, height)
        };
        self.command(&format!("{control},f=100"), &png, out);
    }

    /// The changes of a patch, as PNG.
    fn in_few_colors(&mut self, wanted: &Channels, step: u8, patch: Patch) -> Vec<u8> {
        let Self { deltas, colors, pixels, .. } = self;
        deltas.take_in_few(wanted, step, patch, colors, pixels);
        png::indexed(pixels, colors.palette(), patch.width, patch.height)
    }

    /// Sends what changed of a picture that the terminal has.
    fn change(&mut self, picture: &mut Picture<'_>, step: u8, out: &mut Vec<u8>) {
        let Some(sent) = self.sent else { return };
        let wanted = &picture.raster.channels;
        let control = format!("a=f,i={},r=1,q=2", self.id(sent.picture));
        if self.terminal.shares {
            if self.deltas.take_exactly(wanted) {
                self.transmit(picture, step, &format!("{control},X=1"), out);
            }
            return;
        }
        let (patch, step) = match picture.rest {
            0 => (self.deltas.choose(wanted, step), step),
            _ => (self.deltas.refine(wanted, self.deltas.blocks().div_ceil(REFINED)), 1),
        };
        let Some(patch) = patch else { return };
        self.pixels.clear();
        let png = if step > FINE {
            self.in_few_colors(wanted, step, patch)
        } else {
            self.deltas.take(wanted, step, patch, &mut self.pixels);
            png::rgba(&self.pixels, patch.width, patch.height)
        };
        self.command(&format!("{control},x={},y={},f=100", patch.x, patch.y), &png, out);
    }

    /// Shows the picture where no overlay is, if it is not shown just there.
    fn place(&mut self, picture: &mut Picture<'_>, out: &mut Vec<u8>) {
        let Some(sent) = self.sent else { return };
        let id = self.id(sent.picture);
        if self.terminal.in_tmux {
            if self.placed != Some((sent, Vec::new())) {
                let Rect { width, height, .. } = picture.place;
                let control = format!("a=p,U=1,i={id},c={width},r={height},q=2");
                self.command(&control, &[], out);
                self.placed = Some((sent, Vec::new()));
            }
            placeholder::draw(picture, id, out);
            return;
        }
        let place = picture.place;
        let parts = visible(place.width, place.height, picture.cells, picture.stride);
        if self.placed.as_ref().is_some_and(|placed| *placed == (sent, parts.clone())) {
            return;
        }
        if self.placed.as_ref().is_some_and(|(placed, _)| placed.picture == sent.picture) {
            self.command(&format!("a=d,d=i,i={id},q=2"), &[], out);
        }
        for (index, part) in parts.iter().enumerate() {
            control(&[place.y + part.y + 1, place.x + part.x + 1].map(u32::from), b'H', out);
            let [x, width] = [part.x, part.width].map(|cells| usize::from(cells) * picture.across);
            let [y, height] = [part.y, part.height].map(|cells| usize::from(cells) * picture.down);
            let shown =
                format!("x={x},y={y},w={width},h={height},c={},r={}", part.width, part.height);
            let control = format!("a=p,i={id},p={},{shown},C=1,q=2", index + 1);
            self.command(&control, &[], out);
        }
        self.placed = Some((sent, parts));
    }

    fn delete(&self, picture: u32, out: &mut Vec<u8>) {
        self.command(&format!("a=d,d=I,i={},q=2", self.id(picture)), &[], out);
    }
}

impl Plotter for Kitty {
    fn is_scaled(&self) -> bool {
        true
    }

    fn most_cells(&self) -> u16 {
        if self.terminal.in_tmux { placeholder::MOST } else { u16::MAX }
    }

    fn draw(&mut self, picture: &mut Picture<'_>, out: &mut Vec<u8>) {
        let step = picture.quality.step();
        let Raster { width, height, .. } = *picture.raster;
        let is_there = self.sent.is_some_and(|sent| {
            (sent.width, sent.height, sent.place) == (width, height, picture.place)
        });
        if !is_there {
            self.send(picture, step, out);
        } else if self.terminal.edits {
            self.change(picture, step, out);
        } else if picture.rest == 0 {
            self.send(picture, step, out);
        } else if picture.rest == EXACT_AFTER {
            self.send(picture, 1, out);
        }
        self.place(picture, out);
        picture.drawn();
    }

    fn erase(&mut self, out: &mut Vec<u8>) {
        if let Some(sent) = self.sent.take() {
            self.delete(sent.picture, out);
        }
        self.placed = None;
    }

    fn invalidate(&mut self) {
        self.has_leftovers |= self.sent.is_some();
        (self.sent, self.placed) = (None, None);
    }
}

#[cfg(test)]
mod tests;
