//! What the owner gives an engine and gets from it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use sealtone_codec_protocol::Format;

use crate::clock::Micros;
use crate::pool::{PoolConfig, PoolError, PoolState};
use crate::port::SocketOptions;
use crate::srtp::{SrtpError, Suite};

/// How an engine runs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Worker threads; 0 is one for each core.
    pub workers: usize,
    /// Cores to pin the workers to, in turn; none pins nothing.
    pub cpus: Vec<usize>,
    /// First UDP port for media.
    pub port_min: u16,
    /// Last UDP port for media.
    pub port_max: u16,
    /// Under load rounds begin at most so far apart; 0 never pauses.
    pub tick: Micros,
    /// Packets a second and worker from which it pauses between rounds.
    pub coalesce_pps: u64,
    /// Port pairs kept bound in advance, for each local address.
    pub stock: usize,
    /// How long a released port rests.
    pub quarantine: Micros,
    /// Receive buffer of each socket, as asked of the kernel (which doubles it).
    pub receive_buffer: usize,
    /// Differentiated services code point of what is sent.
    pub dscp: u8,
    /// Without media for so long a leg is reported silent.
    pub silence: Micros,
    /// Local addresses whose ports are bound in advance from the start.
    pub local_ips: Vec<IpAddr>,
    /// The program of the codec processes; none: nothing is heard or played through codecs.
    pub codec_process: Option<PathBuf>,
}

/// What can go wrong at the owner's side.
#[derive(Debug)]
pub enum EngineError {
    /// No such call or leg, or it is closed.
    Unknown,
    /// There are no codec processes: why.
    NoCodecs(String),
    /// Two legs of different calls cannot be bridged.
    ForeignLeg,
    /// No port.
    Ports(PoolError),
    /// A key does not fit its suite.
    Key(SrtpError),
    /// An argument out of its range.
    Invalid(&'static str),
    /// A worker has not taken its commands for a second.
    Busy,
    /// The engine has been stopped.
    Stopped,
    /// A thread or descriptor could not be had at the start.
    Start(std::io::Error),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => write!(f, "no such call or leg, or it is closed"),
            Self::NoCodecs(why) => {
                write!(f, "nothing can be heard or played through codecs: {why}")
            }
            Self::ForeignLeg => write!(f, "only legs of one call can be bridged"),
            Self::Ports(error) => error.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Invalid(what) => write!(f, "{what}"),
            Self::Busy => write!(f, "the media worker does not take commands"),
            Self::Stopped => write!(f, "the media engine is stopped"),
            Self::Start(error) => write!(f, "the media engine cannot start: {error}"),
        }
    }
}

impl std::error::Error for EngineError {}

/// A key for one direction of one leg.
pub struct Key<'a> {
    /// Which algorithms.
    pub suite: Suite,
    /// Master key.
    pub key: &'a [u8],
    /// Master salt.
    pub salt: &'a [u8],
}

/// What signalling decided about a leg; see [`Plan`] for the fields in common.
pub struct LegPlan<'a> {
    /// Where the remote receives RTP.
    pub remote: Option<SocketAddr>,
    /// Where the remote receives RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// Where the leg's signalling came from.
    pub signalling_ip: Option<IpAddr>,
    /// RTP and RTCP on one port.
    pub rtcp_mux: bool,
    /// Media may be sent to the remote.
    pub send: bool,
    /// Media from the remote may pass.
    pub receive: bool,
    /// Key of what the remote sends.
    pub rx: Option<Key<'a>>,
    /// Key of what we send.
    pub tx: Option<Key<'a>>,
    /// Nothing plain may pass.
    pub secure_required: bool,
    /// Payload types negotiated with the remote.
    pub payload_types: &'a [u8],
    /// RTP clock of the audio codec, Hz.
    pub clock_rate: u32,
    /// Forget where the leg is latched.
    pub new_latch: bool,
    /// Packets pass as they are, to and from another sealed leg only. Such a leg has no keys, and whether
    /// its media is secure only its phone knows: `secure_required` says nothing of it.
    pub sealed: bool,
    /// What the remote may send, by payload type: how to decode it where it is heard through codecs.
    pub formats: &'a [Format],
    /// What it is sent where the codec process makes it: a voice format, then events and comfort noise.
    pub transmit: &'a [Format],
}

/// A leg just opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedLeg {
    /// Its id, never used again in this process.
    pub id: u64,
    /// Local address.
    pub ip: IpAddr,
    /// Local RTP port.
    pub rtp_port: u16,
    /// Local RTCP port.
    pub rtcp_port: u16,
}

/// Totals over the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineState {
    /// Calls open.
    pub calls: usize,
    /// Legs open.
    pub legs: usize,
    /// Datagrams received.
    pub datagrams: u64,
    /// Rounds through ready sockets.
    pub rounds: u64,
    /// Rounds in which a worker was behind and dropped old packets.
    pub behind: u64,
    /// Legs ended by a failed internal check.
    pub faults: u64,
    /// Events dropped because nobody read them.
    pub events_dropped: u64,
    /// Packets given to codec processes.
    pub codec_packets: u64,
    /// Packets not given to them, their sockets being full or they away.
    pub codec_dropped: u64,
    /// Times that one was lost.
    pub codec_lost: u64,
    /// Packets of theirs that were not sent.
    pub codec_refused: u64,
    /// The ports.
    pub ports: PoolState,
}

pub(super) fn check(config: &EngineConfig) -> Result<(), EngineError> {
    let pairs = config
        .port_max
        .saturating_sub(config.port_min.next_multiple_of(2))
        / 2;
    if config.port_min < 1_024 || config.port_max <= config.port_min || pairs == 0 {
        return Err(EngineError::Invalid(
            "media ports: a range of at least four from 1024 up",
        ));
    }
    if config.tick > 1_000 {
        return Err(EngineError::Invalid(
            "the tick is at most 1000 microseconds",
        ));
    }
    if config.workers > 256 {
        return Err(EngineError::Invalid("at most 256 media workers"));
    }
    if config.dscp > 63 {
        return Err(EngineError::Invalid("a code point is 0 to 63"));
    }
    Ok(())
}

pub(super) fn pool_config(config: &EngineConfig) -> PoolConfig {
    PoolConfig {
        first: config.port_min,
        last: config.port_max,
        stock: config.stock,
        quarantine: config.quarantine,
        options: SocketOptions {
            receive_buffer: config.receive_buffer,
            dscp: config.dscp,
        },
    }
}
