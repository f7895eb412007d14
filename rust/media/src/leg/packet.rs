//! Packets of other protocols on the RTP port: STUN, DTLS and ZRTP, which the control plane speaks.

use std::net::SocketAddr;

use super::{Admission, Leg, Link};
use crate::clock::{Micros, SECOND};
use crate::demux::Kind;
use crate::event::{EventQueue, MediaEvent, What};
use crate::port::{self, Datagram};

/// Packets handed up, per leg and second.
const SLOW_PATH_RATE: u32 = 50;

impl Leg {
    /// Counts a packet of another protocol and hands it to the control plane, within limits.
    ///
    /// ZRTP comes before the keys that it makes, so on a leg without it shows where the remote is, by the
    /// rule for plain RTP. On a leg with keys that takes their proof.
    #[cold]
    pub fn hand_up(&mut self, kind: Kind, datagram: &Datagram, now: Micros, events: &EventQueue) {
        if !self.count_packet(kind) {
            return;
        }
        let Some(admission) = self.admit_packet(datagram.source, now) else {
            return self.counters.source_drops.add(1);
        };
        if kind == Kind::Zrtp && self.rx.is_none() && self.link != Link::Connected {
            self.locate(admission, now, events);
        }
        self.show(kind, datagram, now, events);
    }

    /// Counts a packet by its protocol; false if it has none.
    pub(super) fn count_packet(&self, kind: Kind) -> bool {
        let counters = &self.counters;
        let (counter, known) = match kind {
            Kind::Stun => (&counters.stun_rx, true),
            Kind::Dtls => (&counters.dtls_rx, true),
            Kind::Zrtp => (&counters.zrtp_rx, true),
            Kind::Rtp | Kind::Rtcp | Kind::Unknown => (&counters.malformed, false),
        };
        counter.add(1);
        known
    }

    /// Whose packets are worth a place among those handed up: the remote's, and of those who may still take
    /// the latch. Nobody at another address uses up the leg's rate.
    fn admit_packet(&self, source: Option<SocketAddr>, now: Micros) -> Option<Admission> {
        let Some(source) = source else {
            return Some(Admission::Remote);
        };
        if self.latched && self.remote == Some(source) {
            return Some(Admission::Remote);
        }
        self.may_latch(source, now)
            .then_some(Admission::Candidate(source))
    }

    /// Hands a packet to the control plane, within the leg's rate and the queue's room.
    pub(super) fn show(
        &mut self,
        kind: Kind,
        datagram: &Datagram,
        now: Micros,
        events: &EventQueue,
    ) {
        let Some(source) = datagram.source.or(self.remote) else {
            return;
        };
        let cold = &mut self.cold;
        let shown = cold.slow_path.take(SLOW_PATH_RATE, SECOND, now)
            && events.push(MediaEvent {
                leg: cold.id,
                what: What::Packet {
                    kind,
                    source,
                    data: datagram.content().to_vec(),
                },
            });
        if !shown {
            self.counters.slow_path_drops.add(1);
        }
    }

    /// Sends a ZRTP packet of ours, whatever the gates for media are; a sealed leg gets none.
    pub fn send_own_packet(&mut self, packet: &[u8]) {
        if self.gates.sealed {
            return self.counters.gate_drops.add(1);
        }
        self.send_zrtp(packet);
    }

    /// Sends a ZRTP packet to the remote, if there is one to send to; true if it went.
    pub(super) fn send_zrtp(&self, packet: &[u8]) -> bool {
        let counters = &self.counters;
        let Some(remote) = self.remote.filter(|_| self.gates.sendable) else {
            counters.gate_drops.add(1);
            return false;
        };
        let sent = port::transmit(&self.rtp, self.link != Link::Open, remote, packet);
        let counter = if sent {
            &counters.zrtp_tx
        } else {
            &counters.send_errors
        };
        counter.add(1);
        sent
    }
}
