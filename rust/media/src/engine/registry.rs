//! What the engine knows of its calls and legs, and where they live.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::EngineError;
use crate::command::{Formats, PayloadMap};
use crate::stats::LegCounters;

/// Calls are alike: a few maps of payload types and a few lists of formats serve nearly all of them.
const SHARED: usize = 16;

/// One object for all that is the same, of the latest [`SHARED`].
pub(super) struct Shared<T>(VecDeque<Arc<T>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Shared<T> {
    pub(super) fn of(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.0.iter().find(|known| ***known == value) {
            return Arc::clone(known);
        }
        if self.0.len() == SHARED {
            self.0.pop_front();
        }
        let shared = Arc::new(value);
        self.0.push_back(Arc::clone(&shared));
        shared
    }
}

pub(super) struct LegEntry {
    pub(super) call: u64,
    pub(super) slot: u32,
    pub(super) ip: IpAddr,
    pub(super) number: u16,
    pub(super) open: bool,
    pub(super) has_rtcp_socket: bool,
    /// Nothing of it is ever decoded.
    pub(super) sealed: bool,
    /// Keyed hashes of the present keys: an unchanged key must keep its state.
    pub(super) rx: Option<u64>,
    pub(super) tx: Option<u64>,
    pub(super) counters: Arc<LegCounters>,
}

pub(super) struct CallEntry {
    pub(super) worker: usize,
    pub(super) legs: Vec<u64>,
}

#[derive(Default)]
pub(super) struct Registry {
    pub(super) next_id: u64,
    pub(super) calls: HashMap<u64, CallEntry>,
    /// Boxed, since a hash table holds room for up to twice as many as there are.
    pub(super) legs: HashMap<u64, Box<LegEntry>>,
    /// Per worker: vacant slots below `slots`, and calls it has.
    pub(super) vacant: Vec<Vec<u32>>,
    pub(super) slots: Vec<u32>,
    pub(super) load: Vec<usize>,
    pub(super) stopped: bool,
    pub(super) maps: Shared<PayloadMap>,
    pub(super) formats: Shared<Formats>,
}

impl Registry {
    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(super) fn take_slot(&mut self, worker: usize) -> u32 {
        self.vacant[worker].pop().unwrap_or_else(|| {
            self.slots[worker] += 1;
            self.slots[worker] - 1
        })
    }

    /// An open leg and the worker it lives on.
    pub(super) fn open_leg(&mut self, leg: u64) -> Result<(usize, &mut LegEntry), EngineError> {
        let entry = self
            .legs
            .get_mut(&leg)
            .filter(|entry| entry.open)
            .ok_or(EngineError::Unknown)?;
        let call = self.calls.get(&entry.call).ok_or(EngineError::Unknown)?;
        Ok((call.worker, entry))
    }
}
