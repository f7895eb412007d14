//! WAV as a stream: the sizes in its header say "unknown" (all ones), as every program that writes to a pipe has it.

/// The header of 16-bit stereo.
pub fn begin(sample_rate: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"RIFF\xff\xff\xff\xffWAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    out.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    out.extend_from_slice(&2_u16.to_le_bytes());
    out.extend_from_slice(&sample_rate.to_le_bytes());
    out.extend_from_slice(&(sample_rate * 4).to_le_bytes());
    out.extend_from_slice(&4_u16.to_le_bytes());
    out.extend_from_slice(&16_u16.to_le_bytes());
    out.extend_from_slice(b"data\xff\xff\xff\xff");
}

/// Samples of both channels, in turn.
pub fn write(left: &[i16], right: &[i16], out: &mut Vec<u8>) {
    out.reserve(left.len() * 4);
    for (left, right) in left.iter().zip(right) {
        out.extend_from_slice(&left.to_le_bytes());
        out.extend_from_slice(&right.to_le_bytes());
    }
}
