//! What a packet meets on its way out.

use super::{Heard, Leg, Link, Mouth};
use crate::bridge::Fields;
use crate::clock::Micros;
use crate::port::{self, Datagram};

impl Leg {
    /// Sends an accepted packet of another leg (or its own, in echo) to this leg's remote, unless that is sent
    /// what the codec process makes.
    #[inline]
    pub fn send(&mut self, heard: &Heard, datagram: &mut Datagram, now: Micros) {
        if self.mouth == Mouth::Relay {
            self.emit(heard, datagram, now);
        }
    }

    /// Gates, new numbers, encryption, the wire: for whatever is sent to the remote.
    #[inline]
    pub(super) fn emit(&mut self, heard: &Heard, datagram: &mut Datagram, now: Micros) {
        let Some(remote) = self
            .remote
            .filter(|_| self.gates.send && self.gates.sendable)
        else {
            self.counters.gate_drops.add(1);
            return;
        };
        if self.tx.is_none() && self.pass_plain().is_none() {
            return;
        }
        let Ok(fields) = self.rewriter.rewrite(heard.fields, now, heard.clock_rate) else {
            self.counters.duplicate_drops.add(1);
            return;
        };
        let payload = datagram.content().len().saturating_sub(heard.header_len);
        datagram.replace_header(heard.header_len, &header(&fields, heard.payload_type));
        if let Some(tx) = &mut self.tx {
            let (buffer, length) = datagram.with_tailroom();
            match tx.protect(buffer, length) {
                Ok(length) => datagram.set_length(length),
                Err(_) => return self.counters.duplicate_drops.add(1),
            }
        }
        if port::transmit(
            &self.rtp,
            self.link != Link::Open,
            remote,
            datagram.content(),
        ) {
            self.counters.tx_packets.add(1);
            self.counters.tx_octets.add(payload as u64);
        } else {
            self.counters.send_errors.add(1);
        }
    }
}

/// A fixed RTP header without extension or contributing sources: those are of the other leg's world.
#[inline]
fn header(fields: &Fields, payload_type: u8) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[0] = 0x80;
    bytes[1] = u8::from(fields.marker) << 7 | payload_type & 0x7f;
    bytes[2..4].copy_from_slice(&fields.sequence.to_be_bytes());
    bytes[4..8].copy_from_slice(&fields.timestamp.to_be_bytes());
    bytes[8..12].copy_from_slice(&fields.ssrc.to_be_bytes());
    bytes
}
