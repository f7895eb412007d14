//! What a receiver counts.

/// How a stream has been received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Packets that came, each once.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Sound that was made up, milliseconds: for lost packets, late ones, and until a pause is recognised.
    pub concealed_ms: u64,
    /// Packets restored out of the one after them.
    pub fec_used: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Packets that came twice, were malformed, too many, or of no format we know.
    pub discarded: u64,
    /// How long packets waited until they were heard, milliseconds, mean.
    pub delay_ms: u32,
    /// By how much the sender's clock runs faster than ours, parts in a million.
    pub drift_ppm: i32,
    /// Times that a pitch period was taken out or put in.
    pub stretched: u64,
}
