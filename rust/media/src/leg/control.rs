//! RTCP of a leg: taken in, answered for by us, and forwarded only between sealed legs.

use std::net::SocketAddr;

use super::{Admission, Leg, Link};
use crate::clock::{Micros, ntp_now};
use crate::event::EventQueue;
use crate::port::{self, Datagram};
use crate::report::SourceClock;
use crate::rtcp::{Compound, CompoundBuilder, ReportBlock, RtcpPacket, SenderInfo, round_trip_us};
use crate::srtp::MAX_RTCP_TRAILER;

/// Octets of the largest compound we build, protection included.
const COMPOUND: usize = 160 + MAX_RTCP_TRAILER;
/// A round trip longer than this is a wrong report, not a slow network.
const MAX_ROUND_TRIP_US: u32 = 60_000_000;

impl Leg {
    /// Takes in one RTCP datagram, from the RTP port (rtcp-mux) or the RTCP port.
    #[cold]
    pub fn accept_control(
        &mut self,
        datagram: &mut Datagram,
        on_rtp_port: bool,
        now: Micros,
        events: &EventQueue,
    ) {
        let Some(admission) = self.admit_rtcp(datagram.source, on_rtp_port, now) else {
            return;
        };
        if self.unprotect_control(datagram).is_none() {
            return;
        }
        if !self.read_compound(datagram.content(), now) {
            return self.counters.malformed.add(1);
        }
        self.counters.rtcp_rx.add(1);
        if on_rtp_port {
            if self.link != Link::Connected {
                self.locate(admission, now, events);
            }
        } else if let Admission::Candidate(source) = admission {
            self.cold.rtcp_latch = Some(source);
        }
    }

    /// As [`Leg::admit`], for RTCP on either port.
    pub(super) fn admit_rtcp(
        &mut self,
        source: Option<SocketAddr>,
        on_rtp_port: bool,
        now: Micros,
    ) -> Option<Admission> {
        if !on_rtp_port {
            return self.admit_control(source, now);
        }
        let admission = self.admit(source, now)?;
        if !self.gates.mux && admission != Admission::Remote {
            self.counters.source_drops.add(1);
            return None;
        }
        Some(admission)
    }

    /// As [`Leg::admit`], for the RTCP port.
    fn admit_control(&mut self, source: Option<SocketAddr>, now: Micros) -> Option<Admission> {
        let source = source?;
        let cold = &self.cold;
        if cold.rtcp_latch == Some(source) {
            return Some(Admission::Remote);
        }
        if self.rx.is_some() {
            return self.admit_stranger(source, now);
        }
        let ip = source.ip();
        let media_ip = self
            .remote
            .filter(|_| self.latched)
            .map(|remote| remote.ip());
        let expected = cold.signalled_rtcp == Some(source)
            || cold.signalling_ip == Some(ip)
            || media_ip == Some(ip);
        let former = self.plain_latch().and_then(|known| known.former_rtcp);
        // As for RTP: reports of the old port may still be on their way when a phone has moved.
        let yields = cold.rtcp_latch.is_none_or(|held| {
            held.ip() == ip && (cold.signalled_rtcp == Some(source) || former == Some(held))
        });
        if expected && yields {
            return Some(Admission::Candidate(source));
        }
        self.counters.source_drops.add(1);
        None
    }

    fn unprotect_control(&mut self, datagram: &mut Datagram) -> Option<()> {
        let Some(rx) = &mut self.rx else {
            return self.pass_plain();
        };
        let (buffer, length) = datagram.with_tailroom();
        match rx.unprotect_rtcp(buffer, length) {
            Ok(length) => {
                datagram.set_length(length);
                if let Some(tx) = &mut self.tx {
                    tx.match_rtcp_tags(rx);
                }
                Some(())
            }
            Err(error) => {
                self.count_srtp_error(error);
                None
            }
        }
    }

    /// The RTP clock of this leg's remote, as it last reported it.
    #[must_use]
    pub fn source_clock(&self) -> Option<SourceClock> {
        self.cold.source_clock
    }

    /// Sends our report; `source` is the clock of the remote whose stream this leg hears.
    pub fn report(&mut self, source: Option<SourceClock>, now: Micros) {
        self.send_compound(source, false, now);
    }

    /// Says goodbye, if the remote has ever heard of us (RFC 3550 section 6.3.7).
    pub fn say_goodbye(&mut self, now: Micros) {
        if self.counters.rtcp_tx.get() + self.counters.tx_packets.get() > 0 {
            self.send_compound(None, true, now);
        }
    }

    fn send_compound(&mut self, source: Option<SourceClock>, bye: bool, now: Micros) {
        if !self.gates.sendable || (self.tx.is_none() && !self.is_open_to_plain()) {
            return;
        }
        if self.control_destination().is_none() {
            return;
        }
        let mut buffer = [0; COMPOUND];
        let Some(mut length) = self.compose(&mut buffer, source, bye, now) else {
            return;
        };
        if let Some(tx) = &mut self.tx {
            match tx.protect_rtcp(&mut buffer, length) {
                Ok(protected) => length = protected,
                Err(_) => return,
            }
        }
        self.send_control(&buffer[..length]);
    }

