//! A limit on how often something may happen.

use crate::clock::Micros;

/// How much of an allowance for each window of time is used up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    since: Micros,
    used: u32,
}

impl Rate {
    /// Uses one of the `limit` times that each `window` allows; false if they are used up.
    pub fn take(&mut self, limit: u32, window: Micros, now: Micros) -> bool {
        if now.saturating_sub(self.since) >= window {
            *self = Self {
                since: now,
                used: 0,
            };
        }
        self.used = self.used.saturating_add(1);
        self.used <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_in_each_window_and_is_new_in_the_next() {
        let mut rate = Rate::default();
        for start in [5_000, 6_000, 9_999] {
            let taken = (0..100).filter(|_| rate.take(30, 1_000, start + 999));
            assert_eq!(taken.count(), 30);
        }
    }
}
