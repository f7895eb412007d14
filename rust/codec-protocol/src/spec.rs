//! What a payload type stands for, as signalling has settled it.

/// A codec or one of the formats that go along with codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CodecKind {
    /// G.711 µ-law (RFC 3551 section 4.5.14).
    Pcmu = 0,
    /// G.711 A-law (RFC 3551 section 4.5.14).
    Pcma = 1,
    /// G.722 at 64 kbit/s (RFC 3551 section 4.5.2); its RTP clock says 8000 and its sound is at 16000, or at 8000 where
    /// that is all the other side has.
    G722 = 2,
    /// Opus (RFC 6716, RFC 7587).
    Opus = 3,
    /// The SILK of Skype's SDK (draft-spittka-silk-payload-format), which Opus's does not speak.
    Silk = 4,
    /// G.729, with annex A's arithmetic and annex B's silence (RFC 3551 section 4.5.6).
    G729 = 5,
    /// iLBC (RFC 3951, RFC 3952).
    Ilbc = 6,
    /// GSM full rate (RFC 3551 section 4.5.8).
    Gsm = 7,
    /// Speex, narrow, wide and ultra-wide band (RFC 5574).
    Speex = 8,
    /// Comfort noise (RFC 3389).
    ComfortNoise = 9,
    /// DTMF as events (RFC 4733).
    TelephoneEvent = 10,
}

impl CodecKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
        Self::Opus,
        Self::Silk,
        Self::G729,
        Self::Ilbc,
        Self::Gsm,
        Self::Speex,
        Self::ComfortNoise,
        Self::TelephoneEvent,
    ];

    /// The kind with that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The encoding name of its rtpmap, in lower case.
    #[must_use]
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::G722 => "g722",
            Self::Opus => "opus",
            Self::Silk => "silk",
            Self::G729 => "g729",
            Self::Ilbc => "ilbc",
            Self::Gsm => "gsm",
            Self::Speex => "speex",
            Self::ComfortNoise => "cn",
            Self::TelephoneEvent => "telephone-event",
        }
    }

    /// The kind with that encoding name, in any case.
    #[must_use]
    pub fn from_encoding(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.encoding().eq_ignore_ascii_case(name))
    }
}

/// A codec with its parameters. Sound is mono, 16 bits linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodecSpec {
    /// Which codec.
    pub kind: CodecKind,
    /// Its RTP clock, Hz: 48000 for Opus, 8000 for G.722.
    pub clock_rate: u32,
    /// The rate of the linear sound on its other side, Hz. Opus decodes to, and encodes from, any of 8000, 12000,
    /// 16000, 24000 and 48000, G.722 8000 and 16000; of the others each has one.
    pub sample_rate: u32,
    /// Milliseconds of sound that one packet of ours holds: 20, or iLBC's 30, or whatever ptime asked for.
    pub packet_ms: u8,
    /// Bits a second of what we encode; 0: what suits the codec.
    pub bitrate: u32,
    /// Milliseconds of one iLBC frame: 20 or 30; 0 for all others.
    pub frame_ms: u8,
    /// Whether what we encode carries forward error correction (Opus, SILK).
    pub fec: bool,
    /// Whether we may send nothing, or comfort noise, for silence (Opus dtx, G.729 annex B, Speex and SILK dtx).
    pub dtx: bool,
}

impl CodecSpec {
    /// The usual spec of a kind: 20 ms packets, its one sample rate, no FEC, no DTX. `clock_rate` tells SILK's and
    /// Speex's bands apart.
    #[must_use]
    pub fn new(kind: CodecKind, clock_rate: u32) -> Self {
        let sample_rate = match kind {
            CodecKind::G722 => 16_000,
            _ => clock_rate,
        };
        Self {
            kind,
            clock_rate,
            sample_rate,
            packet_ms: if kind == CodecKind::Ilbc { 30 } else { 20 },
            bitrate: 0,
            frame_ms: if kind == CodecKind::Ilbc { 30 } else { 0 },
            fec: false,
            dtx: false,
        }
    }

    /// Whether it differs from another in nothing but the rate of its sound.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let sample_rate = self.sample_rate;
        *self
            == Self {
                sample_rate,
                ..*other
            }
    }

    /// Samples of linear sound in one packet of ours.
    #[must_use]
    pub fn packet_samples(&self) -> usize {
        self.sample_rate as usize * usize::from(self.packet_ms) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_number_and_by_its_name() {
        for (number, kind) in CodecKind::ALL.into_iter().enumerate() {
            assert_eq!(CodecKind::from_number(number as u8), Some(kind));
            assert_eq!(
                CodecKind::from_encoding(&kind.encoding().to_uppercase()),
                Some(kind)
            );
        }
        assert_eq!(CodecKind::from_number(CodecKind::ALL.len() as u8), None);
    }
}
