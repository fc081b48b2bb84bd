//! The use of the bits that pictures have: how large, how many a second, and how exact.
//!
//! All three fall together. A picture has at least so many bits a pixel that it can be made out, fewer
//! pictures a second have more each, and on a path that is too narrow for both, the picture gets
//! smaller. A new size costs a key frame, so that it changes at once when it must and slowly when it
//! may.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use meoww_paint::Grid;

use crate::picture::wanted;

/// Bits a pixel at which a moving picture looks right, and at least.
const BITS_PER_PIXEL: f64 = 0.2;
const LEAST_BITS_PER_PIXEL: f64 = 0.05;
/// Pictures a second: as many as cameras have, down to what still moves.
const MOST_FPS: f64 = wanted::MOST_FPS as f64;
const LEAST_FPS: f64 = wanted::LEAST_FPS as f64;
/// Bits a second from which there are all of them, and those for ten a second.
const FULL_PACE_BPS: f64 = 150_000.0;
const TEN_A_SECOND_BPS: f64 = 20_000.0;
/// Pictures come this much before or after they are due.
const SLACK: Duration = Duration::from_millis(8);
/// Of each side of what the other can show.
const SCALES: [f64; 5] = [1.0, 0.75, 0.5, 0.375, 0.25];
/// Pixels of the smallest picture that is chosen: 80x60.
const LEAST_PIXELS: f64 = 4_800.0;
/// A larger picture is tried after there was room for it for so long, with so much to spare.
const ROOM_FOR: Duration = Duration::from_secs(1);
const ROOM: f64 = 0.7;
/// From a change to a smaller one until the next, and until a larger one is tried.
const SHRINK_GAP: Duration = Duration::from_secs(1);
const GROW_GAP: Duration = Duration::from_secs(4);
/// An encoder that makes this many times the bits it should, over a second, needs a smaller picture;
/// and no larger one is tried for some time.
const TOO_MANY_BITS: f64 = 1.25;
const TOO_MANY_MEMORY: f64 = 0.95;
const GROW_AGAIN: Duration = Duration::from_secs(15);
/// A larger picture begins with the bits that the smaller one had, and may have so many times as many a
/// second later: what the path carries beyond them is a guess.
const RISE: f64 = 1.6;
/// Seconds of the share that may be sent ahead of it; then, pictures are left out.
const MAX_DEBT: f64 = 0.1;
/// The part that is paid back, in shares, so that the debt of a key frame does not stay.
const PAID_BACK: f64 = 1.1;
/// A stranger may ask for key frames as often as he likes, but they are large: two in this time at
/// most, so that one that got lost on a new connection is repeated at once.
const TWO_KEYS_IN: Duration = Duration::from_millis(400);
/// And at most this share of the bits for them, or a slow path would carry nothing else.
const KEY_SHARE: f64 = 0.5;

/// How to code the next picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::peer) struct Plan {
    pub(in crate::peer) size: (usize, usize),
    /// Bits a second of a stream of 30 pictures a second like it.
    pub(in crate::peer) bps: u32,
    pub(in crate::peer) key: bool,
}

/// Decides, picture by picture.
pub(in crate::peer) struct Shape {
    /// Pictures a second, however many the path carries.
    most_fps: f64,
    /// When the next picture is due.
    due: Option<Instant>,
    /// The last two key frames, the older one first, and how many times the bits of another the last had.
    keys: [Option<Instant>; 2],
    key_cost: f64,
    key_wanted: bool,
    /// Of the pictures sent.
    size: Option<(usize, usize)>,
    scale: usize,
    shrunk: Option<Instant>,
    room_since: Option<Instant>,
    no_growth_until: Option<Instant>,
    /// Bits made, of those planned.
    excess: f64,
    planned: f64,
    /// Bits a second of a smaller picture, until a larger one has as many as it may.
    before_growth: Option<(f64, Instant)>,
    /// Bits sent ahead of the share, at a time.
    debt: (f64, Option<Instant>),
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            most_fps: MOST_FPS,
            due: None,
            keys: [None; 2],
            key_cost: 0.0,
            key_wanted: true,
            size: None,
            scale: 0,
            shrunk: None,
            room_since: None,
            no_growth_until: None,
            excess: 1.0,
            planned: 0.0,
            before_growth: None,
            debt: (0.0, None),
        }
    }
}

impl Shape {
    /// The next picture is to be a key frame.
    pub(in crate::peer) fn want_key(&mut self) {
        self.key_wanted = true;
    }

    /// The partner shows no more pictures a second.
    pub(in crate::peer) fn limit_fps(&mut self, fps: u8) {
        self.most_fps = f64::from(fps);
    }

