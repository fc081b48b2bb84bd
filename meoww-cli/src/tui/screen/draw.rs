//! Puts the parts that are out of date on the terminal as soon as that is free.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use meoww_paint::Frame;

use super::EventLoop;
use crate::{
    picture::filter::coarse::coarse,
    terminal::effort::PICTURE_WITHIN,
    tui::{
        state::Pictures,
        update::{Msg, update},
    },
};

impl EventLoop {
    /// Draws what is not up to date, unless the terminal is still busy with what it got before. What one
    /// types waits for no picture, nor for one to be drawn.
    pub(super) fn draw(&mut self) -> io::Result<()> {
        self.draw_beside()?;
        if !(self.stale || self.stale_pictures) {
            return Ok(());
        }
        let Some(mut out) = self.writer.buffer() else { return Ok(()) };
        self.is_new |= self.screen.remote.has_changed().unwrap_or(false);
        let remote: Option<Arc<Frame>> = self.screen.remote.borrow_and_update().clone();
        let local: Option<Arc<Frame>> = self.screen.local.borrow_and_update().clone();
        let pictures = Pictures { remote: remote.is_some(), local: local.is_some() };
        if pictures != self.state.pictures {
            update(&mut self.state, self.start.elapsed(), Msg::Pictures(pictures));
            self.stale = true;
        }
        let remote = match self.state.coarse_for() {
            Some(_) => remote.map(|picture| Arc::new(coarse(&picture))),
            None => remote,
        };
        if std::mem::take(&mut self.stale) {
            self.canvas.draw_state(&self.state, &mut out)?;
        }
        self.stale_pictures = false;
        let cells = out.len();
        let shown = self.canvas.draw_pictures(remote.as_deref(), local.as_deref(), &mut out);
        let (bytes, is_new) = (out.len() - cells, shown && self.is_new);
        self.canvas.finish(&mut out);
        let is_drawn = shown && std::mem::take(&mut self.is_new);
        if bytes == 0 && !is_drawn {
            // A part without a picture is small, and takes no picture's place.
            self.writer.insert(out);
            return Ok(());
        }
        let pictures = self.writer.write(out, cells, is_drawn.into());
        self.count(pictures);
        if is_new {
            self.follow(bytes);
        }
        Ok(())
    }

    /// Spends on the next picture what the terminal can draw in time, after one of so many bytes.
    fn follow(&mut self, bytes: usize) {
        if self.effort.drawn(bytes, self.writer.drawn_in(PICTURE_WITHIN)) {
            self.adapt();
        }
        self.canvas.set_quality(self.effort.quality());
    }

    /// Draws the state before a picture or between two pieces of one.
    fn draw_beside(&mut self) -> io::Result<()> {
        if !self.stale {
            return Ok(());
        }
        let Some(mut out) = self.writer.small_buffer() else { return Ok(()) };
        if self.canvas.draw_beside(&self.state, &mut out)? {
            self.stale = false;
            self.canvas.finish(&mut out);
            self.writer.insert(out);
        }
        Ok(())
    }

    /// Counts pictures of the partner that the terminal has shown.
    pub(super) fn count(&mut self, pictures: u64) {
        self.rate.shown(pictures);
        self.screen.drawn.fetch_add(pictures, Ordering::Relaxed);
    }
}
