//! libbcg729, interface 0.

use std::ptr::{self, NonNull};

super::functions_of!("libbcg729.so.0", "libbcg729-0", {
    initBcg729EncoderChannel: unsafe extern "C" fn(u8) -> *mut State,
    closeBcg729EncoderChannel: unsafe extern "C" fn(*mut State),
    bcg729Encoder: unsafe extern "C" fn(*mut State, *const i16, *mut u8, *mut u8),
    initBcg729DecoderChannel: unsafe extern "C" fn() -> *mut State,
    closeBcg729DecoderChannel: unsafe extern "C" fn(*mut State),
    bcg729Decoder: unsafe extern "C" fn(*mut State, *const u8, u8, u8, u8, u8, *mut i16),
});

/// The library's own state.
#[repr(C)]
struct State {
    _inside: [u8; 0],
}

pub(in crate::codec) const SAMPLES: usize = 80;
pub(in crate::codec) const OCTETS: usize = 10;
/// A frame that describes silence (annex B).
pub(in crate::codec) const SID_OCTETS: usize = 2;

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

/// One frame to decode.
pub(in crate::codec) enum Frame<'a> {
    Voice(&'a [u8; OCTETS]),
    Silence(&'a [u8; SID_OCTETS]),
    Lost,
}

pub(in crate::codec) struct Decoder {
    state: NonNull<State>,
    functions: &'static Functions,
}

// SAFETY: as for the encoder.
unsafe impl Send for Decoder {}

impl Decoder {
    pub fn new() -> Option<Self> {
        let functions = functions()?;
        // SAFETY: takes nothing, gives a state or null.
        let state = unsafe { (functions.initBcg729DecoderChannel)() };
        NonNull::new(state).map(|state| Self { state, functions })
    }

    pub fn decode(&mut self, frame: &Frame<'_>, sound: &mut [i16; SAMPLES]) {
        let (octets, length, lost, silence) = match frame {
            Frame::Voice(octets) => (octets.as_ptr(), OCTETS, 0, 0),
            Frame::Silence(octets) => (octets.as_ptr(), SID_OCTETS, 0, 1),
            Frame::Lost => (ptr::null(), 0, 1, 0),
        };
        // SAFETY: the library reads 10 octets of a voice frame and 2 of one of silence, of a lost one none (null is
        // allowed for it); it writes 80 samples.
        unsafe {
            (self.functions.bcg729Decoder)(
                self.state.as_ptr(),
                octets,
                length as u8,
                lost,
                silence,
                0,
                sound.as_mut_ptr(),
            );
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `initBcg729DecoderChannel`, and nobody has it afterwards.
        unsafe { (self.functions.closeBcg729DecoderChannel)(self.state.as_ptr()) }
    }
}
