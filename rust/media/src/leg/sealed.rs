//! Sealed legs: two phones that share keys which nobody here has. What one of them sends reaches the
//! other octet by octet, and is read only where it is public: addresses, kinds, RTP headers.

use super::{Admission, Leg, Link, Target};
use crate::clock::{Micros, SECOND};
use crate::demux::{self, Kind};
use crate::event::EventQueue;
use crate::port::{self, Datagram};
use crate::rtp::RtpHeader;

/// ZRTP packets that a leg may pass on in a second. A post-quantum message is some thirty fragments.
const ZRTP_RATE: u32 = 100;

/// A packet on its way between sealed legs, which stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// RTP or SRTP, with so many octets after its header.
    Rtp(usize),
    /// RTCP or SRTCP.
    Rtcp,
    /// ZRTP, of the phones.
    Zrtp,
}

impl Leg {
    /// Whether the leg's packets pass as they are.
    #[inline]
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.gates.sealed
    }

    /// Checks a packet by its source, kind and gates, latches by it and counts it. `None` if it ends here.
    pub fn accept_sealed(
        &mut self,
        datagram: &Datagram,
        on_rtp_port: bool,
        now: Micros,
        events: &EventQueue,
    ) -> Option<Sealed> {
        let passing = match demux::classify(datagram.content()) {
            Kind::Rtp if on_rtp_port => self.accept_sealed_rtp(datagram, now, events)?,
            Kind::Zrtp if on_rtp_port => self.accept_sealed_zrtp(datagram, now, events)?,
            Kind::Rtcp => self.accept_sealed_rtcp(datagram, on_rtp_port, now, events)?,
            other => {
                self.count_packet(other);
                return None;
            }
        };
        // ZRTP makes the keys without which the phones let nothing else pass, so it goes first.
        let open = self.gates.receive || passing == Sealed::Zrtp;
        if !open || !matches!(self.target, Target::Leg(_)) {
            self.counters.gate_drops.add(1);
            return None;
        }
        Some(passing)
    }

    fn accept_sealed_rtp(
        &mut self,
        datagram: &Datagram,
        now: Micros,
        events: &EventQueue,
    ) -> Option<Sealed> {
        let admission = self.admit(datagram.source, now)?;
        let Ok(header) = RtpHeader::parse(datagram.content()) else {
            self.counters.malformed.add(1);
            return None;
        };
        if self.accepted >> header.payload_type & 1 == 0 {
            self.counters.payload_type_drops.add(1);
            return None;
        }
        self.locate_sealed(admission, now, events);
        // Padding, tag and MKI are the phones' own, so they count as payload.
        let octets = datagram.content().len() - usize::from(header.header_len);
        self.count(&header, octets, now, events);
        Some(Sealed::Rtp(octets))
    }

    fn accept_sealed_zrtp(
        &mut self,
        datagram: &Datagram,
        now: Micros,
        events: &EventQueue,
    ) -> Option<Sealed> {
        self.count_packet(Kind::Zrtp);
        let admission = self.admit(datagram.source, now)?;
        self.locate_sealed(admission, now, events);
        if self.cold.zrtp.take(ZRTP_RATE, SECOND, now) {
            return Some(Sealed::Zrtp);
        }
        self.counters.zrtp_drops.add(1);
        None
    }

    fn accept_sealed_rtcp(
        &mut self,
        datagram: &Datagram,
        on_rtp_port: bool,
        now: Micros,
        events: &EventQueue,
    ) -> Option<Sealed> {
        let admission = self.admit_rtcp(datagram.source, on_rtp_port, now)?;
        self.counters.rtcp_rx.add(1);
        if on_rtp_port {
            self.locate_sealed(admission, now, events);
        } else if let Admission::Candidate(source) = admission {
            self.cold.rtcp_latch = Some(source);
        }
        Some(Sealed::Rtcp)
    }

    fn locate_sealed(&mut self, admission: Admission, now: Micros, events: &EventQueue) {
        if self.link != Link::Connected {
            self.locate(admission, now, events);
        }
    }

    /// Sends a packet of another sealed leg as it is; true if it went. From a leg that is not sealed
    /// nothing comes here, and from one that is, nothing passes here where this one is not.
    pub fn send_sealed(&mut self, passing: Sealed, packet: &[u8]) -> bool {
        if !self.gates.sealed {
            self.counters.insecure_drops.add(1);
            return false;
        }
        if passing == Sealed::Zrtp {
            return self.send_zrtp(packet);
        }
        let Some(remote) = self
            .remote
            .filter(|_| self.gates.send && self.gates.sendable)
        else {
            self.counters.gate_drops.add(1);
            return false;
        };
        let Sealed::Rtp(octets) = passing else {
            return self.send_control(packet);
        };
        let sent = port::transmit(&self.rtp, self.link != Link::Open, remote, packet);
        if sent {
            self.counters.tx_packets.add(1);
            self.counters.tx_octets.add(octets as u64);
        } else {
            self.counters.send_errors.add(1);
        }
        sent
    }

    /// Shows the control plane a ZRTP packet that has passed.
    #[cold]
    pub fn show_zrtp(&mut self, datagram: &Datagram, now: Micros, events: &EventQueue) {
        self.show(Kind::Zrtp, datagram, now, events);
    }

    /// The leg is sealed from now on, or no more: what waits on its sockets was sent in the other mode, and
    /// what we send ourselves from now on is a stream that nobody has heard of.
    pub(super) fn change_seal(&mut self) {
        self.discard_waiting();
        self.restart_stream();
        self.cold.source_clock = None;
        // Only reports that we can read tell these.
        self.counters.rtt_us.set(0);
        self.counters.remote_fraction_lost.set(0);
        self.counters.remote_jitter_us.set(0);
    }
}
