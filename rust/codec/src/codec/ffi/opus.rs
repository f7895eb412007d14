//! libopus, which is compiled in: the distributions' is years older, and takes a quarter more to encode.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use opusic_sys::{
    OpusDecoder, OpusEncoder, opus_decode, opus_decoder_create, opus_decoder_destroy, opus_encode,
    opus_encoder_create, opus_encoder_ctl, opus_encoder_destroy, opus_packet_get_samples_per_frame,
    opus_packet_parse,
};

const APPLICATION_VOIP: c_int = 2048;
const MOST_FRAMES: usize = 48;

/// What can be set on an encoder: the requests of `opus_defines.h` that take one number.
#[derive(Clone, Copy)]
pub(in crate::codec) enum Setting {
    Bitrate = 4002,
    Complexity = 4010,
    InbandFec = 4012,
    PacketLossPercent = 4014,
    Dtx = 4016,
}

/// An encoder of one channel.
pub(in crate::codec) struct Encoder {
    state: NonNull<OpusEncoder>,
}

// SAFETY: a state belongs to no thread; it is used by whoever owns the encoder.
unsafe impl Send for Encoder {}

impl Encoder {
    /// None where the library has no such rate, or no memory.
    pub fn new(sample_rate: u32) -> Option<Self> {
        // SAFETY: the error pointer may be null; the rate is checked by the library.
        let state = unsafe {
            opus_encoder_create(
                i32::try_from(sample_rate).ok()?,
                1,
                APPLICATION_VOIP,
                ptr::null_mut(),
            )
        };
        NonNull::new(state).map(|state| Self { state })
    }

    /// Returns whether the library took it.
    pub fn set(&mut self, setting: Setting, value: i32) -> bool {
        // SAFETY: each of these requests takes exactly one opus_int32 by value.
        unsafe { opus_encoder_ctl(self.state.as_ptr(), setting as c_int, value) == 0 }
    }

    /// Encodes one packet into `payload`; returns its octets. None where the length of `sound` is none of the codec's.
    pub fn encode(&mut self, sound: &[i16], payload: &mut [u8]) -> Option<usize> {
        // SAFETY: one channel, so that the samples are as many as the frame has; both buffers go with their lengths.
        let octets = unsafe {
            opus_encode(
                self.state.as_ptr(),
                sound.as_ptr(),
                c_int::try_from(sound.len()).ok()?,
                payload.as_mut_ptr(),
                i32::try_from(payload.len()).ok()?,
            )
        };
        usize::try_from(octets)
            .ok()
            .filter(|octets| *octets <= payload.len())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_encoder_create`, and nobody has it afterwards.
        unsafe { opus_encoder_destroy(self.state.as_ptr()) }
    }
}

/// A decoder to one channel.
pub(in crate::codec) struct Decoder {
    state: NonNull<OpusDecoder>,
}

// SAFETY: as for the encoder.
unsafe impl Send for Decoder {}

impl Decoder {
    /// None where the library has no such rate, or no memory.
    pub fn new(sample_rate: u32) -> Option<Self> {
        // SAFETY: as for the encoder.
        let state =
            unsafe { opus_decoder_create(i32::try_from(sample_rate).ok()?, 1, ptr::null_mut()) };
        NonNull::new(state).map(|state| Self { state })
    }

    /// Decodes one packet; returns its samples. None where it is none, or longer than `sound`.
    pub fn decode(&mut self, payload: &[u8], sound: &mut [i16]) -> Option<usize> {
        if payload.is_empty() {
            return None; // to the library that would mean: conceal
        }
        self.call(payload, sound, 0)
    }

    /// Decodes the packet before `next` out of what `next` repeats of it, exactly as long as `sound`.
    pub fn decode_fec(&mut self, next: &[u8], sound: &mut [i16]) -> Option<usize> {
        self.call(next, sound, 1)
    }

    /// Conceals, exactly as long as `sound`, which is a multiple of 2.5 ms.
    pub fn conceal(&mut self, sound: &mut [i16]) -> Option<usize> {
        self.call(&[], sound, 0)
    }

    fn call(&mut self, payload: &[u8], sound: &mut [i16], fec: c_int) -> Option<usize> {
        let data = if payload.is_empty() {
            ptr::null()
        } else {
            payload.as_ptr()
        };
        // SAFETY: null stands for a lost packet; else both buffers go with their lengths, in samples of one channel.
        let samples = unsafe {
            opus_decode(
                self.state.as_ptr(),
                data,
                i32::try_from(payload.len()).ok()?,
                sound.as_mut_ptr(),
                c_int::try_from(sound.len()).ok()?,
                fec,
            )
        };
        usize::try_from(samples)
            .ok()
            .filter(|samples| *samples <= sound.len())
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: made by `opus_decoder_create`, and nobody has it afterwards.
        unsafe { opus_decoder_destroy(self.state.as_ptr()) }
    }
}

/// What a packet holds, by its framing alone.
pub(in crate::codec) struct Framing {
    pub frames: usize,
    pub samples_per_frame: usize,
    /// Where the first frame's own octets are.
    pub first: std::ops::Range<usize>,
}

/// None where the framing is none of Opus's.
pub(in crate::codec) fn framing(payload: &[u8], sample_rate: u32) -> Option<Framing> {
    if payload.is_empty() {
        return None;
    }
    let mut sizes = [0_i16; MOST_FRAMES];
    let mut offset: c_int = 0;
    // SAFETY: the payload goes with its length; the library writes at most 48 sizes, and takes null for the other two.
    let (frames, samples) = unsafe {
        (
            opus_packet_parse(
                payload.as_ptr(),
                i32::try_from(payload.len()).ok()?,
                ptr::null_mut(),
                ptr::null_mut(),
                sizes.as_mut_ptr(),
                &raw mut offset,
            ),
            // It reads the first octet only, and there is one.
            opus_packet_get_samples_per_frame(payload.as_ptr(), i32::try_from(sample_rate).ok()?),
        )
    };
    let frames = usize::try_from(frames)
        .ok()
        .filter(|frames| (1..=MOST_FRAMES).contains(frames))?;
    let start = usize::try_from(offset).ok()?;
    let first = start..start + usize::try_from(sizes[0]).ok()?;
    payload.get(first.clone())?;
    Some(Framing {
        frames,
        samples_per_frame: usize::try_from(samples).ok()?,
        first,
    })
}
