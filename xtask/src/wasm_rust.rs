//! A Rust compiler that has the standard library for wasm32.
//!
//! On most machines that is rustup's own after `rustup target add`. Where only package registries can be reached, Debian's compiler and the
//! sources of the standard library are unpacked into the cache, see [`crate::debian`]; nothing of the system's changes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command;
use crate::debian;
use crate::failure::Failure;
use crate::guard;
use crate::say;

/// The target of Workers.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Where the server cannot be reached, rustup may wait without end.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// The compiler for the Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WasmRust {
    /// The one on the PATH.
    Own,
    /// Debian's, unpacked in this folder of the cache.
    Debian(PathBuf),
}

impl WasmRust {
    /// The compiler that is ready to use, without changing anything.
    ///
    /// `BREVET_WASM_RUST=debian` chooses Debian's even where the other is there.
    pub(crate) fn ready(cache: &Path) -> Option<Self> {
        let unpacked = debian::folder(cache);
        if !debian_is_asked_for() && own_has_std() {
            return Some(Self::Own);
        }
        debian::is_ready(&unpacked).then_some(Self::Debian(unpacked))
    }

    /// Makes one ready.
    ///
    /// # Errors
    /// When neither way works, with what the user can do.
    pub(crate) fn set_up(cache: &Path) -> Result<Self, Failure> {
        if let Some(ready) = Self::ready(cache) {
            return Ok(ready);
        }
        if !debian_is_asked_for() && command::on_path("rustup") {
            say::progress(&format!(
                "rustup target add {TARGET} (a few seconds; given up after {} s)",
                RUSTUP_LIMIT.as_secs()
            ));
            match guard::run_within(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_LIMIT) {
                Ok(()) if own_has_std() => return Ok(Self::Own),
                Ok(()) => say::progress("rustup added the target to another toolchain than the one in use"),
                Err(failure) => say::progress(&failure.to_string()),
            }
        }
        debian::set_up(cache).map(Self::Debian)
    }

    /// Sets what a command needs to compile with it.
    pub(crate) fn apply(&self, command: &mut Command, path: &mut Vec<PathBuf>) {
        if let Self::Debian(folder) = self {
            let programs = debian::programs(folder);
            command.env("RUSTC", programs.join("rustc"));
            command.env("RUSTDOC", programs.join("rustdoc"));
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", programs.join("wasm-ld"));
            command.env_remove("RUSTC_WRAPPER");
            path.insert(0, programs);
        }
    }

    /// A name for the output folder: output of two standard libraries must not mix (error E0463).
    pub(crate) fn label(&self) -> OsString {
        match self {
            Self::Own => "worker".into(),
            Self::Debian(folder) => {
                let mut name = OsString::from("worker-");
                name.push(debian::std_id(folder).unwrap_or_else(|| "debian".to_owned()));
                name
            }
        }
    }
}

fn debian_is_asked_for() -> bool {
    std::env::var_os("BREVET_WASM_RUST").is_some_and(|value| value == "debian")
}

fn own_has_std() -> bool {
    let folder =
        command::answer(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| std_in(Path::new(folder.trim())).is_some())
}

/// The file name of the standard library in a folder of libraries.
pub(crate) fn std_in(folder: &Path) -> Option<String> {
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with("libstd-") && name.ends_with(".rlib"))
}
