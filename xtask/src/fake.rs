//! `xtask fake`: the stand-in Cloudflare API alone.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::guard;
use crate::place;

/// Builds the stand-in and gives the path of its program.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    build_native("fake-cloudflare", "fake-cloudflare")
}

/// Builds a native program of the workspace and gives its path.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_native(package: &str, program: &str) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(place::root()).args(["build", "--quiet", "--package", package, "--bin", program]);
    guard::run(&cargo)?;
    Ok(place::target().join("debug").join(program))
}

/// The `fake` task: becomes the stand-in, so that whoever ends this process ends it.
///
/// # Errors
/// When it does not compile or cannot be started; else it does not return.
pub(crate) fn task(arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let program = build()?;
    let source = Command::new(&program).args(arguments).exec();
    Err(Failure::Start { program: program.display().to_string(), source })
}
