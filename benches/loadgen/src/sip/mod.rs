//! A load of SIP: registrations and whole calls (INVITE to BYE), both ends of each call.

pub mod callee;
pub mod digest;
pub mod load;
pub mod message;
pub mod registrations;
pub mod sockets;
