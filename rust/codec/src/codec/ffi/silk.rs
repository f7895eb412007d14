//! Skype's SILK SDK 1.0.9, compiled in by the crate `silk-codec`, of which only the C is used.
//!
//! Three things its decoder does not bear, and which this file keeps from it: a change of `API_sampleRate` on a state
//! in use; a payload whose end is the end of its buffer (the range decoder reads ahead); and `get_TOC`, which writes
//! as many frames as a packet claims into room for five.

use std::ffi::{c_int, c_void};

// Links the C library that this crate compiles.
use silk_codec as _;

pub(in crate::codec) const MOST_OCTETS: usize = 1_024;
/// Frames of 20 ms in one packet.
pub(in crate::codec) const MOST_FRAMES: usize = 5;
/// Octets after a payload that the range decoder may look at.
const PADDING: usize = 8;
/// Samples of a frame at 24 kHz, the SDK's highest rate: it may write as many at any rate when a stream changes its own.
const FRAME_ROOM: usize = 480;

#[repr(C)]
struct EncoderControl {
    api_sample_rate: i32,
    max_internal_sample_rate: i32,
    packet_size: c_int,
    bit_rate: i32,
    packet_loss_percentage: c_int,
    complexity: c_int,
    use_in_band_fec: c_int,
    use_dtx: c_int,
}

#[repr(C)]
#[derive(Default)]
struct DecoderControl {
    api_sample_rate: i32,
    frame_size: c_int,
    frames_per_packet: c_int,
    more_internal_decoder_frames: c_int,
    in_band_fec_offset: c_int,
}

// SAFETY: these are the declarations of SKP_Silk_SDK_API.h and SKP_Silk_control.h.
unsafe extern "C" {
    fn SKP_Silk_SDK_Get_Encoder_Size(size: *mut i32) -> c_int;
    fn SKP_Silk_SDK_InitEncoder(state: *mut c_void, status: *mut EncoderControl) -> c_int;
    fn SKP_Silk_SDK_Encode(
        state: *mut c_void,
        control: *const EncoderControl,
        sound: *const i16,
        samples: c_int,
        payload: *mut u8,
        octets: *mut i16,
    ) -> c_int;
    fn SKP_Silk_SDK_Get_Decoder_Size(size: *mut i32) -> c_int;
    fn SKP_Silk_SDK_InitDecoder(state: *mut c_void) -> c_int;
    fn SKP_Silk_SDK_Decode(
        state: *mut c_void,
        control: *mut DecoderControl,
        lost: c_int,
        payload: *const u8,
        octets: c_int,
        sound: *mut i16,
        samples: *mut i16,
    ) -> c_int;
    fn SKP_Silk_SDK_search_for_LBRR(
        payload: *const u8,
        octets: c_int,
        lost_offset: c_int,
        redundancy: *mut u8,
        redundancy_octets: *mut i16,
    );
}

/// Memory for a state, aligned for whatever C puts there.
fn memory(size: unsafe extern "C" fn(*mut i32) -> c_int) -> Option<Box<[u64]>> {
    let mut octets = 0_i32;
    // SAFETY: it writes one number.
    let result = unsafe { size(&raw mut octets) };
    let octets = usize::try_from(octets)
        .ok()
        .filter(|octets| result == 0 && *octets > 0)?;
    Some(vec![0_u64; octets.div_ceil(8)].into_boxed_slice())
}

pub(in crate::codec) struct Encoder {
    state: Box<[u64]>,
    control: EncoderControl,
}

impl Encoder {
    /// `packet_ms` is 20, 40, 60, 80 or 100.
    pub fn new(
        sample_rate: u32,
        packet_ms: u32,
        bitrate: u32,
        complexity: u8,
        fec: bool,
        dtx: bool,
    ) -> Option<Self> {
        let rate = i32::try_from(sample_rate).ok()?;
        let control = EncoderControl {
            api_sample_rate: rate,
            max_internal_sample_rate: rate,
            packet_size: c_int::try_from(sample_rate * packet_ms / 1_000).ok()?,
            bit_rate: i32::try_from(bitrate).ok()?,
            packet_loss_percentage: 0,
            complexity: c_int::from(complexity),
            use_in_band_fec: c_int::from(fec),
            use_dtx: c_int::from(dtx),
        };
        let mut state = memory(SKP_Silk_SDK_Get_Encoder_Size)?;
        let mut status = EncoderControl { ..control };
        // SAFETY: the state is as large as the SDK asked for; it writes its status into the struct.
        let result =
            unsafe { SKP_Silk_SDK_InitEncoder(state.as_mut_ptr().cast(), &raw mut status) };
        (result == 0).then_some(Self { state, control })
    }

    pub fn expect_loss(&mut self, percent: u8) {
        self.control.packet_loss_percentage = c_int::from(percent.min(100));
    }

    pub fn set_dtx(&mut self, dtx: bool) {
        self.control.use_dtx = c_int::from(dtx);
    }

