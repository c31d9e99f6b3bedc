//! The rules file: *from X, when Y, allow Z*.
//!
//! [`read`] takes the file as JSON (TOML is parsed natively, by the operator's program) and checks
//! every field and name; [`compile()`] works out what it means and makes the immutable
//! [`Policy`](crate::policy::Policy). Both tell all that is wrong at once, each finding with its place
//! in the file. What the rules allow is the only limit of Brevet's tokens, so nothing unknown is
//! passed over and nothing is guessed.

mod compile;
pub mod document;
mod endpoints;
pub mod example;
mod explain;
mod finding;
mod grants;
mod hooks;
mod names;
mod reader;
mod sections;
mod source_map;
mod traps;
mod words;

pub use compile::{compile, development_only, is_example, lint};
pub use document::Document;
pub use finding::{Finding, HookProblem, Kind, PatternProblem, Problem, Section, Severity, Trap, UrlProblem};
pub use sections::read;
pub use source_map::{MAX_ENTRIES, Place, SourceMap, SourceMapError};

#[cfg(test)]
mod tests;
