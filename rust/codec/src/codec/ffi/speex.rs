//! libspeex, interface 1.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

super::functions_of!("libspeex.so.1", "libspeex1", {
    speex_lib_get_mode: unsafe extern "C" fn(c_int) -> *const Mode,
    speex_encoder_init: unsafe extern "C" fn(*const Mode) -> *mut State,
    speex_encoder_destroy: unsafe extern "C" fn(*mut State),
    speex_encoder_ctl: unsafe extern "C" fn(*mut State, c_int, *mut c_void) -> c_int,
    speex_encode_int: unsafe extern "C" fn(*mut State, *mut i16, *mut Bits) -> c_int,
    speex_decoder_init: unsafe extern "C" fn(*const Mode) -> *mut State,
    speex_decoder_destroy: unsafe extern "C" fn(*mut State),
    speex_decode_int: unsafe extern "C" fn(*mut State, *mut Bits, *mut i16) -> c_int,
    speex_bits_init: unsafe extern "C" fn(*mut Bits),
    speex_bits_destroy: unsafe extern "C" fn(*mut Bits),
    speex_bits_reset: unsafe extern "C" fn(*mut Bits),
    speex_bits_read_from: unsafe extern "C" fn(*mut Bits, *const u8, c_int),
    speex_bits_write: unsafe extern "C" fn(*mut Bits, *mut u8, c_int) -> c_int,
    speex_bits_insert_terminator: unsafe extern "C" fn(*mut Bits),
});

/// A band's description, a constant of the library.
#[repr(C)]
struct Mode {
    _inside: [u8; 0],
}

/// The library's own state.
#[repr(C)]
struct State {
    _inside: [u8; 0],
}

/// `SpeexBits` of `speex_bits.h`: the caller owns the struct, the library what it points to.
#[repr(C)]
struct Bits {
    chars: *mut u8,
    bit_count: c_int,
    char_cursor: c_int,
    bit_cursor: c_int,
    owner: c_int,
    overflow: c_int,
    size: c_int,
    reserved1: c_int,
    reserved2: *mut c_void,
}

/// Octets that the library's buffer has room for; beyond it, it would allocate anew and might complain on stderr.
pub(in crate::codec) const MOST_OCTETS: usize = 2_000;

/// Narrow, wide, ultra-wide: the numbers of the library's modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Band {
    Narrow = 0,
    Wide = 1,
    UltraWide = 2,
}

impl Band {
    /// Samples of a frame, which is 20 ms in each.
    pub const fn samples(self) -> usize {
        160 << self as usize
    }
}

/// What can be set on an encoder: the requests of `speex.h` that take one number.
#[derive(Clone, Copy)]
pub(in crate::codec) enum Setting {
    Quality = 4,
    Complexity = 16,
    Bitrate = 18,
    VoiceActivity = 30,
    Dtx = 34,
}

/// A bit buffer of the library. On the heap, so that its address stays.
struct Buffer {
    bits: Box<Bits>,
    functions: &'static Functions,
}

impl Buffer {
    fn new(functions: &'static Functions) -> Self {
        let mut bits = Box::new(Bits {
            chars: ptr::null_mut(),
            bit_count: 0,
            char_cursor: 0,
            bit_cursor: 0,
            owner: 0,
            overflow: 0,
            size: 0,
            reserved1: 0,
            reserved2: ptr::null_mut(),
        });
        // SAFETY: it fills the struct, whatever was in it.
        unsafe { (functions.speex_bits_init)(&raw mut *bits) };
        Self { bits, functions }
    }

    fn pointer(&mut self) -> *mut Bits {
        &raw mut *self.bits
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: filled by `speex_bits_init`; frees what that allocated, and nobody uses it afterwards.
        unsafe { (self.functions.speex_bits_destroy)(self.pointer()) }
    }
}

pub(in crate::codec) struct Encoder {
    state: NonNull<State>,
    band: Band,
    bits: Buffer,
    functions: &'static Functions,
}

// SAFETY: neither the state nor the buffer belongs to a thread; both are used by whoever owns the encoder.
unsafe impl Send for Encoder {}

impl Encoder {
    pub fn new(band: Band) -> Option<Self> {
        let functions = functions()?;
        // SAFETY: the number is one of the library's three modes, whose descriptions are constants.
        let state = unsafe {
            (functions.speex_encoder_init)((functions.speex_lib_get_mode)(band as c_int))
        };
        NonNull::new(state).map(|state| Self {
            state,
            band,
            bits: Buffer::new(functions),
            functions,
        })
    }

