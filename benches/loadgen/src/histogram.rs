//! Latency histogram: 1 µs wide up to 4 ms, 64 µs wide up to 266 ms, then one bucket.

use crate::json::Object;

const FINE: usize = 4096;
const COARSE: usize = 4096;
const COARSE_WIDTH_US: u64 = 64;

pub struct Histogram {
    counts: Vec<u32>,
    total: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    pub fn new() -> Self {
        Histogram {
            counts: vec![0; FINE + COARSE + 1],
            total: 0,
            max_us: 0,
        }
    }

    pub fn record_ns(&mut self, latency_ns: i64) {
        let us = latency_ns.max(0) as u64 / 1000;
        let index = if us < FINE as u64 {
            us as usize
        } else {
            FINE + (((us - FINE as u64) / COARSE_WIDTH_US) as usize).min(COARSE)
        };
        self.counts[index] += 1;
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    /// The latency in µs that `share` (0..1) of the samples do not exceed; 0 without samples.
    pub fn quantile_us(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0u64;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= wanted && seen > 0 {
                return if index < FINE {
                    index as u64
                } else if index == FINE + COARSE {
                    self.max_us
                } else {
                    FINE as u64 + (index - FINE) as u64 * COARSE_WIDTH_US
                };
            }
        }
        0
    }

    pub fn to_json(&self) -> String {
        Object::new()
            .number("p50_us", self.quantile_us(0.5) as f64)
            .number("p90_us", self.quantile_us(0.9) as f64)
            .number("p99_us", self.quantile_us(0.99) as f64)
            .number("p999_us", self.quantile_us(0.999) as f64)
            .number("max_us", self.max_us as f64)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn quantiles_of_a_uniform_spread_are_exact_in_the_fine_range() {
        let mut histogram = Histogram::new();
        for us in 1..=1000i64 {
            histogram.record_ns(us * 1000);
        }
        assert_eq!(histogram.quantile_us(0.5), 500);
        assert_eq!(histogram.quantile_us(0.99), 990);
        assert_eq!(histogram.quantile_us(1.0), 1000);
    }

    #[test]
    fn a_latency_beyond_the_last_bucket_is_reported_as_the_maximum() {
        let mut histogram = Histogram::new();
        histogram.record_ns(5_000_000_000);
        assert_eq!(histogram.quantile_us(0.5), 5_000_000);
    }

    #[test]
    fn coarse_buckets_are_right_to_64_us() {
        let mut histogram = Histogram::new();
        histogram.record_ns(20_000_000);
        let reported = histogram.quantile_us(0.5);
        assert!((19_936..=20_000).contains(&reported), "{reported}");
    }
}
