//! What Brevet does, step by step: find out who calls, decide, write down, act, answer.
//!
//! Nothing here knows HTTP or the Worker. The world comes in through [`Ports`].

mod configure;
mod difference;
mod face;
mod fault;
mod health;
mod hooks;
mod identity;
mod in_force;
mod memory;
mod mint;
mod ports;
mod rebuild;
mod refusals;
mod session;
mod surrender;
mod switch;
mod tend;
mod verify;

pub use configure::{Configurer, Pushed, Removal, configurer, lint, push, versions};
pub use face::Face;
pub use fault::{BadRules, Fault, IdentityFault, LeftLeases, NoRules, RequestError};
pub use health::{AccountHealth, check_parents, readiness};
pub use hooks::{Heard, KeyState, hear, key_states, receipt_of};
pub use identity::{KEYS_FRESH, KEYS_STALE, REFETCH};
pub use in_force::{InForce, LONGEST_WITHOUT_REGISTER, RECHECK, forget, load, take};
pub use memory::{MOST_VISITS, Memory, VISIT_WINDOW};
pub use mint::{Issued, Once, mint, plan, planned_name};
pub use ports::{Ports, Settings, Unreachable, Visitor};
pub use rebuild::rebuild;
pub use refusals::{TELL_OF_STRANGERS, tell_of_refusal, tell_of_stranger};
pub use session::{Said, Session};
pub use surrender::{HOLDER, MOST_ASKED, surrender};
pub use switch::{Stop, everywhere};
pub use tend::{Deed, Done, Found, Wanted, act, list, page};
pub use verify::{
    MOST_CALLS, REMEMBER_ACTIVE, REMEMBER_INVALID, Validity, Where, lease_of, stand_in_id, verify,
};
