//! Formats of payload types, as Python gives them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sealtone_codec_protocol::{Availability, CodecKind, CodecSpec, Format};
use sealtone_media::engine::EngineError;

/// Payload type, encoding, clock, packet_ms, bitrate, frame_ms, fec, dtx, max_rate.
pub type FormatArguments = (u8, String, u32, u8, u32, u8, bool, bool, u32);

/// The rates that Opus decodes to and encodes from, Hz.
const OPUS_RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];
const DIGITS: [&str; 16] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", "A", "B", "C", "D",
];

/// Formats with values that the codecs can have.
pub fn parse_formats(formats: Vec<FormatArguments>) -> PyResult<Vec<Format>> {
    formats.into_iter().map(parse_format).collect()
}

fn parse_format(arguments: FormatArguments) -> PyResult<Format> {
    let (payload_type, encoding, clock_rate, packet_ms, bitrate, frame_ms, fec, dtx, max_rate) =
        arguments;
    let kind = CodecKind::from_encoding(&encoding)
        .ok_or_else(|| PyValueError::new_err(format!("unknown encoding: {encoding:?}")))?;
    let in_range = payload_type < 128
        && (8_000..=48_000).contains(&clock_rate)
        && (10..=120).contains(&packet_ms)
        && matches!(frame_ms, 0 | 20 | 30)
        && bitrate <= 510_000;
    if !in_range {
        return Err(PyValueError::new_err(format!(
            "a format out of its range: {encoding}"
        )));
    }
    let mut spec = CodecSpec::new(kind, clock_rate);
    if kind == CodecKind::Opus && max_rate > 0 {
        let fitting = OPUS_RATES.into_iter().rev().find(|&rate| rate <= max_rate);
        spec.sample_rate = fitting.unwrap_or(OPUS_RATES[0]);
    }
    if kind == CodecKind::Ilbc && frame_ms > 0 {
        spec.frame_ms = frame_ms;
    }
    spec.packet_ms = packet_ms;
    (spec.bitrate, spec.fec, spec.dtx) = (bitrate, fec, dtx);
    Ok(Format { payload_type, spec })
}

/// Every encoding with why it cannot be had.
pub fn availability(codecs: Result<Vec<Availability>, EngineError>) -> Vec<(&'static str, String)> {
    match codecs {
        Ok(codecs) => codecs
            .into_iter()
            .map(|codec| (codec.kind.encoding(), codec.missing))
            .collect(),
        Err(error) => CodecKind::ALL
            .into_iter()
            .map(|kind| (kind.encoding(), error.to_string()))
            .collect(),
    }
}

/// The RFC 4733 event of a character; one that is no digit's where it is none.
pub fn event(digit: &str) -> u8 {
    let place = DIGITS.iter().position(|known| *known == digit);
    place.map_or(u8::MAX, |event| event as u8)
}

/// The character of an RFC 4733 event.
pub fn digit(event: u8) -> &'static str {
    DIGITS.get(usize::from(event)).copied().unwrap_or("")
}
