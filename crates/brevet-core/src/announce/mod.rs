//! What Brevet announces: entries of the journal as signed events, in the form of Standard Webhooks 1.0.0.
//!
//! An event is made of one entry of the journal and of nothing else, so that it is the same whenever it is
//! sent: the same id, the same body. Only the timestamp and the signature are each attempt's own.

mod event;
mod signature;

pub use event::{EventId, TYPES, body, type_of};
pub use signature::{LONGEST_KEY, SHORTEST_KEY, SigningKey, signature};
