//! What every task that builds or runs the Worker needs, made ready once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::javascript;
use crate::pins::Pins;
use crate::place::{self, SetUpLock};
use crate::say;
use crate::tools::{self, Tool};
use crate::wasm_rust::WasmRust;

/// The tools, all ready.
#[derive(Clone, Debug)]
pub(crate) struct Workshop {
    cache: PathBuf,
    pins: Pins,
    rust: WasmRust,
}

impl Workshop {
    /// Sets up what is missing. Costs a few file look-ups when nothing is.
    ///
    /// # Errors
    /// When something cannot be had, with what the user can do.
    pub(crate) fn open() -> Result<Self, Failure> {
        let cache = place::cache()?;
        let pins = Pins::read()?;
        if let Some(rust) = Self::all_ready(&cache, &pins) {
            return Ok(Self { cache, pins, rust });
        }
        let lock = SetUpLock::take(&cache)?;
        say::progress(&format!("setting up what is missing, once, in {} and node_modules", cache.display()));
        let from = std::time::Instant::now();
        javascript::install()?;
        let rust = WasmRust::set_up(&cache)?;
        wasm_bindgen(&pins).install(&cache)?;
        tools::tidy(&cache)?;
        say::progress(&format!("set up in {} s", from.elapsed().as_secs()));
        drop(lock);
        Ok(Self { cache, pins, rust })
    }

    fn all_ready(cache: &Path, pins: &Pins) -> Option<WasmRust> {
        (wasm_bindgen(pins).path(cache).is_file() && javascript::is_ready())
            .then(|| WasmRust::ready(cache))
            .flatten()
    }

    /// cargo-deny: the one on the PATH, else one of our own.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(crate) fn cargo_deny(&self) -> Result<PathBuf, Failure> {
        if crate::command::on_path("cargo-deny") {
            return Ok(PathBuf::from("cargo-deny"));
        }
        self.tool(&Tool {
            krate: "cargo-deny",
            program: "cargo-deny",
            version: tools::CARGO_DENY,
            locked: true,
            takes: "about 2 min",
        })
    }

    /// A tool that only some tasks need.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(crate) fn tool(&self, tool: &Tool<'_>) -> Result<PathBuf, Failure> {
        if !tool.path(&self.cache).is_file() {
            let lock = SetUpLock::take(&self.cache)?;
            tool.install(&self.cache)?;
            tools::tidy(&self.cache)?;
            drop(lock);
        }
        Ok(tool.path(&self.cache))
    }

    /// A command with the pinned JavaScript tools first on the PATH, and nothing of the user's Cloudflare login in its environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        self.equip(&mut command, vec![javascript::programs()]);
        command
    }

    /// A command that compiles for wasm32.
    pub(crate) fn wasm_command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.wasm_command_with(program, None)
    }

    /// The same, with the programs of a folder before all others.
    pub(crate) fn wasm_command_with(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        first: Option<PathBuf>,
    ) -> Command {
        let mut command = Command::new(program);
        let mut path = vec![javascript::programs()];
        self.rust.apply(&mut command, &mut path);
        path.splice(0..0, first);
        command.env("CARGO_TARGET_DIR", self.wasm_target());
        self.equip(&mut command, path);
        command
    }

    /// wasm-bindgen's program.
    pub(crate) fn wasm_bindgen(&self) -> PathBuf {
        wasm_bindgen(&self.pins).path(&self.cache)
    }

    /// The programs that worker-build uses, by the variables that name them.
    pub(crate) fn worker_builds_programs(&self) -> [(&'static str, PathBuf); 3] {
        let programs = javascript::programs();
        [
            ("WASM_BINDGEN_BIN", self.wasm_bindgen()),
            ("ESBUILD_BIN", programs.join("esbuild")),
            ("WASM_OPT_BIN", programs.join("wasm-opt")),
        ]
    }

    /// Cargo's output folder for the Worker: its own, so that a build in the background holds nobody up.
    pub(crate) fn wasm_target(&self) -> PathBuf {
        place::target().join(self.rust.label())
    }

    fn equip(&self, command: &mut Command, first: Vec<PathBuf>) {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(first.into_iter().chain(std::env::split_paths(&old)));
        command.env("PATH", path.unwrap_or(old));
        command.current_dir(place::root());
        command.env("WRANGLER_SEND_METRICS", "false").env("WRANGLER_HIDE_BANNER", "true");
        for (name, _) in std::env::vars_os() {
            if is_login(&name) {
                command.env_remove(name);
            }
        }
    }
}

/// Local runs need no login, and what a child does not get it cannot send.
fn is_login(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CLOUDFLARE_") || name.starts_with("CF_API_")
}

fn wasm_bindgen(pins: &Pins) -> Tool<'_> {
    Tool {
        krate: "wasm-bindgen-cli",
        program: "wasm-bindgen",
        version: &pins.wasm_bindgen,
        locked: false,
        takes: "about 2 min",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_environment_holds_no_login() {
        for login in ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID", "CF_API_TOKEN"] {
            assert!(is_login(&login.into()), "{login}");
        }
        assert!(!is_login(&"CARGO_HOME".into()));
    }
}
