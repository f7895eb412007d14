//! Two streams of sound on one time line: what comes late or not at all is silence.

/// How far a stream may be off the time at which its sound is said to begin before silence is put in or sound left out.
/// Below it the difference is jitter of whoever told us.
const TOLERANCE_US: u64 = 60_000;
/// A stream that has brought nothing for so long is silent, and no longer waited for.
const PATIENCE_US: u64 = 200_000;
/// The most silence put in at once: what a longer gap lacks follows with the next sound, so that memory is bounded.
const LONGEST_GAP_US: u64 = 60_000_000;

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Of leg A, the left channel.
    Left = 0,
    /// Of leg B, the right channel.
    Right = 1,
}

/// Two streams at one sample rate, aligned. Both begin at `started_us`, and neither is ever shorter than the other in
/// what is taken out.
#[derive(Debug)]
pub struct Timeline {
    sample_rate: u32,
    started_us: u64,
    /// Samples taken out of each.
    taken: u64,
    waiting: [Vec<i16>; 2],
}

impl Timeline {
    /// An empty one.
    #[must_use]
    pub fn new(sample_rate: u32, started_us: u64) -> Self {
        Self {
            sample_rate,
            started_us,
            taken: 0,
            waiting: [Vec::new(), Vec::new()],
        }
    }

    /// Sound of one side, whose first sample belongs to `at_us`.
    pub fn put(&mut self, side: Side, at_us: u64, sound: &[i16]) {
        let due = self.samples_until(at_us);
        let tolerance = self.samples_in(TOLERANCE_US);
        let reached = self.reached(side);
        let (waiting, mut sound) = (&mut self.waiting[side as usize], sound);
        if due > reached + tolerance {
            let gap = due - reached;
            waiting.resize(waiting.len() + gap as usize, 0);
        } else if reached > due + tolerance {
            // It runs ahead of its time: what there is already stays, what overlaps is left out.
            let surplus = (reached - due).min(sound.len() as u64);
            sound = &sound[surplus as usize..];
        }
        waiting.extend_from_slice(sound);
    }

    /// Fills up with silence what has not come in time.
    pub fn advance(&mut self, now_us: u64) {
        self.fill(self.samples_until(now_us.saturating_sub(PATIENCE_US)));
    }

    /// Fills the shorter side up to the longer one: nothing more comes.
    pub fn close(&mut self) {
        self.fill(self.reached(Side::Left).max(self.reached(Side::Right)));
    }

    fn fill(&mut self, until: u64) {
        for side in [Side::Left, Side::Right] {
            let missing = until.saturating_sub(self.reached(side));
            let waiting = &mut self.waiting[side as usize];
            waiting.resize(waiting.len() + missing as usize, 0);
        }
    }

    /// Samples that are there of both sides.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.waiting[0].len().min(self.waiting[1].len())
    }

    /// Takes out `samples` of both sides, as many as are ready at most.
    pub fn take(&mut self, samples: usize, left: &mut Vec<i16>, right: &mut Vec<i16>) {
        let samples = samples.min(self.ready());
        left.extend(self.waiting[0].drain(..samples));
        right.extend(self.waiting[1].drain(..samples));
        self.taken += samples as u64;
    }

    /// Samples of each side taken out so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    fn reached(&self, side: Side) -> u64 {
        self.taken + self.waiting[side as usize].len() as u64
    }

    fn samples_until(&self, at_us: u64) -> u64 {
        let reached = self.taken + self.waiting[0].len().max(self.waiting[1].len()) as u64;
        let asked = self.samples_in(at_us.saturating_sub(self.started_us));
        asked.min(reached + self.samples_in(LONGEST_GAP_US))
    }

    fn samples_in(&self, us: u64) -> u64 {
        us.saturating_mul(u64::from(self.sample_rate)) / 1_000_000
    }
}