    /// Encodes one packet; returns its octets, 0 where nothing need be sent.
    pub fn encode(&mut self, sound: &[i16], payload: &mut [u8; MOST_OCTETS]) -> Option<usize> {
        if sound.len() != self.control.packet_size as usize {
            return None;
        }
        let mut octets = MOST_OCTETS as i16;
        // SAFETY: both buffers go with their lengths, in and out; the length of the sound is the packet's.
        let result = unsafe {
            SKP_Silk_SDK_Encode(
                self.state.as_mut_ptr().cast(),
                &raw const self.control,
                sound.as_ptr(),
                sound.len() as c_int,
                payload.as_mut_ptr(),
                &raw mut octets,
            )
        };
        usize::try_from(octets)
            .ok()
            .filter(|octets| result == 0 && *octets <= MOST_OCTETS)
    }
}

pub(in crate::codec) struct Decoder {
    state: Box<[u64]>,
    control: DecoderControl,
}

impl Decoder {
    pub fn new(sample_rate: u32) -> Option<Self> {
        let mut decoder = Self {
            state: memory(SKP_Silk_SDK_Get_Decoder_Size)?,
            control: DecoderControl {
                api_sample_rate: i32::try_from(sample_rate).ok()?,
                ..DecoderControl::default()
            },
        };
        decoder.reset().then_some(decoder)
    }

    fn reset(&mut self) -> bool {
        // SAFETY: the state is as large as the SDK asked for.
        unsafe { SKP_Silk_SDK_InitDecoder(self.state.as_mut_ptr().cast()) == 0 }
    }

    /// Decodes one packet and appends its sound, up to five frames. Returns whether it was one; if not, nothing is
    /// appended.
    pub fn decode(&mut self, payload: &[u8], sound: &mut Vec<i16>) -> bool {
        let Some(padded) = Padded::new(payload) else {
            return false;
        };
        let before = sound.len();
        for _ in 0..MOST_FRAMES {
            if !self.frame(Some(&padded), sound) {
                // It may be within a packet still, and would take the next for this one's rest.
                if self.control.more_internal_decoder_frames != 0 {
                    self.reset();
                }
                sound.truncate(before);
                return false;
            }
            if self.control.more_internal_decoder_frames == 0 {
                return true;
            }
        }
        self.reset();
        sound.truncate(before);
        false
    }

    /// Appends one frame of 20 ms in place of a lost one.
    pub fn conceal(&mut self, sound: &mut Vec<i16>) -> bool {
        self.frame(None, sound)
    }

    fn frame(&mut self, payload: Option<&Padded>, sound: &mut Vec<i16>) -> bool {
        let mut room = [0_i16; 2 * FRAME_ROOM];
        let mut samples = 0_i16;
        let (data, octets) = payload.map_or((std::ptr::null(), 0), |padded| {
            (padded.octets.as_ptr(), padded.length as c_int)
        });
        // SAFETY: the payload is followed by padding that the range decoder may look at, and is at most as long as the
        // SDK allows; a frame is at most 480 samples whatever the stream's own rate, and there is room for twice that.
        let result = unsafe {
            SKP_Silk_SDK_Decode(
                self.state.as_mut_ptr().cast(),
                &raw mut self.control,
                c_int::from(payload.is_none()),
                data,
                octets,
                room.as_mut_ptr(),
                &raw mut samples,
            )
        };
        let Some(frame) = usize::try_from(samples)
            .ok()
            .and_then(|samples| room.get(..samples))
        else {
            return false;
        };
        if result == 0 {
            sound.extend_from_slice(frame);
        }
        result == 0
    }
}

/// The redundancy that `next` carries of the packet before it: a packet of its own.
pub(in crate::codec) fn redundancy(next: &[u8], packet: &mut [u8; MOST_OCTETS]) -> Option<usize> {
    let padded = Padded::new(next)?;
    let mut octets = 0_i16;
    // SAFETY: what it writes is a part of the payload, so not longer than 1,024 octets. It reads the payload and its
    // padding, into a state of its own.
    unsafe {
        SKP_Silk_SDK_search_for_LBRR(
            padded.octets.as_ptr(),
            padded.length as c_int,
            1,
            packet.as_mut_ptr(),
            &raw mut octets,
        );
    }
    usize::try_from(octets)
        .ok()
        .filter(|octets| (1..=next.len()).contains(octets))
}

/// A payload with zeros after it.
struct Padded {
    octets: [u8; MOST_OCTETS + PADDING],
    length: usize,
}

impl Padded {
    fn new(payload: &[u8]) -> Option<Self> {
        if payload.is_empty() || payload.len() > MOST_OCTETS {
            return None;
        }
        let mut octets = [0; MOST_OCTETS + PADDING];
        octets[..payload.len()].copy_from_slice(payload);
        Some(Self {
            octets,
            length: payload.len(),
        })
    }
}
