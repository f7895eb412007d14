//! Unpredictable numbers from the system.

use std::cell::RefCell;

/// Octets asked of the system at a time: a call needs a dozen words, and each question is a system call.
const STOCK: usize = 256;

thread_local! {
    /// Octets not given out yet, and how many are left. Those given out are wiped.
    static OCTETS: RefCell<([u8; STOCK], usize)> = const { RefCell::new(([0; STOCK], 0)) };
}

/// 64 unpredictable bits, for SSRCs, ports and sequence numbers; keys are not made of them.
///
/// # Panics
/// If the system has no randomness to give: going on without it would make SSRCs, ports and
/// sequence numbers guessable.
#[must_use]
pub fn word() -> u64 {
    OCTETS.with_borrow_mut(|(octets, left)| {
        if *left < 8 {
            getrandom::fill(octets).expect("the system's random generator");
            *left = STOCK;
        }
        let mut word = [0; 8];
        octets[*left - 8..*left].swap_with_slice(&mut word);
        *left -= 8;
        u64::from_ne_bytes(word)
    })
}
