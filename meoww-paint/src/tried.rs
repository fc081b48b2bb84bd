//! Cells for which nothing better was found, and that are left alone for a while.

/// How much greater an error may be than when nothing was found.
const GRACE: f32 = 1.2;
/// The part of that which is left with each picture: after four the same error is looked at again.
const FADING: f32 = 0.95;

/// The errors of cells that were looked at in vain, by the price of a byte: one at rest, of which bytes
/// become cheaper, is looked at again.
#[derive(Default)]
pub(crate) struct Tried(Vec<f32>);

impl Tried {
    /// Takes up how many cells there are.
    pub(crate) fn resize(&mut self, cells: usize) {
        if self.0.len() != cells {
            self.0.clear();
            self.0.resize(cells, 0.0);
        }
    }

    /// Whether nothing better is to be expected.
    pub(crate) fn is_vain(&mut self, cell: usize, error: f32, price: f32) -> bool {
        let tried = &mut self.0[cell];
        *tried *= FADING;
        error <= *tried * price
    }

    /// Takes up that nothing was found.
    pub(crate) fn note(&mut self, cell: usize, error: f32, price: f32) {
        self.0[cell] = GRACE * error / price;
    }

    /// Takes up that a cell was drawn.
    pub(crate) fn forget(&mut self, cell: usize) {
        self.0[cell] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_looked_at_again_when_it_errs_more_or_a_byte_costs_less_or_after_a_while() {
        let mut tried = Tried::default();
        tried.resize(2);
        tried.note(1, 100.0, 10.0);
        assert!(!tried.is_vain(0, 100.0, 10.0), "not tried");
        assert!(tried.is_vain(1, 100.0, 10.0), "tried");
        assert!(!tried.is_vain(1, 150.0, 10.0), "more of an error");
        assert!(!tried.is_vain(1, 100.0, 5.0), "half the price");
        assert!((0..8).any(|_| !tried.is_vain(1, 100.0, 10.0)), "a while later");
        tried.note(1, 100.0, 10.0);
        tried.forget(1);
        assert!(!tried.is_vain(1, 1.0, 10.0), "drawn");
    }
}