    /// Decides on a picture of this size, for a partner who can show `grid`, with `share` bits a
    /// second. `None`: it is left out.
    pub(in crate::peer) fn plan(
        &mut self,
        now: Instant,
        picture: (usize, usize),
        grid: Grid,
        share: u32,
    ) -> Option<Plan> {
        let share = f64::from(share);
        if self.debt(now, share) > share * MAX_DEBT {
            return None;
        }
        let fps = pace(share).min(self.most_fps);
        let fit = self.fit(now, picture, grid, share, fps);
        // Their cost now: the share may have been another when the last was made.
        let two_keys = 2.0 * self.key_cost * self.planned.min(share / fps);
        let two_keys = Duration::from_secs_f64(two_keys / (share * KEY_SHARE).max(1.0));
        let two_keys = two_keys.max(TWO_KEYS_IN);
        let key_allowed = since(now, self.keys[0]).is_none_or(|gap| gap >= two_keys);
        let size = self.size.filter(|_| !key_allowed).unwrap_or(fit);
        let key = key_allowed && (self.key_wanted || self.size != Some(size));
        if !key && self.due.is_some_and(|due| now + SLACK < due) {
            return None;
        }
        if self.size.replace(size) != Some(size) {
            self.excess = 1.0;
        }
        let period = Duration::from_secs_f64(1.0 / fps);
        self.due = Some(
            self.due.map_or(now, |due| due.max(now.checked_sub(period).unwrap_or(now))) + period,
        );
        let bps = self.risen(now, share.min(pixels(size) * BITS_PER_PIXEL * fps));
        self.planned = bps / fps;
        Some(Plan { size, bps: (bps * MOST_FPS / fps) as u32, key })
    }

    /// The picture that was planned has so many bytes.
    pub(in crate::peer) fn coded(&mut self, now: Instant, bytes: usize, is_key: bool) {
        let bits = bytes as f64 * 8.0;
        self.debt.0 += bits;
        if is_key {
            self.key_wanted = false;
            self.keys = [self.keys[1], Some(now)];
            self.key_cost = bits / self.planned.max(1.0);
        } else {
            let excess = bits / self.planned.max(1.0);
            self.excess = self.excess * TOO_MANY_MEMORY + excess * (1.0 - TOO_MANY_MEMORY);
        }
    }

    /// So many bits a second, or as many as a picture may have that became larger.
    fn risen(&mut self, now: Instant, bps: f64) -> f64 {
        let Some((before, grown)) = self.before_growth else { return bps };
        let most = before * RISE.powf(now.saturating_duration_since(grown).as_secs_f64());
        if most >= bps {
            self.before_growth = None;
        }
        bps.min(most)
    }

    fn debt(&mut self, now: Instant, share: f64) -> f64 {
        let elapsed = since(now, self.debt.1.replace(now)).unwrap_or_default().as_secs_f64();
        self.debt.0 = (self.debt.0 - share * PAID_BACK * elapsed).max(0.0);
        self.debt.0
    }

    /// The size for so many bits and pictures a second.
    fn fit(
        &mut self,
        now: Instant,
        picture: (usize, usize),
        grid: Grid,
        share: f64,
        fps: f64,
    ) -> (usize, usize) {
        let sizes = SCALES.map(|scale| scaled(picture, grid, scale));
        let last = sizes.iter().rposition(|size| pixels(*size) >= LEAST_PIXELS).unwrap_or(0);
        let room = share / fps / LEAST_BITS_PER_PIXEL;
        let fits = |size: &(usize, usize)| pixels(*size) <= room;
        let mut wanted = sizes.iter().position(fits).unwrap_or(last).min(last);
        self.scale = self.scale.min(last);
        if self.excess > TOO_MANY_BITS && self.scale < last {
            wanted = wanted.max(self.scale + 1);
        }
        let grows = self.scale > 0
            && wanted < self.scale
            && pixels(sizes[self.scale - 1]) <= room * ROOM
            && since(now, self.shrunk).is_none_or(|gap| gap >= GROW_GAP)
            && self.no_growth_until.is_none_or(|until| now >= until);
        if wanted > self.scale {
            if since(now, self.shrunk).is_none_or(|gap| gap >= SHRINK_GAP) {
                if self.excess > TOO_MANY_BITS {
                    self.no_growth_until = Some(now + GROW_AGAIN);
                }
                self.scale = wanted;
                self.shrunk = Some(now);
            }
            self.room_since = None;
        } else if !grows {
            self.room_since = None;
        } else if since(now, Some(*self.room_since.get_or_insert(now))) >= Some(ROOM_FOR) {
            self.scale -= 1;
            self.room_since = None;
            self.before_growth = Some((self.planned * self.excess.min(1.0) * fps, now));
        }
        sizes[self.scale]
    }
}

/// Pictures a second for so many bits a second.
fn pace(share: f64) -> f64 {
    let part = (share - TEN_A_SECOND_BPS) / (FULL_PACE_BPS - TEN_A_SECOND_BPS);
    (10.0 + (MOST_FPS - 10.0) * part).clamp(LEAST_FPS, MOST_FPS)
}

fn scaled((width, height): (usize, usize), grid: Grid, scale: f64) -> (usize, usize) {
    let fit = grid.fit(width, height);
    let side = |side: usize| (side as f64 * scale) as u32;
    if scale < 1.0 { Grid::new(side(fit.0), side(fit.1)).fit(width, height) } else { fit }
}

fn pixels((width, height): (usize, usize)) -> f64 {
    width as f64 * height as f64
}

fn since(now: Instant, then: Option<Instant>) -> Option<Duration> {
    then.map(|then| now.saturating_duration_since(then))
}
