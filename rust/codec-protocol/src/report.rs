//! What the codec process tells the media core.

use crate::wire::{Fields, MAX_DATA, MAX_PAYLOAD, MAX_TEXT, Malformed, Put, at_most};
use crate::{CodecKind, LAST_DIGIT, LegId};

/// A packet for a leg's phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'a> {
    /// Whose phone it is for.
    pub leg: LegId,
    /// RTP payload type.
    pub payload_type: u8,
    /// RTP marker bit.
    pub marker: bool,
    /// Which of the leg's streams: timestamps of another have nothing to do with those of this one.
    pub stream: u32,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The payload.
    pub payload: &'a [u8],
}

/// Whether a codec can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// Which codec.
    pub kind: CodecKind,
    /// Why it cannot, for a person; empty if it can.
    pub missing: String,
}

/// What came of a leg's packets, since the leg was set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that were decoded or kept for decoding.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Milliseconds of sound made up for what was lost or late.
    pub concealed_ms: u64,
    /// Packets whose sound was taken from the redundancy of the next.
    pub fec_used: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Packets that were thrown away: no payload of their codec, or too many.
    pub discarded: u64,
    /// Mean time that sound waits in the jitter buffer, ms.
    pub delay_ms: u32,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// The first: the process is ready.
    Hello {
        /// [`crate::VERSION`].
        version: u16,
        /// The sandbox has all its walls; without it only Landlock is missing.
        landlock: bool,
        /// Every codec.
        codecs: Vec<Availability>,
    },
    /// A packet to send.
    Send(Sent<'a>),
    /// A leg's phone sent a digit.
    Digit {
        /// Which leg.
        leg: LegId,
        /// RFC 4733 event code, 0-15.
        digit: u8,
        /// How long, ms.
        duration_ms: u16,
    },
    /// All sounds were played.
    Played {
        /// Which leg.
        leg: LegId,
        /// As in the order.
        playing: u32,
    },
    /// The next octets of a recording's file.
    Recorded {
        /// Which recording.
        recording: u64,
        /// The octets.
        data: &'a [u8],
    },
    /// A recording has ended.
    RecordingEnded {
        /// Which recording.
        recording: u64,
        /// Why, where nobody asked for it.
        reason: &'a str,
        /// Its length.
        milliseconds: u64,
    },
    /// A leg's statistics, about once a second.
    Statistics {
        /// Which leg.
        leg: LegId,
        /// What came of its packets.
        statistics: Statistics,
    },
    /// The leg cannot be sent to, or heard, for now.
    Fault {
        /// Which leg.
        leg: LegId,
        /// Why, for a person.
        reason: &'a str,
    },
}

impl<'a> Report<'a> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::Hello {
                version,
                landlock,
                codecs,
            } => {
                out.u16(*version);
                out.flag(*landlock);
                let count = codecs.len().min(CodecKind::ALL.len());
                out.u8(count as u8);
                for codec in &codecs[..count] {
                    out.u8(codec.kind as u8);
                    out.text(&codec.missing);
                }
                0
            }
            Self::Send(sent) => {
                out.u64(sent.leg);
                out.u8(sent.payload_type);
                out.flag(sent.marker);
                out.u32(sent.stream);
                out.u32(sent.timestamp);
                out.put(sent.payload);
                1
            }
            Self::Digit {
                leg,
                digit,
                duration_ms,
            } => {
                out.u64(*leg);
                out.u8(*digit);
                out.u16(*duration_ms);
                2
            }
            Self::Played { leg, playing } => {
                out.u64(*leg);
                out.u32(*playing);
                3
            }
            Self::Recorded { recording, data } => {
                out.u64(*recording);
                out.put(data);
                4
            }
            Self::RecordingEnded {
                recording,
                reason,
                milliseconds,
            } => {
                out.u64(*recording);
                out.text(reason);
                out.u64(*milliseconds);
                5
            }
            Self::Statistics { leg, statistics } => {
                out.u64(*leg);
                out.u64(statistics.received);
                out.u64(statistics.lost);
                out.u64(statistics.concealed_ms);
                out.u64(statistics.fec_used);
                out.u64(statistics.late);
                out.u64(statistics.discarded);
                out.u32(statistics.delay_ms);
                6
            }
            Self::Fault { leg, reason } => {
                out.u64(*leg);
                out.text(reason);
                7
            }
        }
    }

    pub(crate) fn read(kind: u8, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let report = match kind {
            0 => Self::Hello {
                version: fields.u16()?,
                landlock: fields.flag()?,
                codecs: read_codecs(&mut fields)?,
            },
            1 => Self::Send(Sent {
                leg: fields.u64()?,
                payload_type: fields.payload_type()?,
                marker: fields.flag()?,
                stream: fields.u32()?,
                timestamp: fields.u32()?,
                payload: fields.rest(MAX_PAYLOAD)?,
            }),
            2 => Self::Digit {
                leg: fields.u64()?,
                digit: at_most(fields.u8()?, LAST_DIGIT)?,
                duration_ms: fields.u16()?,
            },
            3 => Self::Played {
                leg: fields.u64()?,
                playing: fields.u32()?,
            },
            4 => Self::Recorded {
                recording: fields.u64()?,
                data: fields.rest(MAX_DATA)?,
            },
            5 => Self::RecordingEnded {
                recording: fields.u64()?,
                reason: fields.text()?,
                milliseconds: fields.u64()?,
            },
            6 => Self::Statistics {
                leg: fields.u64()?,
                statistics: Statistics {
                    received: fields.u64()?,
                    lost: fields.u64()?,
                    concealed_ms: fields.u64()?,
                    fec_used: fields.u64()?,
                    late: fields.u64()?,
                    discarded: fields.u64()?,
                    delay_ms: fields.u32()?,
                },
            },
            7 => Self::Fault {
                leg: fields.u64()?,
                reason: fields.text()?,
            },
            _ => return Err(Malformed),
        };
        fields.end()?;
        Ok(report)
    }
}

fn read_codecs(fields: &mut Fields<'_>) -> Result<Vec<Availability>, Malformed> {
    let count = at_most(usize::from(fields.u8()?), CodecKind::ALL.len())?;
    let mut codecs = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = CodecKind::from_number(fields.u8()?).ok_or(Malformed)?;
        let missing = fields.text()?.to_owned();
        if missing.len() > MAX_TEXT {
            return Err(Malformed);
        }
        codecs.push(Availability { kind, missing });
    }
    Ok(codecs)
}
