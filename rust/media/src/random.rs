//! Unpredictable numbers from the system.

/// 64 unpredictable bits.
///
/// # Panics
/// If the system has no randomness to give: going on without it would make SSRCs, ports and
/// sequence numbers guessable.
#[must_use]
pub fn word() -> u64 {
    getrandom::u64().expect("the system's random generator")
}