    /// Returns whether the library took it.
    pub fn set(&mut self, setting: Setting, mut value: i32) -> bool {
        // SAFETY: each of these requests reads exactly one spx_int32_t.
        unsafe {
            (self.functions.speex_encoder_ctl)(
                self.state.as_ptr(),
                setting as c_int,
                (&raw mut value).cast(),
            ) == 0
        }
    }

    /// Begins a new packet.
    pub fn begin(&mut self) {
        // SAFETY: initialised in `new`.
        unsafe { (self.functions.speex_bits_reset)(self.bits.pointer()) }
    }

    /// Adds one frame. The library may scribble on its input. Returns whether there is anything to send in it.
    ///
    /// # Panics
    /// Where `sound` is not one frame long.
    pub fn add(&mut self, sound: &mut [i16]) -> bool {
        assert_eq!(sound.len(), self.band.samples());
        // SAFETY: the library reads as many samples as a frame of the band has.
        unsafe {
            (self.functions.speex_encode_int)(
                self.state.as_ptr(),
                sound.as_mut_ptr(),
                self.bits.pointer(),
            ) != 0
        }
    }

    /// Ends the packet, padded as RFC 5574 section 3.3 has it, and returns its octets.
    pub fn finish(&mut self, payload: &mut [u8]) -> usize {
        let room = c_int::try_from(payload.len()).unwrap_or(c_int::MAX);
        // SAFETY: the buffer goes with its length, which the library keeps to.
        let octets = unsafe {
            (self.functions.speex_bits_insert_terminator)(self.bits.pointer());
            (self.functions.speex_bits_write)(self.bits.pointer(), payload.as_mut_ptr(), room)
        };
        usize::try_from(octets).unwrap_or(0).min(payload.len())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `speex_encoder_init`, and nobody has it afterwards.
        unsafe { (self.functions.speex_encoder_destroy)(self.state.as_ptr()) }
    }
}

pub(in crate::codec) struct Decoder {
    state: NonNull<State>,
    band: Band,
    bits: Buffer,
    functions: &'static Functions,
}

// SAFETY: as for the encoder.
unsafe impl Send for Decoder {}

impl Decoder {
    pub fn new(band: Band) -> Option<Self> {
        let functions = functions()?;
        // SAFETY: as for the encoder.
        let state = unsafe {
            (functions.speex_decoder_init)((functions.speex_lib_get_mode)(band as c_int))
        };
        NonNull::new(state).map(|state| Self {
            state,
            band,
            bits: Buffer::new(functions),
            functions,
        })
    }

    /// Takes a packet, of which `next` then gives frame by frame. At most `MOST_OCTETS` of it.
    pub fn read(&mut self, payload: &[u8]) {
        let length = payload.len().min(MOST_OCTETS);
        // SAFETY: the library copies that many octets into a buffer that is as large.
        unsafe {
            (self.functions.speex_bits_read_from)(
                self.bits.pointer(),
                payload.as_ptr(),
                length as c_int,
            );
        }
    }

    /// Decodes the next frame of the packet. Returns whether there was one.
    ///
    /// # Panics
    /// Where `sound` is not one frame long.
    pub fn next(&mut self, sound: &mut [i16]) -> bool {
        let bits = self.bits.pointer();
        self.call(bits, sound)
    }

    /// Conceals one lost frame.
    ///
    /// # Panics
    /// Where `sound` is not one frame long.
    pub fn conceal(&mut self, sound: &mut [i16]) -> bool {
        self.call(ptr::null_mut(), sound)
    }

    fn call(&mut self, bits: *mut Bits, sound: &mut [i16]) -> bool {
        assert_eq!(sound.len(), self.band.samples());
        // SAFETY: null stands for a lost frame; the library writes as many samples as a frame of the band has, and reads
        // bits no further than there are.
        unsafe {
            (self.functions.speex_decode_int)(self.state.as_ptr(), bits, sound.as_mut_ptr()) == 0
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `speex_decoder_init`, and nobody has it afterwards.
        unsafe { (self.functions.speex_decoder_destroy)(self.state.as_ptr()) }
    }
}
