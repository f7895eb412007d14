//! The way of one packet through the engine, whole.

use crate::clock::Micros;
use crate::demux::{self, Kind};
use crate::event::EventQueue;
use crate::leg::{Leg, Target};
use crate::port::Datagram;

/// The legs of one worker, by slot.
pub type Legs = Vec<Option<Leg>>;

/// The leg in a slot.
#[inline]
pub fn leg_at(legs: &mut Legs, slot: u32) -> Option<&mut Leg> {
    legs.get_mut(slot as usize)?.as_mut()
}

/// Takes a datagram that `port::receive` got for the leg in `slot` to where it belongs.
///
/// No lock, no allocation and no reference count on the way of an RTP packet.
#[inline]
pub fn forward(
    legs: &mut Legs,
    slot: u32,
    datagram: &mut Datagram,
    now: Micros,
    events: &EventQueue,
) {
    let Some(leg) = leg_at(legs, slot) else {
        return;
    };
    match demux::classify(datagram.content()) {
        Kind::Rtp => {}
        Kind::Rtcp => return leg.accept_control(datagram, true, now, events),
        other => return leg.hand_up(other, datagram, now, events),
    }
    // Source, SRTP tag and decryption, latch, statistics, gates, payload type.
    let Some(heard) = leg.accept(datagram, now, events) else {
        return;
    };
    let out = match leg.target {
        Target::Echo => leg,
        Target::Leg(other) => match leg_at(legs, other) {
            Some(other) => other,
            None => return,
        },
        Target::None => return,
    };
    // Gates, new numbers, encryption, the wire.
    out.send(&heard, datagram, now);
}
