//! What signalling decides about a leg, applied between two packets.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::{Gates, Leg, Target};
use crate::clock::{Micros, SECOND};
use crate::command::{KeyChange, PayloadMap, Plan};
use crate::srtp::{SrtpReceiver, SrtpSender};

/// After a re-key, packets under the former key pass for so long.
const REKEY_GRACE: Micros = 2 * SECOND;

/// An address one can send to.
pub(super) fn usable(address: Option<SocketAddr>) -> Option<SocketAddr> {
    address.filter(|address| !address.ip().is_unspecified() && address.port() != 0)
}

impl Leg {
    /// Applies a plan whole. Returns an RTCP socket to close, and whether the stream made of this
    /// leg's packets begins anew.
    pub fn apply(&mut self, plan: Plan, now: Micros) -> (Option<OwnedFd>, bool) {
        let before = self.gates;
        let clock_rate = plan.clock_rate.max(1);
        let reseals = plan.sealed != before.sealed;
        let restarts =
            (plan.receive && !before.receive) || clock_rate != self.clock_rate || reseals;
        let cold = &mut self.cold;
        cold.signalled = plan.remote;
        cold.signalled_rtcp = usable(plan.remote_rtcp).or_else(|| {
            usable(plan.remote).map(|rtp| SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)))
        });
        cold.signalling_ip = plan.signalling_ip;
        cold.planned_at = now;
        self.gates = Gates {
            send: plan.send,
            receive: plan.receive,
            secure_required: plan.secure_required,
            sendable: usable(plan.remote).is_some(),
            mux: plan.rtcp_mux,
            sealed: plan.sealed,
        };
        if plan.send && !before.send {
            self.rewriter.resync();
        }
        if reseals {
            self.change_seal();
        }
        self.apply_keys(plan.rx, plan.tx, now);
        self.apply_remote(plan.remote, plan.new_latch);
        self.accepted = plan.payload_types;
        self.apply_formats(plan.formats);
        self.clock_rate = clock_rate;
        self.reception.set_clock_rate(clock_rate);
        if self.gates.sendable {
            self.cold.reporter.begin(now);
        }
        if plan.rtcp_mux {
            return (self.cold.rtcp.take(), restarts);
        }
        if plan.rtcp_socket.is_some() {
            self.cold.rtcp = plan.rtcp_socket;
        }
        (None, restarts)
    }

    fn apply_keys(&mut self, rx: KeyChange<SrtpReceiver>, tx: KeyChange<SrtpSender>, now: Micros) {
        match rx {
            KeyChange::Keep => {}
            KeyChange::Clear => {
                self.rx = None;
                self.cold.former_rx = None;
            }
            KeyChange::Set(mut receiver) => {
                if let Some(former) = self.rx.take() {
                    receiver.continue_from(&former);
                    self.cold.former_rx = Some((former, now + REKEY_GRACE));
                }
                self.rx = Some(receiver);
            }
        }
        match tx {
            KeyChange::Keep => {}
            KeyChange::Clear => self.tx = None,
            KeyChange::Set(sender) => {
                // Whether the roll-over counter goes on under a new key is understood in two ways; under a
                // new SSRC there is one. It also keeps a key that is used again from meeting its old indices.
                if self.counters.tx_packets.get() + self.counters.rtcp_tx.get() > 0 {
                    self.restart_stream();
                }
                self.tx = Some(sender);
            }
        }
    }

    /// Joins this leg's packets to a target, with a map of their payload types (identity if none).
    pub fn join(&mut self, target: Target, map: Option<Arc<PayloadMap>>) {
        self.target = target;
        self.map = map;
        self.forget_unmapped();
        self.rewriter.resync();
    }

    /// The next packet to this leg begins a new source.
    pub fn resync(&mut self) {
        self.rewriter.resync();
    }
}
