//! One leg of a call: its remote, its keys, its gates and its stream.
//!
//! Nothing that comes from the wire changes a leg before it is authenticated: by its SRTP tag where
//! the leg has keys, and else by coming from where signalling said it would.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

mod codecs;
mod control;
mod digits;
mod latch;
mod out;
mod packet;
mod plan;
mod sealed;

use self::latch::PlainLatch;
use crate::bridge::{Fields, Rewriter};
use crate::clock::Micros;
use crate::command::{DROP, Formats, PayloadMap};
use crate::event::{EventQueue, MediaEvent, What};
use crate::port::{self, Datagram, Port};
use crate::rate::Rate;
use crate::report::{Reporter, SourceClock};
use crate::rtcp::ReceptionStats;
use crate::rtp::RtpHeader;
use crate::srtp::{SrtpError, SrtpReceiver, SrtpSender};
use crate::stats::LegCounters;

pub use codecs::{Mouth, Playing, Told};
pub use sealed::Sealed;

/// An SRTP leg silent for so long listens to every address again: its remote may have moved. Longer than
/// the time between two packets, or each would cost the calls that undo it.
const DETACH_AFTER: Micros = 80_000;
/// After connecting, what was queued from others before is gone at the latest when the queue is
/// found empty, and not sooner than this.
const SETTLE_AFTER: Micros = 20_000;
/// Datagrams thrown away at most, on each socket, where a leg opens, is sealed or unsealed: more than a
/// socket's queue holds.
const DISCARDED: u64 = 1_024;
/// New SSRCs of ours because the remote uses the same one; more is an echo of ours, not chance.
const MAX_COLLISIONS: u8 = 4;

/// Whom the kernel lets through to the RTP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Everybody: each packet's source is checked here.
    Open,
    /// The remote only, but packets of others may still be queued from before.
    Settling(Micros),
    /// The remote only.
    Connected,
}

/// Where a leg's accepted packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nowhere: the call is not bridged yet, or no more.
    None,
    /// To the leg in that slot of the same worker.
    Leg(u32),
    /// Back to where they came from.
    Echo,
    /// To the codec process, for the leg in that slot.
    Codecs(u32),
}

/// What signalling decided, as flags that each packet needs.
#[derive(Clone, Copy, Debug, Default)]
struct Gates {
    send: bool,
    receive: bool,
    secure_required: bool,
    /// The signalled address is one to send to; false before any is known and on hold (0.0.0.0).
    sendable: bool,
    mux: bool,
    /// Packets pass as they are, to and from another sealed leg only.
    sealed: bool,
}

/// How far a packet's source is trusted before its content is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// It is where the leg is latched.
    Remote,
    /// It may become it, if the packet proves good.
    Candidate(SocketAddr),
}

/// An accepted packet, decrypted, on its way to another leg.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The header fields of the source.
    pub fields: Fields,
    /// Payload type for the outgoing packet; [`DROP`] where only the codec process wants it.
    pub payload_type: u8,
    /// Payload type at the source.
    pub source_type: u8,
    /// The codec process, or the reader of digits, wants to see it.
    pub aside: bool,
    /// Octets before the payload.
    pub header_len: usize,
    /// RTP clock of the source, Hz.
    pub clock_rate: u32,
}

/// A leg. The fields every packet needs come first; the rest is in a box.
#[derive(Debug)]
pub struct Leg {
    rtp: OwnedFd,
    link: Link,
    gates: Gates,
    latched: bool,
    /// Where the next event for this leg would report silence.
    silent: bool,
    /// Where packets of this leg go.
    pub target: Target,
    /// Who makes what this leg is sent.
    pub mouth: Mouth,
    /// What is accepted is copied to the codec process.
    pub copied: bool,
    /// Bit n: payload type n is one of RFC 4733 events.
    event_types: u128,
    remote: Option<SocketAddr>,
    rx: Option<SrtpReceiver>,
    tx: Option<SrtpSender>,
    clock_rate: u32,
    rx_ssrc: u32,
    accepted: u128,
    rewriter: Rewriter,
    reception: ReceptionStats,
    /// The leg's counters, which any thread may read.
    pub counters: Arc<LegCounters>,
    /// What each payload type becomes on the way to the target; none: it stays what it is.
    map: Option<Arc<PayloadMap>>,
    cold: Box<Cold>,
}

