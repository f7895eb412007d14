//! Microseconds of the system's monotonic clock, which every process shares.

use rustix::time::{ClockId, clock_gettime};

/// Now.
#[must_use]
pub fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}
