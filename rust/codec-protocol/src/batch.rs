//! Records gathered into datagrams, and taken from them.

use crate::order::Order;
use crate::report::Report;
use crate::wire::Malformed;

/// Octets of a datagram at most.
pub const MAX_BATCH: usize = 32 * 1_024;
/// Kind and length of a record.
const HEAD: usize = 3;

/// Records on their way into one datagram.
#[derive(Debug)]
pub struct Batch(Vec<u8>);

impl Default for Batch {
    fn default() -> Self {
        Self(Vec::with_capacity(MAX_BATCH))
    }
}

impl Batch {
    /// Adds an order; false, and nothing added, where it does not fit any more.
    pub fn order(&mut self, order: &Order<'_>) -> bool {
        self.add(|out| order.write(out))
    }

    /// Adds a report; false, and nothing added, where it does not fit any more.
    pub fn report(&mut self, report: &Report<'_>) -> bool {
        self.add(|out| report.write(out))
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> u8) -> bool {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; HEAD]);
        let kind = write(&mut self.0);
        let length = self.0.len() - start - HEAD;
        let Ok(length) = u16::try_from(length) else {
            self.0.truncate(start);
            return false;
        };
        if self.0.len() > MAX_BATCH {
            self.0.truncate(start);
            return false;
        }
        let [low, high] = length.to_le_bytes();
        self.0[start..start + HEAD].copy_from_slice(&[kind, low, high]);
        true
    }

    /// The datagram.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The orders of a datagram. After one that cannot be read there are none.
pub fn orders(datagram: &[u8]) -> impl Iterator<Item = Result<Order<'_>, Malformed>> {
    records(datagram).map(|record| record.and_then(|(kind, body)| Order::read(kind, body)))
}

/// The reports of a datagram. After one that cannot be read there are none.
pub fn reports(datagram: &[u8]) -> impl Iterator<Item = Result<Report<'_>, Malformed>> {
    records(datagram).map(|record| record.and_then(|(kind, body)| Report::read(kind, body)))
}

fn records(datagram: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = split(rest);
        rest = record.as_ref().map_or(&[], |(_, _, rest)| *rest);
        Some(record.map(|(kind, body, _)| (kind, body)))
    })
}

fn split(rest: &[u8]) -> Result<(u8, &[u8], &[u8]), Malformed> {
    let (head, rest) = rest.split_first_chunk::<HEAD>().ok_or(Malformed)?;
    let length = usize::from(u16::from_le_bytes([head[1], head[2]]));
    let (body, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
    Ok((head[0], body, rest))
}