    /// Sends RTCP as it goes on the wire, from the port that has it; true if it went.
    pub(super) fn send_control(&self, packet: &[u8]) -> bool {
        let Some(to) = self.control_destination() else {
            return false;
        };
        let sent = match &self.cold.rtcp {
            Some(socket) if !self.gates.mux => port::transmit(socket, false, to, packet),
            _ => port::transmit(&self.rtp, self.link != Link::Open, to, packet),
        };
        let counter = if sent {
            &self.counters.rtcp_tx
        } else {
            &self.counters.send_errors
        };
        counter.add(1);
        sent
    }

    /// Where RTCP goes: to where it came from, else to where it was signalled, unless RTP has shown
    /// that the remote is elsewhere (behind NAT, where only its own RTCP tells the port).
    fn control_destination(&self) -> Option<SocketAddr> {
        if self.gates.mux {
            return self.remote;
        }
        let signalled = || {
            self.cold.signalled_rtcp.filter(|rtcp| {
                !self.latched || self.remote.is_some_and(|remote| remote.ip() == rtcp.ip())
            })
        };
        self.cold.rtcp_latch.or_else(signalled)
    }

    /// A compound about this leg alone: what we sent on it, what we heard on it, our name on it.
    fn compose(
        &mut self,
        buffer: &mut [u8],
        source: Option<SourceClock>,
        bye: bool,
        now: Micros,
    ) -> Option<usize> {
        let ssrc = self.rewriter.ssrc();
        let mut blocks: [Option<ReportBlock>; 1] = [None];
        if self.reception.heard_since_report() {
            blocks[0] = Some(self.reception.report(self.rx_ssrc, now));
        }
        let blocks = blocks[0].as_slice();
        let sent = self.counters.tx_packets.get();
        let reporter = &mut self.cold.reporter;
        let sends = sent > reporter.sent[1];
        reporter.sent = [sent, reporter.sent[0]];
        let mut compound = CompoundBuilder::new(buffer);
        if sends {
            let info = SenderInfo {
                ntp: ntp_now(),
                rtp_timestamp: self.timestamp_now(source, now),
                packets: sent.wrapping_sub(self.cold.reporter.packets_base) as u32,
                octets: self
                    .counters
                    .tx_octets
                    .get()
                    .wrapping_sub(self.cold.reporter.octets_base) as u32,
            };
            compound.sender_report(ssrc, &info, blocks).ok()?;
        } else {
            compound.receiver_report(ssrc, blocks).ok()?;
        }
        compound.cname(ssrc, &self.cold.reporter.cname).ok()?;
        if bye {
            compound.bye(&[ssrc], b"").ok()?;
        }
        Some(compound.len())
    }

    /// Our stream's timestamp at this moment: by the source's own report, moved on, or else by the
    /// last packet.
    fn timestamp_now(&self, source: Option<SourceClock>, now: Micros) -> u32 {
        let clock_rate = self.sent_clock_rate();
        source
            .and_then(|clock| {
                let at = self
                    .rewriter
                    .translate_timestamp(clock.ssrc, clock.timestamp)?;
                Some(at.wrapping_add(crate::bridge::ticks(
                    now.saturating_sub(clock.at),
                    clock_rate,
                )))
            })
            .unwrap_or_else(|| self.rewriter.timestamp_at(now, clock_rate))
    }

    /// Reads a compound that is known to be the remote's; false if it is none.
    fn read_compound(&mut self, data: &[u8], now: Micros) -> bool {
        let Ok(compound) = Compound::parse(data) else {
            return false;
        };
        for packet in compound.packets() {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    self.take_sender_report(report.ssrc, &report.info, now);
                    report
                        .blocks
                        .iter()
                        .for_each(|block| self.take_block(&block));
                }
                RtcpPacket::ReceiverReport(report) => report
                    .blocks
                    .iter()
                    .for_each(|block| self.take_block(&block)),
                RtcpPacket::Feedback(_) => self.counters.feedback_rx.add(1),
                _ => {}
            }
        }
        true
    }

    fn take_sender_report(&mut self, ssrc: u32, info: &SenderInfo, now: Micros) {
        if ssrc == self.rx_ssrc {
            self.reception.sender_report(info.ntp, now);
            self.cold.source_clock = Some(SourceClock {
                ssrc,
                timestamp: info.rtp_timestamp,
                at: now,
            });
        }
    }

    /// What the remote says of the stream it hears from us.
    fn take_block(&mut self, block: &ReportBlock) {
        if block.ssrc != self.rewriter.ssrc() {
            return;
        }
        let counters = &self.counters;
        counters
            .remote_lost
            .set(u64::try_from(block.cumulative_lost).unwrap_or(0));
        counters
            .remote_fraction_lost
            .set(u64::from(block.fraction_lost));
        let jitter = u64::from(block.jitter) * 1_000_000 / u64::from(self.clock_rate);
        counters.remote_jitter_us.set(jitter);
        if let Some(trip) = round_trip_us(block, ntp_now())
            && trip <= MAX_ROUND_TRIP_US
        {
            counters.rtt_us.set(u64::from(trip.max(1)));
        }
    }
}
