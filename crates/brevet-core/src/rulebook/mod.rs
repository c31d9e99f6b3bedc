//! The rules of record: which version is in force, and every version before it.

mod desk;
mod register;
mod version;

pub use desk::{Errands, serve, wake};
pub use register::{Kept, MOST_VERSIONS, PushRefusal, Register, RulebookAnswer, RulebookRequest};
pub use version::{RulesDigest, RulesMark};
