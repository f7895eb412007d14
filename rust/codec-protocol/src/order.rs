//! What the media core asks of the codec process.

use crate::wire::{Fields, MAX_DATA, MAX_PAYLOAD, Malformed, Put, at_most};
use crate::{CodecKind, CodecSpec, LAST_DIGIT, LegId};

/// Formats of a leg in one direction at most.
pub const MAX_FORMATS: usize = 32;
/// Sounds that one order plays, and numbers that sounds can have.
pub const MAX_SOUNDS: usize = 256;

/// What a payload type of a leg stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// RTP payload type, 0-127.
    pub payload_type: u8,
    /// The codec behind it.
    pub spec: CodecSpec,
}

/// A packet that a leg's phone sent, decrypted and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Whose phone sent it.
    pub leg: LegId,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP payload type.
    pub payload_type: u8,
    /// RTP marker bit.
    pub marker: bool,
    /// Synchronisation source.
    pub ssrc: u32,
    /// When it came, microseconds of the system's monotonic clock.
    pub at_us: u64,
    /// The payload, at most [`MAX_PAYLOAD`] octets.
    pub payload: &'a [u8],
}

/// The container and codec of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordingFormat {
    /// Opus in Ogg (RFC 7845).
    OggOpus = 0,
    /// Linear PCM in RIFF WAVE.
    Wav = 1,
    /// FLAC (RFC 9639).
    Flac = 2,
}

/// An order. Those about a leg that is not set up are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order<'a> {
    /// Makes a leg, or changes what its payload types stand for.
    SetUp {
        /// Which leg.
        leg: LegId,
        /// What its phone may send, in order of preference.
        formats: Vec<Format>,
        /// What it is sent: a voice format, then events and comfort noise where agreed.
        transmit: Vec<Format>,
    },
    /// The leg is sent what `source` sends, or else silence, from now on.
    Hear {
        /// Which leg.
        leg: LegId,
        /// Whose sound; itself for an echo.
        source: Option<LegId>,
    },
    /// The leg is sent nothing more until the next `Hear` or `Play`.
    Hush {
        /// Which leg.
        leg: LegId,
    },
    /// A packet of a leg's phone.
    Packet(Packet<'a>),
    /// Plays sounds to a leg, one after the other; what played before ends.
    Play {
        /// Which leg.
        leg: LegId,
        /// Told back when all were played.
        playing: u32,
        /// From the beginning again when all were played.
        repeat: bool,
        /// Mixed with what the leg hears, and not in place of it.
        over: bool,
        /// The sounds' numbers; one that is still to come is waited for.
        sounds: Vec<u16>,
    },
    /// Ends what plays to a leg.
    StopPlaying {
        /// Which leg.
        leg: LegId,
    },
    /// A part of a sound.
    Sound {
        /// Its number, less than [`MAX_SOUNDS`].
        sound: u16,
        /// Its sample rate, Hz.
        rate: u32,
        /// Samples of the whole.
        samples: u32,
        /// Where this part begins; parts come in order.
        from: u32,
        /// This part: 16 bits a sample, little-endian.
        pcm: &'a [u8],
    },
    /// Sends a digit to a leg's phone.
    Digit {
        /// Which leg.
        leg: LegId,
        /// RFC 4733 event code, 0-15.
        digit: u8,
        /// How long, ms.
        duration_ms: u16,
    },
    /// So much of what the leg is sent gets lost.
    ExpectLoss {
        /// Which leg.
        leg: LegId,
        /// Percent.
        percent: u8,
    },
    /// Begins to record what legs send.
    Record {
        /// The recording's number.
        recording: u64,
        /// The first channel.
        left: LegId,
        /// The second channel, if there is one.
        right: Option<LegId>,
        /// Container and codec.
        format: RecordingFormat,
    },
    /// Ends a recording; its last data and its end are told.
    StopRecording {
        /// Which.
        recording: u64,
    },
    /// Forgets a leg; its statistics are told once more.
    Close {
        /// Which leg.
        leg: LegId,
    },
}

impl<'a> Order<'a> {
    /// Whose leg it is about; None where that is nobody's, or several legs'.
    #[must_use]
    pub fn leg(&self) -> Option<LegId> {
        match self {
            Self::SetUp { leg, .. }
            | Self::Hear { leg, .. }
            | Self::Hush { leg }
            | Self::Packet(Packet { leg, .. })
            | Self::Play { leg, .. }
            | Self::StopPlaying { leg }
            | Self::Digit { leg, .. }
            | Self::ExpectLoss { leg, .. }
            | Self::Close { leg } => Some(*leg),
            Self::Sound { .. } | Self::Record { .. } | Self::StopRecording { .. } => None,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::SetUp {
                leg,
                formats,
                transmit,
            } => {
                out.u64(*leg);
                put_formats(formats, out);
                put_formats(transmit, out);
                0
            }
            Self::Hear { leg, source } => {
                out.u64(*leg);
                out.flag(source.is_some());
                out.u64(source.unwrap_or(0));
                1
            }
            Self::Packet(packet) => {
                out.u64(packet.leg);
                out.u16(packet.sequence);
                out.u32(packet.timestamp);
                out.u8(packet.payload_type);
                out.flag(packet.marker);
                out.u32(packet.ssrc);
                out.u64(packet.at_us);
                out.put(packet.payload);
                2
            }
            Self::Play {
                leg,
                playing,
                repeat,
                over,
                sounds,
            } => {
                out.u64(*leg);
                out.u32(*playing);
                out.flag(*repeat);
                out.flag(*over);
                let count = sounds.len().min(MAX_SOUNDS);
                out.u16(count as u16);
                sounds[..count].iter().for_each(|&sound| out.u16(sound));
                3
            }
            Self::StopPlaying { leg } => {
                out.u64(*leg);
                4
            }
            Self::Sound {
                sound,
                rate,
                samples,
                from,
                pcm,
            } => {
                out.u16(*sound);
                out.u32(*rate);
                out.u32(*samples);
                out.u32(*from);
                out.put(pcm);
                5
            }
            Self::Digit {
                leg,
                digit,
                duration_ms,
            } => {
                out.u64(*leg);
                out.u8(*digit);
                out.u16(*duration_ms);
                6
            }
            Self::Record {
                recording,
                left,
                right,
                format,
            } => {
                out.u64(*recording);
                out.u64(*left);
                out.flag(right.is_some());
                out.u64(right.unwrap_or(0));
                out.u8(*format as u8);
                7
            }
            Self::StopRecording { recording } => {
                out.u64(*recording);
                8
            }
            Self::Close { leg } => {
                out.u64(*leg);
                9
            }
            Self::Hush { leg } => {
                out.u64(*leg);
                10
            }
            Self::ExpectLoss { leg, percent } => {
                out.u64(*leg);
                out.u8(*percent);
                11
            }
        }
    }

