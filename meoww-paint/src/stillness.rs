//! What stays as it is, and so is worth more.

use crate::layout::{Layout, Planes};

/// The squared change of a pixel that is taken for noise, of one channel, unless a byte is worth less:
/// where so little is to be seen, noise is a change like others.
const NOISE: f32 = 10.0;
/// What each picture adds to the weight of a cell that stayed, and for how many of them.
const GROWTH: f32 = 0.2;
const OLDEST: f32 = 10.0;

/// Pictures after which one that is the same is as exact as it will be.
pub(crate) const SETTLED: u32 = 24;

/// How long each cell of a picture has been the same.
///
/// Bytes for a cell that moves are lost with the next picture, and those for one that stays are seen
/// for as long as it does: for as long again as it did, one may expect.
#[derive(Default)]
pub(crate) struct Stillness {
    layout: Layout,
    ages: Vec<f32>,
    weights: Vec<f32>,
    changes: Vec<f32>,
    row: Vec<i32>,
    /// How often in a row the picture was the same.
    rest: u32,
}

impl Stillness {
    /// Takes up the next picture; `last` is the one before it, where that had the same layout. A byte is
    /// worth the squared error `price`.
    pub(crate) fn update(&mut self, layout: Layout, last: &Planes, wanted: &Planes, price: f32) {
        if std::mem::replace(&mut self.layout, layout) == layout && !self.ages.is_empty() {
            layout.differences(last, wanted, &mut self.row, &mut self.changes);
            let channels = wanted.iter().filter(|plane| !plane.is_empty()).count();
            let noise = NOISE.min(price) * (channels * layout.across * layout.down) as f32;
            let cells = self.ages.iter_mut().zip(&mut self.weights).zip(&self.changes);
            for ((age, weight), change) in cells {
                *age = if *change <= noise { (*age + 1.0).min(OLDEST) } else { 0.0 };
                *weight = 1.0 + GROWTH * *age;
            }
            let is_same = self.changes.iter().all(|change| *change == 0.0);
            self.rest = if is_same { self.rest.saturating_add(1) } else { 0 };
        } else {
            self.rest = 0;
            self.ages.clear();
            self.ages.resize(layout.cells(), 0.0);
            self.weights.clear();
            self.weights.resize(layout.cells(), 1.0);
        }
    }

    /// How much the error of each cell counts.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The part of a byte's price that is asked for a picture at rest: it is halved with each one, so
    /// that the picture is soon exact, and not at once.
    pub(crate) fn discount(&self) -> f32 {
        0.5f32.powi(self.rest.min(SETTLED) as i32)
    }

    /// Whether nothing is left to improve.
    pub(crate) fn is_settled(&self) -> bool {
        self.rest > SETTLED
    }
}
