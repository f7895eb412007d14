//! RTCP packets as views over a buffer (RFC 3550 section 6, RFC 4585, RFC 5506), their builder, and reception
//! statistics.

mod build;
mod reception;

pub use build::CompoundBuilder;
pub use reception::{ReceptionStats, ReceptionTotals, middle_of_ntp, round_trip_us};

/// Packet type of a sender report.
pub const SENDER_REPORT: u8 = 200;
/// Packet type of a receiver report.
pub const RECEIVER_REPORT: u8 = 201;
/// Packet type of a source description.
pub const SOURCE_DESCRIPTION: u8 = 202;
/// Packet type of a goodbye.
pub const BYE: u8 = 203;
/// Packet type of an application-defined packet.
pub const APP: u8 = 204;
/// Packet type of transport-layer feedback (RFC 4585).
pub const TRANSPORT_FEEDBACK: u8 = 205;
/// Packet type of payload-specific feedback (RFC 4585).
pub const PAYLOAD_FEEDBACK: u8 = 206;

/// SDES item type of the canonical name.
pub const SDES_CNAME: u8 = 1;

const HEADER_LEN: usize = 4;
const REPORT_BLOCK_LEN: usize = 24;
const SENDER_INFO_LEN: usize = 20;

/// Why a datagram is not a usable RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtcpError {
    /// A packet is shorter than its header says, or the lengths do not add up to the datagram's.
    Length,
    /// The version field is not 2.
    Version,
    /// The packet type is none that RTCP uses beside RTP (192-223, RFC 5761 section 4).
    Type,
    /// Padding on another packet than the last, or with an impossible count.
    Padding,
    /// The buffer given for building has no room, or a count or text is longer than its field can tell.
    NoRoom,
}

impl core::fmt::Display for RtcpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Length => "RTCP lengths do not add up",
            Self::Version => "RTCP version is not 2",
            Self::Type => "not an RTCP packet type",
            Self::Padding => "RTCP padding is impossible",
            Self::NoRoom => "no room to build the RTCP packet",
        })
    }
}

impl core::error::Error for RtcpError {}

/// Whether a datagram on a port shared with RTP is RTCP, by its second octet (RFC 5761 section 4).
#[inline]
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 2 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

/// A checked compound of RTCP packets (RFC 3550 appendix A.2), which may be of reduced size (RFC 5506).
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    data: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks versions, types, lengths and padding of all packets in `data`. A compound that does not begin with a
    /// report is let through: RFC 5506 allows it, and [`Self::is_reduced_size`] tells.
    ///
    /// # Errors
    /// [`RtcpError::Length`], [`RtcpError::Version`], [`RtcpError::Type`], [`RtcpError::Padding`].
    pub fn parse(data: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = data;
        while !rest.is_empty() || data.is_empty() {
            let (packet, after) = split_packet(rest)?;
            if packet.header & 0x20 != 0
                && (!after.is_empty() || packet.body_without_padding().is_none())
            {
                return Err(RtcpError::Padding);
            }
            rest = after;
        }
        Ok(Self { data })
    }

    /// Whether the compound begins with something else than a sender or receiver report (RFC 5506).
    #[must_use]
    pub fn is_reduced_size(&self) -> bool {
        !matches!(self.data.get(1), Some(&(SENDER_REPORT | RECEIVER_REPORT)))
    }

    /// The packets in order. A packet too short for what its type and count promise comes as [`RtcpPacket::Other`].
    pub fn packets(&self) -> impl Iterator<Item = RtcpPacket<'a>> + use<'a> {
        let mut rest = self.data;
        core::iter::from_fn(move || {
            let (packet, after) = split_packet(rest).ok()?;
            rest = after;
            Some(packet.read())
        })
    }
}

/// One packet with its header taken apart; `body` begins after the 32-bit header and includes padding.
struct RawPacket<'a> {
    header: u8,
    packet_type: u8,
    body: &'a [u8],
}

