//! The ledger: the strongly consistent book of one account's leases.
//!
//! A lease row is written before the token is created and completed after, so that a lost answer
//! leaves no token that nobody knows of. The value of a token is never written.

pub mod book;
pub mod claim;
pub mod delivery;
pub mod due;
pub mod freeze;
pub mod journal;
pub mod lease;
pub mod name;
pub mod office;
pub mod protocol;
pub mod receipt;
pub mod schema;
pub mod sql;
