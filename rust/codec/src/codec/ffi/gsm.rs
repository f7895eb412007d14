//! libgsm, interface 1.

use std::ptr::NonNull;

super::functions_of!("libgsm.so.1", "libgsm1", {
    gsm_create: unsafe extern "C" fn() -> *mut State,
    gsm_destroy: unsafe extern "C" fn(*mut State),
    gsm_encode: unsafe extern "C" fn(*mut State, *const i16, *mut u8),
    gsm_decode: unsafe extern "C" fn(*mut State, *const u8, *mut i16) -> i32,
});

/// The library's own state.
#[repr(C)]
struct State {
    _inside: [u8; 0],
}

pub(in crate::codec) const SAMPLES: usize = 160;
pub(in crate::codec) const OCTETS: usize = 33;

/// One direction's state: the library has the same kind for both.
pub(in crate::codec) struct Gsm {
    state: NonNull<State>,
    functions: &'static Functions,
}

// SAFETY: a state belongs to no thread; it is used by whoever owns it.
unsafe impl Send for Gsm {}

impl Gsm {
    pub fn new() -> Option<Self> {
        let functions = functions()?;
        // SAFETY: takes nothing, gives a state or null.
        let state = unsafe { (functions.gsm_create)() };
        NonNull::new(state).map(|state| Self { state, functions })
    }

    pub fn encode(&mut self, sound: &[i16; SAMPLES], frame: &mut [u8; OCTETS]) {
        // SAFETY: the library reads 160 samples and writes 33 octets.
        unsafe {
            (self.functions.gsm_encode)(self.state.as_ptr(), sound.as_ptr(), frame.as_mut_ptr())
        }
    }

    /// Returns whether it was a frame of GSM.
    pub fn decode(&mut self, frame: &[u8; OCTETS], sound: &mut [i16; SAMPLES]) -> bool {
        // SAFETY: the library reads 33 octets and writes 160 samples.
        unsafe {
            (self.functions.gsm_decode)(self.state.as_ptr(), frame.as_ptr(), sound.as_mut_ptr())
                == 0
        }
    }
}

impl Drop for Gsm {
    fn drop(&mut self) {
        // SAFETY: made by `gsm_create`, and nobody has it afterwards.
        unsafe { (self.functions.gsm_destroy)(self.state.as_ptr()) }
    }
}
