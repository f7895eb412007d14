//! libbcg729, interface 0.

use std::ptr::NonNull;

super::functions_of!("libbcg729.so.0", "libbcg729-0", {
    initBcg729EncoderChannel: unsafe extern "C" fn(u8) -> *mut State,
    closeBcg729EncoderChannel: unsafe extern "C" fn(*mut State),
    bcg729Encoder: unsafe extern "C" fn(*mut State, *const i16, *mut u8, *mut u8),
});

/// The library's own state.
#[repr(C)]
struct State {
    _inside: [u8; 0],
}

pub(in crate::codec) const SAMPLES: usize = 80;
pub(in crate::codec) const OCTETS: usize = 10;

pub(in crate::codec) struct Encoder {
    state: NonNull<State>,
    functions: &'static Functions,
}

// SAFETY: a state belongs to no thread; it is used by whoever owns the encoder.
unsafe impl Send for Encoder {}

impl Encoder {
    /// `dtx`: whether silence may be described, or not sent at all (annex B).
    pub fn new(dtx: bool) -> Option<Self> {
        let functions = functions()?;
        // SAFETY: takes a flag, gives a state or null.
        let state = unsafe { (functions.initBcg729EncoderChannel)(u8::from(dtx)) };
        NonNull::new(state).map(|state| Self { state, functions })
    }

    /// Returns the octets: 10 for voice, 2 for a description of silence, 0 for nothing to send.
    pub fn encode(&mut self, sound: &[i16; SAMPLES], frame: &mut [u8; OCTETS]) -> usize {
        let mut octets = 0_u8;
        // SAFETY: the library reads 80 samples and writes at most 10 octets, and their number.
        unsafe {
            (self.functions.bcg729Encoder)(
                self.state.as_ptr(),
                sound.as_ptr(),
                frame.as_mut_ptr(),
                &raw mut octets,
            );
        }
        usize::from(octets).min(OCTETS)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `initBcg729EncoderChannel`, and nobody has it afterwards.
        unsafe { (self.functions.closeBcg729EncoderChannel)(self.state.as_ptr()) }
    }
}
