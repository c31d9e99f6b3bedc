//! `xtask dev`: a Worker to play with, with everything around it.

use std::ffi::OsString;

use crate::failure::Failure;

/// The `dev` task.
pub(crate) fn task(_arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    Err(Failure::Usage("dev".to_owned()))
}
