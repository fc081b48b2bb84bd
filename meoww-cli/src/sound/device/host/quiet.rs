//! Keeps ALSA's library from writing on standard error, over the screen: it prints each thing that it
//! tries and does not find.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "snd_lib_error_set_handler is a C function that takes another")
)]

/// Once for the whole program.
#[cfg(target_os = "linux")]
pub(super) fn silence() {
    use std::ffi::{c_char, c_int};

    type Handler =
        unsafe extern "C" fn(*const c_char, c_int, *const c_char, c_int, *const c_char, ...);

    extern "C" fn ignore(
        _file: *const c_char,
        _line: c_int,
        _function: *const c_char,
        _error: c_int,
        _format: *const c_char,
    ) {
    }

    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let ignore: extern "C" fn(_, _, _, _, _) = ignore;
        // SAFETY: the caller passes further arguments, which the C calling conventions of Linux let a
        // function ignore. The handler is set before any other call into the library.
        unsafe {
            let ignore = std::mem::transmute::<
                extern "C" fn(*const c_char, c_int, *const c_char, c_int, *const c_char),
                Handler,
            >(ignore);
            alsa_sys::snd_lib_error_set_handler(Some(ignore));
        }
    });
}

/// Other systems write nothing.
#[cfg(not(target_os = "linux"))]
pub(super) fn silence() {}
