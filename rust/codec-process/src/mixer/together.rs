//! What costs less for many legs together than for one after the other.

use sealtone_codec::codec::g722::TOGETHER;
use sealtone_codec::{Receiver, Transmitter};
use sealtone_codec_protocol::LegId;

use super::{Kind, Mixer, Tick, send};
use crate::leg::Leg;
use crate::outbox::Outbox;

impl Mixer {
    /// Decodes what these ticks will pull where it costs less for many legs together.
    pub(super) fn decode_ahead(&mut self, due: &[Tick], now: u64) {
        let mut ahead = Vec::new();
        for &(_, id, kind, clock) in due {
            let mouth = self.legs.get(&id).and_then(|leg| leg.mouth.as_ref());
            if let Some(mouth) = mouth.filter(|mouth| kind == Kind::Mouth && mouth.clock == clock)
                && let (samples, Some(source)) = (mouth.samples, mouth.source)
                && let Some(leg) = self.legs.get_mut(&source)
                && leg.receiver.can_be_ahead(samples, now)
            {
                ahead.push(source);
            }
        }
        self.each_together(&mut ahead, |legs| {
            let mut receivers: Vec<_> = legs.into_iter().map(|leg| &mut leg.receiver).collect();
            Receiver::decode_together(&mut receivers);
        });
    }

    /// Encodes and sends what waits for it.
    pub(super) fn send_unsent(&mut self, out: &mut Outbox) {
        let mut unsent = std::mem::take(&mut self.unsent);
        self.each_together(&mut unsent, |legs| {
            let mouths = legs.into_iter().filter_map(|leg| leg.mouth.as_mut());
            let mut transmitters: Vec<_> = mouths.map(|mouth| &mut mouth.transmitter).collect();
            Transmitter::encode_together(&mut transmitters);
        });
        for id in unsent.drain(..) {
            self.mark.set(id);
            if let Some(mouth) = self.mouth(id) {
                send(id, mouth, out);
            }
        }
        self.unsent = unsent;
    }

    /// Gives `work` the legs, as many at once as it is best done with. It is done for none of them alone, and so under
    /// nobody's mark: none of it is code that a packet could break.
    fn each_together(&mut self, ids: &mut Vec<LegId>, mut work: impl FnMut(Vec<&mut Leg>)) {
        ids.sort_unstable();
        ids.dedup();
        self.mark.clear();
        for ids in ids.chunks(TOGETHER) {
            // Places that are left over get ids that no leg has, all different.
            let ids: [LegId; TOGETHER] =
                std::array::from_fn(|at| ids.get(at).copied().unwrap_or(LegId::MAX - at as u64));
            let legs = self.legs.get_disjoint_mut(ids.each_ref());
            work(legs.into_iter().flatten().collect());
        }
    }
}
