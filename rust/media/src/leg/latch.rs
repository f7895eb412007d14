//! Where a leg's remote is: who may show it, and whose word counts more.
//!
//! With keys, whoever authenticates shows it. Without, a packet has only its source to speak for it:
//! the signalled address, or another port of where the signalling came from, as NAT gives out.

use std::net::SocketAddr;

use super::plan::usable;
use super::{Admission, Leg, Link};
use crate::clock::{Micros, SECOND};
use crate::event::{EventQueue, What};
use crate::port;

/// Packets from strange addresses tried for authentication, per leg and [`TRIAL_WINDOW`].
const TRIALS: u32 = 40;
const TRIAL_WINDOW: Micros = 20_000;
/// For so long after a leg without keys is latched a source that says more takes the place of one that says
/// less. A phone that has moved to another port still has packets of the old one on their way; where it goes on sending
/// from there for longer than this, it stays there.
const SETTLED_AFTER: Micros = 2 * SECOND;

/// How much the source of a plain packet says of where the remote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// Where the leg was latched before signalling moved it.
    Former,
    /// Any port of the address that the signalling comes from.
    Neighbour,
    /// The very address and port that were signalled.
    Signalled,
}

/// What is remembered of the latch of a leg without keys.
#[derive(Debug, Default)]
pub(super) struct PlainLatch {
    /// What was signalled when it was latched.
    latched_for: Option<SocketAddr>,
    /// Where it was latched before signalling moved it.
    former: Option<SocketAddr>,
    /// As `former`, of RTCP.
    pub(super) former_rtcp: Option<SocketAddr>,
    /// From when on no other source takes the latch.
    settled_at: Micros,
}

impl Leg {
    #[cold]
    pub(super) fn admit_stranger(&mut self, source: SocketAddr, now: Micros) -> Option<Admission> {
        if self.rx.is_none() {
            if self.may_latch(source, now) {
                return Some(Admission::Candidate(source));
            }
            self.counters.source_drops.add(1);
            return None;
        }
        // The packet will have to authenticate; only the work of trying is limited.
        let cold = &mut self.cold;
        if !cold.trials.take(TRIALS, TRIAL_WINDOW, now) && cold.signalled != Some(source) {
            self.counters.trial_drops.add(1);
            return None;
        }
        Some(Admission::Candidate(source))
    }

    /// Whether a source becomes the remote, if its packet is good and needs no keys.
    pub(super) fn may_latch(&self, source: SocketAddr, now: Micros) -> bool {
        let claim = self.claim(source);
        if !self.latched {
            return claim.is_some();
        }
        // Whoever was first at one address shows that the phone is behind it: nobody at another takes its place.
        !self.has_settled(now)
            && self
                .remote
                .is_some_and(|remote| remote.ip() == source.ip() && claim > self.claim(remote))
    }

    pub(super) fn plain_latch(&self) -> Option<&PlainLatch> {
        self.cold.plain_latch.as_deref()
    }

    fn has_settled(&self, now: Micros) -> bool {
        self.plain_latch()
            .is_none_or(|known| now >= known.settled_at)
    }

    /// None where signalling did not say that the remote may be there.
    fn claim(&self, source: SocketAddr) -> Option<Claim> {
        let cold = &self.cold;
        if cold.signalled == Some(source) {
            Some(Claim::Signalled)
        } else if cold.signalling_ip != Some(source.ip()) {
            None
        } else if self
            .plain_latch()
            .is_some_and(|known| known.former == Some(source))
        {
            Some(Claim::Former)
        } else {
            Some(Claim::Neighbour)
        }
    }

    /// A good packet has come while the socket is open: it shows where the remote is.
    #[cold]
    pub(super) fn locate(&mut self, admission: Admission, now: Micros, events: &EventQueue) {
        if let Admission::Candidate(source) = admission {
            if self.rx.is_none() {
                let known = self.cold.plain_latch.get_or_insert_default();
                known.latched_for = self.cold.signalled;
                if !self.latched {
                    known.settled_at = now + SETTLED_AFTER;
                }
            }
            self.remote = Some(source);
            self.latched = true;
            self.counters.latches.add(1);
            self.counters.latched.set(Some(source));
            if self.is_settled(source, now) {
                self.attach(source, now);
            }
            self.tell(What::Latched(source), events);
        } else if let Some(remote) = self.remote
            && self.link == Link::Open
            && self.is_settled(remote, now)
        {
            self.attach(remote, now);
        }
    }

    /// Whether nobody else's packets need be looked at any more.
    fn is_settled(&self, remote: SocketAddr, now: Micros) -> bool {
        self.rx.is_some()
            || self.has_settled(now)
            || self.claim(remote) >= Some(self.best_claim(remote))
    }

    /// The most that any source at the remote's address can say.
    fn best_claim(&self, remote: SocketAddr) -> Claim {
        match self.cold.signalled {
            Some(signalled) if signalled.ip() == remote.ip() => Claim::Signalled,
            _ => Claim::Neighbour,
        }
    }

    fn attach(&mut self, remote: SocketAddr, now: Micros) {
        if port::attach(&self.rtp, remote) {
            self.link = Link::Settling(now);
        }
    }

    pub(super) fn detach(&mut self) {
        if self.link != Link::Open && port::detach(&self.rtp) {
            self.link = Link::Open;
        }
    }

    pub(super) fn apply_remote(&mut self, remote: Option<SocketAddr>, new_latch: bool) {
        if new_latch {
            self.detach();
            let rtcp = self.cold.rtcp_latch.take();
            if let Some(known) = &mut self.cold.plain_latch
                && self.latched
            {
                // Where signalling is what it was, as after a hold, the phone is where it was.
                let has_moved = known.latched_for != remote;
                known.former = self.remote.filter(|_| has_moved);
                known.former_rtcp = rtcp.filter(|_| has_moved);
            }
            self.latched = false;
            self.counters.latched.set(None);
        }
        if !self.latched {
            self.remote = usable(remote);
        }
    }
}