/// What only events, timers and RTCP need.
#[derive(Debug)]
struct Cold {
    id: u64,
    ip: IpAddr,
    number: u16,
    rtcp: Option<OwnedFd>,
    signalled: Option<SocketAddr>,
    signalled_rtcp: Option<SocketAddr>,
    signalling_ip: Option<IpAddr>,
    rtcp_latch: Option<SocketAddr>,
    /// Of a leg that was latched without keys.
    plain_latch: Option<Box<PlainLatch>>,
    former_rx: Option<(SrtpReceiver, Micros)>,
    trials: Rate,
    slow_path: Rate,
    zrtp: Rate,
    collisions: u8,
    lost_before: u64,
    gaps_before: u64,
    planned_at: Micros,
    silence: Micros,
    reporter: Reporter,
    source_clock: Option<SourceClock>,
    formats: Arc<Formats>,
    /// From when codecs, sounds or recordings first have to do with the leg.
    codecs: Option<Box<codecs::CodecLeg>>,
    /// From the first event on.
    digits: Option<Box<digits::Digits>>,
}

/// A stream with unpredictable numbers.
fn fresh_stream() -> Rewriter {
    let (identity, start) = (crate::random::word(), crate::random::word());
    Rewriter::new(identity as u32, start as u16, (identity >> 32) as u32)
}

impl Leg {
    /// A leg on a bound port, deaf and mute until [`Leg::apply`].
    #[must_use]
    pub fn new(id: u64, port: Port, counters: Arc<LegCounters>, silence: Micros) -> Self {
        Self {
            rtp: port.rtp,
            link: Link::Open,
            gates: Gates::default(),
            latched: false,
            silent: false,
            target: Target::None,
            mouth: Mouth::Relay,
            copied: false,
            event_types: 0,
            remote: None,
            rx: None,
            tx: None,
            clock_rate: 8_000,
            rx_ssrc: 0,
            accepted: 0,
            rewriter: fresh_stream(),
            reception: ReceptionStats::new(8_000),
            counters,
            map: None,
            cold: Box::new(Cold {
                id,
                ip: port.ip,
                number: port.number,
                rtcp: Some(port.rtcp),
                signalled: None,
                signalled_rtcp: None,
                signalling_ip: None,
                rtcp_latch: None,
                plain_latch: None,
                former_rx: None,
                trials: Rate::default(),
                slow_path: Rate::default(),
                zrtp: Rate::default(),
                collisions: 0,
                lost_before: 0,
                gaps_before: 0,
                planned_at: 0,
                silence,
                reporter: Reporter::new(),
                source_clock: None,
                formats: Arc::default(),
                codecs: None,
                digits: None,
            }),
        }
    }

    /// The RTP socket.
    #[must_use]
    pub fn rtp_socket(&self) -> &OwnedFd {
        &self.rtp
    }

    /// The RTCP socket, unless RTCP shares the RTP port.
    #[must_use]
    pub fn rtcp_socket(&self) -> Option<&OwnedFd> {
        self.cold.rtcp.as_ref()
    }

    /// Takes one datagram from the RTP socket.
    #[inline]
    pub fn receive(&self, datagram: &mut Datagram) -> port::Received {
        port::receive(&self.rtp, self.link == Link::Connected, datagram)
    }

    /// Takes one datagram from the RTCP socket.
    pub fn receive_control(&self, datagram: &mut Datagram) -> port::Received {
        match &self.cold.rtcp {
            Some(socket) => port::receive(socket, false, datagram),
            None => port::Received::Nothing,
        }
    }

    /// Throws away what waits on the sockets: it was sent before the leg was what it is now. A port that was
    /// free holds what anybody sent there, and nobody of this call can have.
    pub fn discard_waiting(&self) {
        let sockets = [Some(&self.rtp), self.cold.rtcp.as_ref()];
        let waiting = sockets.into_iter().flatten();
        let discarded: u64 = waiting.map(|socket| port::discard(socket, DISCARDED)).sum();
        self.counters.gate_drops.add(discarded);
    }

