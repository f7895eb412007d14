//! One direction of a leg: plain RTP.

pub enum Outbound {
    Plain,
}
pub enum Inbound {
    Plain,
}

impl Outbound {
    pub fn plain() -> Self {
        Outbound::Plain
    }
    pub fn srtp(_: &str, _: &str, _: &str) -> Result<Self, String> {
        Err("no SRTP yet".into())
    }
    pub fn protect(&mut self, _slot: &mut [u8], length: usize) -> usize {
        length
    }
}
impl Inbound {
    pub fn plain() -> Self {
        Inbound::Plain
    }
    pub fn srtp(_: &str, _: &str, _: &str) -> Result<Self, String> {
        Err("no SRTP yet".into())
    }
    pub fn unprotect(&mut self, _slot: &mut [u8], length: usize) -> Option<usize> {
        Some(length)
    }
}