fn split_packet(data: &[u8]) -> Result<(RawPacket<'_>, &[u8]), RtcpError> {
    let head = data.first_chunk::<HEADER_LEN>().ok_or(RtcpError::Length)?;
    if head[0] >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    if !(192..=223).contains(&head[1]) {
        return Err(RtcpError::Type);
    }
    let len = HEADER_LEN + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (packet, after) = data.split_at_checked(len).ok_or(RtcpError::Length)?;
    Ok((
        RawPacket {
            header: head[0],
            packet_type: head[1],
            body: &packet[HEADER_LEN..],
        },
        after,
    ))
}

impl<'a> RawPacket<'a> {
    fn body_without_padding(&self) -> Option<&'a [u8]> {
        if self.header & 0x20 == 0 {
            return Some(self.body);
        }
        let count = usize::from(*self.body.last()?);
        if count == 0 || count % 4 != 0 {
            return None;
        }
        self.body.get(..self.body.len().checked_sub(count)?)
    }

    fn read(self) -> RtcpPacket<'a> {
        let count = self.header & 0x1f;
        let body = self.body_without_padding().unwrap_or_default();
        let other = RtcpPacket::Other(OtherPacket {
            packet_type: self.packet_type,
            count,
            body,
        });
        match self.packet_type {
            SENDER_REPORT => SenderReport::read(count, body).map(RtcpPacket::SenderReport),
            RECEIVER_REPORT => ReceiverReport::read(count, body).map(RtcpPacket::ReceiverReport),
            SOURCE_DESCRIPTION => Some(RtcpPacket::SourceDescription(SourceDescription {
                count,
                body,
            })),
            BYE => Bye::read(count, body).map(RtcpPacket::Bye),
            APP => App::read(count, body).map(RtcpPacket::App),
            TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK => {
                Feedback::read(self.packet_type, count, body).map(RtcpPacket::Feedback)
            }
            _ => None,
        }
        .unwrap_or(other)
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum RtcpPacket<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    SourceDescription(SourceDescription<'a>),
    /// BYE.
    Bye(Bye<'a>),
    /// APP.
    App(App<'a>),
    /// Transport-layer or payload-specific feedback.
    Feedback(Feedback<'a>),
    /// A type not read here, or a packet too short for its type.
    Other(OtherPacket<'a>),
}

/// When and how much a sender has sent, in a sender report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock as an NTP timestamp: seconds since 1900 in the upper 32 bits, fraction in the lower.
    pub ntp: u64,
    /// The same moment on the media clock.
    pub rtp_timestamp: u32,
    /// RTP packets sent.
    pub packets: u32,
    /// Payload octets sent, without headers and padding.
    pub octets: u32,
}

/// What a receiver says about one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Fraction lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, -2^23 to 2^23 - 1; negative when duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with its cycles in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter, in units of the media clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last sender report from the source; 0: none yet.
    pub last_sender_report: u32,
    /// Time since that report came, in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    fn read(data: &[u8; REPORT_BLOCK_LEN]) -> Self {
        Self {
            ssrc: word(data, 0),
            fraction_lost: data[4],
            // Sign-extends the 24 bits.
            cumulative_lost: (word(data, 4) << 8) as i32 >> 8,
            highest_sequence: word(data, 8),
            jitter: word(data, 12),
            last_sender_report: word(data, 16),
            delay_since_last: word(data, 20),
        }
    }
}

/// The report blocks of a sender or receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl ReportBlocks<'_> {
    /// The blocks in order, at most 31.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> {
        self.0
            .chunks_exact(REPORT_BLOCK_LEN)
            .filter_map(|chunk| chunk.try_into().ok())
            .map(ReportBlock::read)
    }
}

/// A sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// What it sent.
    pub info: SenderInfo,
    /// What it received.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    fn read(count: u8, body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_at_checked(4 + SENDER_INFO_LEN)?;
        Some(Self {
            ssrc: word(head, 0),
            info: SenderInfo {
                ntp: u64::from(word(head, 4)) << 32 | u64::from(word(head, 8)),
                rtp_timestamp: word(head, 12),
                packets: word(head, 16),
                octets: word(head, 20),
            },
            blocks: ReportBlocks(rest.get(..usize::from(count) * REPORT_BLOCK_LEN)?),
        })
    }
}