    /// The leg's way out of service: local address and port, and the sockets to close.
    #[must_use]
    pub fn into_sockets(self) -> (IpAddr, u16, Vec<OwnedFd>) {
        let Cold {
            ip, number, rtcp, ..
        } = *self.cold;
        let sockets = std::iter::once(self.rtp).chain(rtcp).collect();
        (ip, number, sockets)
    }

    /// Reads a bit of everything that [`Leg::accept`] will need.
    #[inline]
    #[must_use]
    pub fn warm_in(&self) -> u64 {
        self.counters.rx_packets.get() ^ u64::from(self.rx_ssrc)
    }

    /// Reads a bit of everything that [`Leg::send`] will need.
    #[inline]
    #[must_use]
    pub fn warm_out(&self) -> u64 {
        self.counters.tx_packets.get() ^ u64::from(self.rewriter.ssrc())
    }

    // ---- what a packet meets on its way in ----

    /// Decides by its source whether a packet is worth looking at.
    #[inline]
    fn admit(&mut self, source: Option<SocketAddr>, now: Micros) -> Option<Admission> {
        let Some(source) = source else {
            return Some(Admission::Remote);
        };
        if self.latched && self.remote == Some(source) {
            return Some(Admission::Remote);
        }
        self.admit_stranger(source, now)
    }

    /// Checks, authenticates and decrypts a packet in place, and counts it. `None` if it ends here.
    #[inline]
    pub fn accept(
        &mut self,
        datagram: &mut Datagram,
        now: Micros,
        events: &EventQueue,
    ) -> Option<Heard> {
        let admission = self.admit(datagram.source, now)?;
        self.unprotect(datagram, now)?;
        let Ok(header) = RtpHeader::parse(datagram.content()) else {
            self.counters.malformed.add(1);
            return None;
        };
        if self.accepted >> header.payload_type & 1 == 0 {
            self.counters.payload_type_drops.add(1);
            return None;
        }
        let Ok(payload) = header.payload(datagram.content()) else {
            self.counters.malformed.add(1);
            return None;
        };
        datagram.set_length(payload.end);
        if self.link != Link::Connected {
            self.locate(admission, now, events);
        }
        self.count(&header, payload.len(), now, events);
        if !self.gates.receive {
            self.counters.gate_drops.add(1);
            return None;
        }
        let payload_type = self.outgoing_type(header.payload_type);
        let aside = self.copied || self.event_types >> header.payload_type & 1 == 1;
        if payload_type == DROP {
            if matches!(self.target, Target::Leg(_)) {
                self.tell_unmapped(header.payload_type, now, events);
            }
            if !aside {
                self.counters.gate_drops.add(1);
                return None;
            }
        }
        Some(Heard {
            fields: Fields {
                ssrc: header.ssrc,
                sequence: header.sequence,
                timestamp: header.timestamp,
                marker: header.marker,
            },
            payload_type,
            source_type: header.payload_type,
            aside,
            header_len: payload.start,
            clock_rate: self.clock_rate,
        })
    }

    /// The payload type at the target, or [`DROP`].
    #[inline]
    fn outgoing_type(&self, payload_type: u8) -> u8 {
        match (&self.map, self.target) {
            (_, Target::None | Target::Codecs(_)) => DROP,
            (None, _) => payload_type,
            (Some(map), _) => map[usize::from(payload_type)],
        }
    }

    /// SRTP: authenticates and decrypts. Plain: passes, unless the leg has a key or must have one.
    #[inline]
    fn unprotect(&mut self, datagram: &mut Datagram, now: Micros) -> Option<()> {
        let Some(rx) = &mut self.rx else {
            return self.pass_plain();
        };
        let (buffer, length) = datagram.with_tailroom();
        match rx.unprotect(buffer, length) {
            Ok(length) => {
                datagram.set_length(length);
                Some(())
            }
            Err(error) => self.unprotect_with_former(datagram, error, now),
        }
    }

    /// The fail-closed decision: plain packets pass, in either direction, only on a leg that has no
    /// key at all and need not have one. Nothing of ours goes to a sealed leg.
    fn is_open_to_plain(&self) -> bool {
        !self.gates.secure_required && !self.gates.sealed && self.rx.is_none() && self.tx.is_none()
    }

