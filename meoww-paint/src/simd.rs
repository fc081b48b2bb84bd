//! Loops over pixels, compiled for what the processor can do and not only for what all can.

/// Does `work`, whose loops may take up eight numbers at once where every x86-64 has four. Only what
/// is inlined into it is compiled so.
#[inline(always)]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