/// A receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// What it received.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    fn read(count: u8, body: &'a [u8]) -> Option<Self> {
        let (head, rest) = body.split_at_checked(4)?;
        let blocks = ReportBlocks(rest.get(..usize::from(count) * REPORT_BLOCK_LEN)?);
        Some(Self {
            ssrc: word(head, 0),
            blocks,
        })
    }
}

/// A source description.
#[derive(Clone, Copy, Debug)]
pub struct SourceDescription<'a> {
    count: u8,
    body: &'a [u8],
}

/// One item of a source description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// The source it describes.
    pub ssrc: u32,
    /// Item type, [`SDES_CNAME`] for one.
    pub item_type: u8,
    /// UTF-8 by the RFC; not checked.
    pub text: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    /// The items of all chunks in order; ends at the first that does not fit.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let (body, mut chunks, mut at, mut ssrc) = (self.body, self.count, 0, None);
        core::iter::from_fn(move || {
            loop {
                let Some(source) = ssrc else {
                    chunks = chunks.checked_sub(1)?;
                    ssrc = Some(word(body.get(at..at + 4)?, 0));
                    at += 4;
                    continue;
                };
                let item_type = *body.get(at)?;
                if item_type == 0 {
                    // The end mark; the next chunk begins on a 32-bit boundary.
                    at = (at / 4 + 1) * 4;
                    ssrc = None;
                    continue;
                }
                let len = usize::from(*body.get(at + 1)?);
                let text = body.get(at + 2..at + 2 + len)?;
                at += 2 + len;
                return Some(SdesItem {
                    ssrc: source,
                    item_type,
                    text,
                });
            }
        })
    }

    /// The canonical name of the first source that has one.
    #[must_use]
    pub fn cname(&self) -> Option<&'a [u8]> {
        self.items()
            .find(|item| item.item_type == SDES_CNAME)
            .map(|item| item.text)
    }
}

/// A goodbye.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// Why, when the sender says so.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    fn read(count: u8, body: &'a [u8]) -> Option<Self> {
        let (sources, rest) = body.split_at_checked(4 * usize::from(count))?;
        let reason = rest
            .split_first()
            .and_then(|(len, text)| text.get(..usize::from(*len)));
        Some(Self { sources, reason })
    }

    /// The sources that leave.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.sources.chunks_exact(4).map(|chunk| word(chunk, 0))
    }
}

/// An application-defined packet.
#[derive(Clone, Copy, Debug)]
pub struct App<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// Subtype, 0-31.
    pub subtype: u8,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// The rest.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    fn read(subtype: u8, body: &'a [u8]) -> Option<Self> {
        let (head, data) = body.split_first_chunk::<8>()?;
        Some(Self {
            ssrc: word(head, 0),
            subtype,
            name: [head[4], head[5], head[6], head[7]],
            data,
        })
    }
}

/// Feedback (RFC 4585).
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// [`TRANSPORT_FEEDBACK`] or [`PAYLOAD_FEEDBACK`].
    pub packet_type: u8,
    /// Feedback message type, 0-31.
    pub format: u8,
    /// Who sends it.
    pub sender: u32,
    /// The source it is about.
    pub media: u32,
    /// Feedback control information.
    pub control: &'a [u8],
}

impl<'a> Feedback<'a> {
    fn read(packet_type: u8, format: u8, body: &'a [u8]) -> Option<Self> {
        let (head, control) = body.split_first_chunk::<8>()?;
        Some(Self {
            packet_type,
            format,
            sender: word(head, 0),
            media: word(head, 4),
            control,
        })
    }
}

/// A packet not read further.
#[derive(Clone, Copy, Debug)]
pub struct OtherPacket<'a> {
    /// Packet type, 192-223.
    pub packet_type: u8,
    /// The five bits beside version and padding.
    pub count: u8,
    /// What follows the 32-bit header, without padding.
    pub body: &'a [u8],
}

/// The big-endian 32-bit word at `at`, which the caller has made sure of.
fn word(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}
