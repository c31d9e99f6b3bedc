//! The two Durable Objects. The runtime finds them through their exports.

mod ledger;
mod rules;
