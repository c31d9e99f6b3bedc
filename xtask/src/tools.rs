//! The Rust programs that the build and the checks use, compiled once into the cache: no package registry has them prebuilt.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::Failure;
use crate::guard;
use crate::place::{self, Unfinished};
use crate::say;

/// The version of cargo-deny that deny.toml is written for.
pub(crate) const CARGO_DENY: &str = "0.20.2";
/// Far more than the slowest machine needs for one of them.
const INSTALL_LIMIT: Duration = Duration::from_secs(60 * 60);

/// One program: its crate, its version, and what it takes to build it.
#[derive(Clone, Debug)]
pub(crate) struct Tool<'a> {
    /// The crate, and the folder's name.
    pub(crate) krate: &'a str,
    /// The program's name.
    pub(crate) program: &'a str,
    /// The exact version.
    pub(crate) version: &'a str,
    /// Uses the crate's own lock file. Not for wasm-bindgen-cli: a lock file may name a version that was withdrawn.
    pub(crate) locked: bool,
    /// About how long it takes on two cores, for the user.
    pub(crate) takes: &'a str,
}

impl Tool<'_> {
    fn folder(&self, cache: &Path) -> PathBuf {
        cache.join("tools").join(format!("{}-{}", self.krate, self.version))
    }

    /// Where the program is once it is installed.
    pub(crate) fn path(&self, cache: &Path) -> PathBuf {
        self.folder(cache).join("bin").join(self.program)
    }

    /// Builds and installs it when it is absent.
    pub(crate) fn install(&self, cache: &Path) -> Result<(), Failure> {
        if self.path(cache).is_file() {
            return Ok(());
        }
        say::progress(&format!(
            "building {} {} once ({} on two cores)",
            self.krate, self.version, self.takes
        ));
        let unfinished = Unfinished::begin(&self.folder(cache))?;
        // One scratch folder for all of them: they share dependencies.
        let scratch = cache.join("scratch");
        let mut cargo = Command::new("cargo");
        cargo.current_dir(cache).args(["install", self.krate, "--version", &format!("={}", self.version)]);
        if self.locked {
            cargo.arg("--locked");
        }
        cargo.arg("--root").arg(&unfinished.path).arg("--target-dir").arg(&scratch);
        cargo.args(["--quiet", "--no-track"]);
        // These programs run for a second or two: the time goes into building them, so build them fast.
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        cargo.env("CARGO_PROFILE_RELEASE_LTO", "off");
        cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
        for inherited in [
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "RUSTC",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
        ] {
            cargo.env_remove(inherited);
        }
        guard::run_within(&cargo, INSTALL_LIMIT)?;
        unfinished.finish()
    }
}

/// Frees what building the tools left.
pub(crate) fn tidy(cache: &Path) -> Result<(), Failure> {
    place::remove_folder(&cache.join("scratch"))
}
