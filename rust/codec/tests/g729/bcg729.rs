//! Belledonne's bcg729, an independent implementation of the same Recommendation: what ours is tested beside.

#![allow(unsafe_code, reason = "a library in C")]

use std::ptr;

use libloading::{Library, Symbol};

/// Samples of a frame.
pub const FRAME: usize = 80;

/// The library, where it is installed.
pub struct Bcg729(Library);

impl Bcg729 {
    pub fn open() -> Option<Self> {
        // SAFETY: the library has no initialisers of its own.
        let library = unsafe { Library::new("libbcg729.so.0") };
        if library.is_err() {
            eprintln!("not tested beside bcg729: libbcg729.so.0 is not installed");
        }
        library.ok().map(Self)
    }

    /// A function of the library's interface 0.
    unsafe fn function<F>(&self, name: &str) -> Symbol<'_, F> {
        // SAFETY: the caller gives the type of the header.
        unsafe { self.0.get(name.as_bytes()) }.expect("is one of its interface")
    }

    /// The frames of a sound: of 10 octets, and with `dtx` also of 2 or none.
    pub fn encode(&self, sound: &[i16], dtx: bool) -> Vec<Vec<u8>> {
        type Init = unsafe extern "C" fn(u8) -> *mut u8;
        type Encode = unsafe extern "C" fn(*mut u8, *const i16, *mut u8, *mut u8);
        type Close = unsafe extern "C" fn(*mut u8);
        // SAFETY: the types are those of the header; the library reads 80 samples, and writes at most 10 octets and their
        // number.
        unsafe {
            let encode = self.function::<Encode>("bcg729Encoder");
            let state = self.function::<Init>("initBcg729EncoderChannel")(dtx.into());
            let frames = sound.chunks_exact(FRAME).map(|samples| {
                let (mut octets, mut length) = ([0; 10], 0);
                encode(
                    state,
                    samples.as_ptr(),
                    octets.as_mut_ptr(),
                    &raw mut length,
                );
                octets[..length.into()].to_vec()
            });
            let frames = frames.collect();
            self.function::<Close>("closeBcg729EncoderChannel")(state);
            frames
        }
    }

    /// The sound of frames; of empty ones nothing came.
    pub fn decode<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<i16> {
        type Init = unsafe extern "C" fn() -> *mut u8;
        type Decode = unsafe extern "C" fn(*mut u8, *const u8, u8, u8, u8, u8, *mut i16);
        type Close = unsafe extern "C" fn(*mut u8);
        let mut sound = Vec::new();
        // SAFETY: the types are those of the header; the library reads 10 octets of voice, 2 of silence and none of a frame
        // that is lost, and writes 80 samples.
        unsafe {
            let decode = self.function::<Decode>("bcg729Decoder");
            let state = self.function::<Init>("initBcg729DecoderChannel")();
            for frame in frames {
                let mut samples = [0; FRAME];
                let octets = if frame.is_empty() {
                    ptr::null()
                } else {
                    frame.as_ptr()
                };
                let (lost, silence) = (frame.is_empty(), frame.len() == 2);
                assert!([0, 2, 10].contains(&frame.len()));
                let length = frame.len() as u8;
                decode(
                    state,
                    octets,
                    length,
                    lost.into(),
                    silence.into(),
                    0,
                    samples.as_mut_ptr(),
                );
                sound.extend(samples);
            }
            self.function::<Close>("closeBcg729DecoderChannel")(state);
        }
        sound
    }
}
