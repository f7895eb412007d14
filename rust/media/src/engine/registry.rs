//! What the engine knows of its calls and legs, and where they live.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::EngineError;
use crate::command::PayloadMap;
use crate::stats::LegCounters;

/// Calls are alike: a few maps of payload types serve nearly all of them.
const SHARED_MAPS: usize = 16;

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
    pub(super) maps: VecDeque<Arc<PayloadMap>>,
}

impl Registry {
    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The map as one object for all bridges that have the same: of the latest [`SHARED_MAPS`].
    pub(super) fn shared_map(&mut self, map: Option<PayloadMap>) -> Option<Arc<PayloadMap>> {
        let map = map?;
        if let Some(known) = self.maps.iter().find(|known| ***known == map) {
            return Some(Arc::clone(known));
        }
        if self.maps.len() == SHARED_MAPS {
            self.maps.pop_front();
        }
        let shared = Arc::new(map);
        self.maps.push_back(Arc::clone(&shared));
        Some(shared)
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
