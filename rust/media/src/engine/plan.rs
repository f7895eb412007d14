//! A plan of the owner made into one for the leg: keys become contexts, unless they go on.

use std::hash::BuildHasher;

use sealtone_codec_protocol::MAX_FORMATS;

use super::{Engine, EngineError, Key, LegPlan};
use crate::command::{Command, Formats, KeyChange, Plan};
use crate::srtp::{SrtpError, SrtpReceiver, SrtpSender, Suite};

impl Engine {
    /// Applies a plan to a leg, whole, between two packets.
    ///
    /// A key equal to the present one goes on with its counters; another one replaces it.
    ///
    /// # Errors
    /// [`EngineError::Unknown`], [`EngineError::Key`], [`EngineError::Invalid`] payload type or key of a
    /// sealed leg,
    /// [`EngineError::Ports`] when the RTCP port cannot be opened again, [`EngineError::Busy`].
    pub fn update_leg(&self, leg: u64, plan: &LegPlan<'_>) -> Result<(), EngineError> {
        if plan.sealed && (plan.rx.is_some() || plan.tx.is_some()) {
            return Err(EngineError::Invalid("a sealed leg has no keys"));
        }
        if plan.formats.len() > MAX_FORMATS || plan.transmit.len() > MAX_FORMATS {
            return Err(EngineError::Invalid("at most 32 formats each way"));
        }
        let mut payload_types = 0;
        for &payload_type in plan.payload_types {
            if payload_type > 127 {
                return Err(EngineError::Invalid("a payload type is 0 to 127"));
            }
            payload_types |= 1_u128 << payload_type;
        }
        let (rx_print, tx_print) = (
            self.fingerprint(plan.rx.as_ref()),
            self.fingerprint(plan.tx.as_ref()),
        );
        let mut registry = self.registry()?;
        let formats = registry.formats.of(Formats {
            receive: plan.formats.to_vec(),
            transmit: plan.transmit.to_vec(),
        });
        let (worker, entry) = registry.open_leg(leg)?;
        let rx = change(entry.rx, rx_print, plan.rx.as_ref(), SrtpReceiver::new)?;
        let tx = change(entry.tx, tx_print, plan.tx.as_ref(), SrtpSender::new)?;
        let rtcp_socket = if plan.rtcp_mux || entry.has_rtcp_socket {
            None
        } else {
            // What gives the former socket back may lie in the mailbox of a worker that sleeps, or that the leg has left.
            self.wake();
            Some(
                self.pool
                    .reopen_rtcp(entry.ip, entry.number)
                    .map_err(EngineError::Ports)?,
            )
        };
        let plan = Plan {
            remote: plan.remote,
            remote_rtcp: plan.remote_rtcp,
            signalling_ip: plan.signalling_ip,
            rtcp_mux: plan.rtcp_mux,
            send: plan.send,
            receive: plan.receive,
            rx,
            tx,
            secure_required: plan.secure_required,
            payload_types,
            clock_rate: plan.clock_rate,
            new_latch: plan.new_latch,
            sealed: plan.sealed,
            formats,
            rtcp_socket,
        };
        let (mux, sealed) = (plan.rtcp_mux, plan.sealed);
        self.post(worker, Command::Update(entry.slot, Box::new(plan)))?;
        entry.has_rtcp_socket = !mux;
        entry.sealed = sealed;
        entry.rx = rx_print;
        entry.tx = tx_print;
        Ok(())
    }

    /// Tells keys apart without keeping them.
    fn fingerprint(&self, key: Option<&Key<'_>>) -> Option<u64> {
        key.map(|key| self.hasher.hash_one((key.suite.name(), key.key, key.salt)))
    }
}

type MakeContext<T> = fn(Suite, &[u8], &[u8]) -> Result<T, SrtpError>;

fn change<T>(
    before: Option<u64>,
    after: Option<u64>,
    key: Option<&Key<'_>>,
    make: MakeContext<T>,
) -> Result<KeyChange<T>, EngineError> {
    match key {
        None => Ok(KeyChange::Clear),
        Some(_) if before == after => Ok(KeyChange::Keep),
        Some(key) => {
            let context = make(key.suite, key.key, key.salt).map_err(EngineError::Key)?;
            Ok(KeyChange::Set(context))
        }
    }
}