    pub(crate) fn read(kind: u8, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let order = match kind {
            0 => Self::SetUp {
                leg: fields.u64()?,
                formats: read_formats(&mut fields)?,
                transmit: read_formats(&mut fields)?,
            },
            1 => Self::Hear {
                leg: fields.u64()?,
                source: read_option(&mut fields)?,
            },
            2 => Self::Packet(Packet {
                leg: fields.u64()?,
                sequence: fields.u16()?,
                timestamp: fields.u32()?,
                payload_type: fields.payload_type()?,
                marker: fields.flag()?,
                ssrc: fields.u32()?,
                at_us: fields.u64()?,
                payload: fields.rest(MAX_PAYLOAD)?,
            }),
            3 => Self::Play {
                leg: fields.u64()?,
                playing: fields.u32()?,
                repeat: fields.flag()?,
                over: fields.flag()?,
                sounds: read_sounds(&mut fields)?,
            },
            4 => Self::StopPlaying { leg: fields.u64()? },
            5 => Self::read_sound(&mut fields)?,
            6 => Self::Digit {
                leg: fields.u64()?,
                digit: at_most(fields.u8()?, LAST_DIGIT)?,
                duration_ms: fields.u16()?,
            },
            7 => Self::Record {
                recording: fields.u64()?,
                left: fields.u64()?,
                right: read_option(&mut fields)?,
                format: match fields.u8()? {
                    0 => RecordingFormat::OggOpus,
                    1 => RecordingFormat::Wav,
                    2 => RecordingFormat::Flac,
                    _ => return Err(Malformed),
                },
            },
            8 => Self::StopRecording {
                recording: fields.u64()?,
            },
            9 => Self::Close { leg: fields.u64()? },
            10 => Self::Hush { leg: fields.u64()? },
            11 => Self::ExpectLoss {
                leg: fields.u64()?,
                percent: at_most(fields.u8()?, 100)?,
            },
            _ => return Err(Malformed),
        };
        fields.end()?;
        Ok(order)
    }

    fn read_sound(fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        let sound = at_most(fields.u16()?, MAX_SOUNDS as u16 - 1)?;
        let (rate, samples, from) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let pcm = fields.rest(MAX_DATA)?;
        let end = u64::from(from) + pcm.len() as u64 / 2;
        if pcm.len() % 2 == 1 || end > u64::from(samples) || !(8_000..=48_000).contains(&rate) {
            return Err(Malformed);
        }
        Ok(Self::Sound {
            sound,
            rate,
            samples,
            from,
            pcm,
        })
    }
}

fn read_option(fields: &mut Fields<'_>) -> Result<Option<LegId>, Malformed> {
    match (fields.flag()?, fields.u64()?) {
        (true, leg) => Ok(Some(leg)),
        (false, 0) => Ok(None),
        (false, _) => Err(Malformed),
    }
}

fn read_sounds(fields: &mut Fields<'_>) -> Result<Vec<u16>, Malformed> {
    let count = at_most(usize::from(fields.u16()?), MAX_SOUNDS)?;
    (0..count)
        .map(|_| at_most(fields.u16()?, MAX_SOUNDS as u16 - 1))
        .collect()
}

fn put_formats(formats: &[Format], out: &mut Vec<u8>) {
    let count = formats.len().min(MAX_FORMATS);
    out.u8(count as u8);
    for Format { payload_type, spec } in &formats[..count] {
        out.u8(*payload_type);
        out.u8(spec.kind as u8);
        out.u32(spec.clock_rate);
        out.u32(spec.sample_rate);
        out.u8(spec.packet_ms);
        out.u32(spec.bitrate);
        out.u8(spec.frame_ms);
        out.flag(spec.fec);
        out.flag(spec.dtx);
    }
}

fn read_formats(fields: &mut Fields<'_>) -> Result<Vec<Format>, Malformed> {
    let count = at_most(usize::from(fields.u8()?), MAX_FORMATS)?;
    let mut formats = Vec::with_capacity(count);
    for _ in 0..count {
        formats.push(Format {
            payload_type: fields.payload_type()?,
            spec: CodecSpec {
                kind: CodecKind::from_number(fields.u8()?).ok_or(Malformed)?,
                clock_rate: fields.u32()?,
                sample_rate: fields.u32()?,
                packet_ms: fields.u8()?,
                bitrate: fields.u32()?,
                frame_ms: fields.u8()?,
                fec: fields.flag()?,
                dtx: fields.flag()?,
            },
        });
    }
    Ok(formats)
}
