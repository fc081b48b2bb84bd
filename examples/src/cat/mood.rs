//! The cat's posture as a function of time.

/// The posture at one moment, in pixels of the photograph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mood {
    /// How far the head is turned to the right.
    pub(super) turn: f32,
    /// How far it is lowered.
    pub(super) nod: f32,
    /// How far the chest has risen.
    pub(super) breath: f32,
    /// How far the eyes look to the right and down.
    pub(super) gaze: (f32, f32),
    /// How far the lids are closed, 0 to 1.
    pub(super) lids: f32,
}

/// A breath in and out: a cat at rest takes 20 to 30 a minute.
pub(super) const BREATH: f32 = 2.6;
/// Seconds it looks at one thing.
const LOOK: f32 = 2.9;
/// Seconds to turn the head to the next; the eyes are there in a third of it.
const TURN: f32 = 0.9;
/// When it blinks, in each [`CYCLE`]: the last is a slow one, with which cats say that they trust.
const BLINKS: [(f32, f32); 5] = [(2.2, 0.26), (5.9, 0.26), (6.4, 0.24), (11.3, 0.28), (15.8, 1.6)];
pub(super) const CYCLE: f32 = 19.0;
/// Directions it looks in, right and down, -1 to 1. Most are the viewer.
const SIGHTS: [(f32, f32); 8] = [
    (0.0, 0.0),
    (0.0, 0.1),
    (-1.0, -0.2),
    (0.1, 0.0),
    (0.9, 0.5),
    (0.0, 0.0),
    (-0.4, 0.9),
    (0.6, -0.8),
];

impl Mood {
    /// So many seconds after it sat down.
    pub(super) fn at(seconds: f32) -> Self {
        let head = looks_at(seconds, TURN);
        let eyes = looks_at(seconds, TURN / 3.0);
        // The eyes lead, and come back to the middle as the head follows.
        let gaze = (eyes.0 - 0.7 * head.0, eyes.1 - 0.7 * head.1);
        let breath = (seconds / BREATH * std::f32::consts::TAU).sin();
        Self {
            turn: 14.0 * head.0,
            nod: 8.0 * head.1 + 0.6 * breath,
            breath: 3.0 * breath,
            gaze: (9.0 * gaze.0, 6.0 * gaze.1),
            lids: lids(seconds % CYCLE),
        }
    }
}

fn looks_at(seconds: f32, turn: f32) -> (f32, f32) {
    let count = (seconds / LOOK).floor();
    let sight = |count: f32| SIGHTS[count as usize % SIGHTS.len()];
    // Before the first change it rests on the first sight.
    let (from, to) = (sight((count - 1.0).max(0.0)), sight(count));
    let part = smooth((seconds - count * LOOK) / turn);
    (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part)
}

fn lids(seconds: f32) -> f32 {
    let closed = |(start, length): (f32, f32)| {
        let part = (seconds - start) / length;
        // Down in a third of the time, up in the rest.
        if part < 0.33 { smooth(part / 0.33) } else { 1.0 - smooth((part - 0.4) / 0.6) }
    };
    0.95 * BLINKS.into_iter().map(closed).fold(0.0, f32::max)
}

/// From 0 to 1 without a jolt at either end.
fn smooth(part: f32) -> f32 {
    let part = part.clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every picture of some minutes, at 30 a second.
    fn pictures() -> impl Iterator<Item = Mood> {
        (0..30 * 180).map(|at| Mood::at(at as f32 / 30.0))
    }

    #[test]
    fn the_head_never_jumps() {
        for (last, next) in pictures().zip(pictures().skip(1)) {
            let step = (next.turn - last.turn).hypot(next.nod - last.nod);
            assert!(step < 2.5, "{last:?} and {next:?}");
        }
    }

    #[test]
    fn it_looks_at_you_and_elsewhere_and_closes_its_eyes_now_and_then() {
        let share = |is: fn(&Mood) -> bool| pictures().filter(is).count() as f64 / (30.0 * 180.0);
        let (closed, aside) = (share(|mood| mood.lids > 0.9), share(|mood| mood.turn.abs() > 5.0));
        assert!((0.01..0.1).contains(&closed), "{closed} with eyes closed");
        assert!((0.2..0.6).contains(&aside), "{aside} looking aside");
    }
}
