//! Loops over pixels, compiled for what the processor can do and not only for what all can.

/// Does work whose loops may take up eight numbers at once where every x86-64 has four. Only what is
/// inlined into it is compiled so: functions have to be marked, as the closure is here.
macro_rules! wide {
    ($work:expr) => {
        pulp::Arch::new().dispatch($crate::simd::Work(
            #[inline(always)]
            || $work,
        ))
    };
}

pub(crate) use wide;

/// Work of [`wide`]. As itself a closure would be called by a shim, which is not inlined.
pub(crate) struct Work<F>(pub(crate) F);

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Work<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