    fn pass_plain(&self) -> Option<()> {
        if self.is_open_to_plain() {
            return Some(());
        }
        self.counters.insecure_drops.add(1);
        None
    }

    #[cold]
    fn unprotect_with_former(
        &mut self,
        datagram: &mut Datagram,
        error: SrtpError,
        now: Micros,
    ) -> Option<()> {
        if error == SrtpError::NotAuthentic
            && let Some((former, until)) = &mut self.cold.former_rx
            && now < *until
        {
            let (buffer, length) = datagram.with_tailroom();
            if let Ok(length) = former.unprotect(buffer, length) {
                datagram.set_length(length);
                return Some(());
            }
        }
        self.count_srtp_error(error);
        None
    }

    fn count_srtp_error(&self, error: SrtpError) {
        match error {
            SrtpError::Replayed | SrtpError::TooOld => self.counters.replays.add(1),
            SrtpError::Malformed => self.counters.malformed.add(1),
            _ => self.counters.auth_failures.add(1),
        }
    }

    #[inline]
    fn count(&mut self, header: &RtpHeader, payload: usize, now: Micros, events: &EventQueue) {
        let counters = &self.counters;
        counters.rx_packets.add(1);
        counters.rx_octets.add(payload as u64);
        counters.last_rx_us.set(now.max(1));
        if header.ssrc != self.rx_ssrc {
            self.new_source(header.ssrc);
        }
        self.reception
            .update(header.sequence, header.timestamp, now);
        if self.silent {
            self.silent = false;
            self.tell(What::Heard, events);
        }
    }

    #[cold]
    fn new_source(&mut self, ssrc: u32) {
        self.cold.lost_before += self.reception.totals().lost;
        self.cold.gaps_before += u64::from(self.reception.totals().gaps);
        self.reception = ReceptionStats::new(self.clock_rate);
        self.rx_ssrc = ssrc;
        self.cold.source_clock = None;
        if ssrc == self.rewriter.ssrc() && self.cold.collisions < MAX_COLLISIONS {
            self.cold.collisions += 1;
            self.restart_stream();
        }
    }

    /// Goes on under another SSRC; reports count from here.
    fn restart_stream(&mut self) {
        self.rewriter = fresh_stream();
        let sent = self.counters.tx_packets.get();
        let reporter = &mut self.cold.reporter;
        reporter.packets_base = sent;
        reporter.octets_base = self.counters.tx_octets.get();
        reporter.sent = [sent; 2];
    }

    fn tell(&self, what: What, events: &EventQueue) {
        events.push(MediaEvent {
            leg: self.cold.id,
            what,
        });
    }

    // ---- timers ----

    /// To be asked some twenty times a second, so that a phone whose address changes is missed no longer
    /// than a fifth of a second.
    #[inline]
    pub fn look_around(&mut self, now: Micros) {
        if self.link != Link::Open
            && self.rx.is_some()
            && now.saturating_sub(self.counters.last_rx_us.get()) >= DETACH_AFTER
        {
            self.detach();
        }
    }

    /// What has to be done about five times a second. True if a report is due.
    pub fn tend(&mut self, now: Micros, events: &EventQueue) -> bool {
        self.tend_digits(now, events);
        let totals = self.reception.totals();
        self.counters
            .rx_lost
            .set(self.cold.lost_before + totals.lost);
        self.counters
            .rx_gaps
            .set(self.cold.gaps_before + u64::from(totals.gaps));
        self.counters.rx_jitter_us.set(u64::from(totals.jitter_us));
        if self
            .cold
            .former_rx
            .as_ref()
            .is_some_and(|(_, until)| *until <= now)
        {
            self.cold.former_rx = None;
        }
        let last_rx = self.counters.last_rx_us.get();
        if let Link::Settling(since) = self.link
            && now.saturating_sub(since) >= SETTLE_AFTER
            && port::is_empty(&self.rtp)
        {
            self.link = Link::Connected;
        }
        let waiting = now.saturating_sub(last_rx.max(self.cold.planned_at));
        if self.gates.receive && !self.silent && waiting >= self.cold.silence {
            self.silent = true;
            self.tell(What::Silent, events);
        }
        self.gates.sendable && self.cold.reporter.is_due(now)
    }
}
