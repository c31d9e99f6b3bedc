//! The route for machines that reach only package registries: Debian's Rust for the web, unpacked into the cache.
//!
//! Debian packs a compiler and the sources of the standard library, but no standard library for wasm32: it is built here once and put into
//! the unpacked compiler's own folder. The packages are downloaded and unpacked, never installed, so neither root nor a change of the
//! system is needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command;
use crate::failure::{Failure, file};
use crate::guard;
use crate::place::{self, Unfinished};
use crate::say;
use crate::wasm_rust::{self, TARGET};

/// Changes when what is done here changes.
const LAYOUT: &str = "debian-rust-1";
/// Debian's compiler, its host libraries and the sources.
const PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"];
/// 140 MB over a slow line.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Unpacking and building take 3 minutes on two busy cores.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Kibibytes: packages, unpacked files and the build together.
const SPACE_KIB: u64 = 1_600_000;

/// Where the unpacked compiler is.
pub(crate) fn folder(cache: &Path) -> PathBuf {
    cache.join(LAYOUT)
}

/// The folder of its programs.
pub(crate) fn programs(folder: &Path) -> PathBuf {
    folder.join("bin")
}

fn std_folder(folder: &Path) -> PathBuf {
    folder.join("root/usr/lib/rustlib").join(TARGET).join("lib")
}

/// True when it has been set up to the end.
pub(crate) fn is_ready(folder: &Path) -> bool {
    folder.join("ready").is_file()
}

/// What tells this build of the standard library from another.
pub(crate) fn std_id(folder: &Path) -> Option<String> {
    let name = wasm_rust::std_in(&std_folder(folder))?;
    name.strip_prefix("libstd-")?.strip_suffix(".rlib").map(str::to_owned)
}

/// Downloads, unpacks and builds.
///
/// # Errors
/// Where this is no Debian, or a step fails, with what the user can do.
pub(crate) fn set_up(cache: &Path) -> Result<PathBuf, Failure> {
    for program in ["apt-get", "apt-cache", "dpkg-deb", "cc"] {
        if !command::on_path(program) {
            return Err(Failure::Missing {
                what: format!(
                    "this Rust has no standard library for {TARGET}, and Debian's needs `{program}`, which is not here"
                ),
                next: format!(
                    "run `rustup target add {TARGET}` where the network allows it, then run this again"
                ),
            });
        }
    }
    place::make_folder(cache)?;
    if let Some(free) = free_kib(cache).filter(|free| *free < SPACE_KIB) {
        return Err(Failure::Missing {
            what: format!(
                "{} MB are free at {}, and {} are needed",
                free / 1000,
                cache.display(),
                SPACE_KIB / 1000
            ),
            next: "free some space, or name another cache folder with BREVET_CACHE".to_owned(),
        });
    }
    say::progress(
        "downloading Debian's Rust compiler and the standard library's sources (140 MB), building it for wasm32 once (about 3 min)",
    );
    let wanted = folder(cache);
    let unfinished = Unfinished::begin(&wanted)?;
    let here = unfinished.path.clone();
    let root = here.join("root");
    download(&here).map_err(|failure| Failure::Missing {
        what: format!("Debian's packages cannot be had ({failure})"),
        next: format!(
            "see that `apt-get update` works and knows `rustc-web`, or run `rustup target add {TARGET}`"
        ),
    })?;
    unpack(&here.join("packages"), &root)?;
    write_wrappers(&here)?;
    say::progress("building the standard library for wasm32");
    build_std(&here)?;
    // The sources were needed only for that.
    for spent in ["packages", "apt", "scratch", "root/usr/src", "root/usr/share"] {
        place::remove_folder(&here.join(spent))?;
    }
    let ready = here.join("ready");
    std::fs::write(&ready, LAYOUT).map_err(file("writing", &ready))?;
    unfinished.finish()?;
    Ok(wanted)
}

/// apt-get with lists, cache and locks of our own.
fn apt(program: &str, here: &Path) -> Command {
    let mut command = Command::new(program);
    let own = here.join("apt");
    command.arg("--quiet");
    for (option, path) in [
        ("Dir::State::Lists", own.join("lists")),
        ("Dir::Cache", own.join("cache")),
        ("Dir::Cache::Archives", here.join("packages")),
    ] {
        let mut setting = std::ffi::OsString::from(option);
        setting.push("=");
        setting.push(path);
        command.arg("-o").arg(setting);
    }
    // Nothing is installed, so nobody has to be kept away; and apt's own user may not write into a home folder.
    command.args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "APT::Get::List-Cleanup=0"]);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
    command
}

fn download(here: &Path) -> Result<(), Failure> {
    for folder in ["apt/lists/partial", "apt/cache", "packages/partial"] {
        place::make_folder(&here.join(folder))?;
    }
    let quietly = |command: &mut Command| guard::run_quietly(command, DOWNLOAD_LIMIT);
    quietly(apt("apt-get", here).arg("update"))?;
    let tree =
        command::answer(apt("apt-cache", here).args(["depends", "--recurse", "--important"]).args(PACKAGES))
            .unwrap_or_default();
    let mut packages: Vec<String> = PACKAGES.iter().map(|name| (*name).to_owned()).collect();
    packages.extend(compiler_libraries(&tree));
    // `--reinstall`: also what the system already has must come as a file.
    quietly(
        apt("apt-get", here)
            .args(["install", "--yes", "--no-install-recommends", "--download-only", "--reinstall"])
            .args(packages),
    )
}

/// From the answer of `apt-cache depends --recurse`: the compiler's shared libraries, and the linker of the same LLVM.
fn compiler_libraries(tree: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in tree.split_whitespace() {
        let versioned = |prefix: &str| {
            name.strip_prefix(prefix).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let found = if let Some(llvm) = versioned("libllvm") {
            vec![name.to_owned(), format!("lld-{llvm}")]
        } else if versioned("libstd-rust-web-").is_some() {
            vec![name.to_owned()]
        } else {
            vec![]
        };
        for name in found {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn unpack(packages: &Path, root: &Path) -> Result<(), Failure> {
    place::make_folder(root)?;
    let entries = std::fs::read_dir(packages).map_err(file("reading", packages))?;
    for entry in entries {
        let path = entry.map_err(file("reading", packages))?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            // The sources of the compiler and its tools are two thirds of the packages and are not needed.
            let mut dpkg = Command::new("sh");
            dpkg.args([
                "-c",
                "dpkg-deb --fsys-tarfile \"$0\" | tar -x -C \"$1\" --no-wildcards-match-slash --exclude './usr/src/*/compiler' --exclude './usr/src/*/src' --exclude './usr/share'",
            ]);
            dpkg.arg(&path).arg(root);
            guard::run_within(&dpkg, BUILD_LIMIT)?;
        }
    }
    Ok(())
}

/// Scripts that start the unpacked programs with the unpacked libraries.
fn write_wrappers(here: &Path) -> Result<(), Failure> {
    let unpacked = here.join("root/usr/bin");
    let linker = std::fs::read_dir(&unpacked)
        .map_err(file("reading", &unpacked))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with("wasm-ld"))
        .ok_or_else(|| Failure::Form {
            what: "Debian's lld".to_owned(),
            wrong: "it holds no wasm-ld".to_owned(),
        })?;
    let bin = programs(here);
    place::make_folder(&bin)?;
    for (name, program) in [("rustc", "rustc"), ("rustdoc", "rustdoc"), ("wasm-ld", linker.as_str())] {
        let script = format!(
            "#!/bin/sh\nroot=\"$(dirname \"$0\")/../root/usr\"\nfor libraries in \"$root\"/lib/*-linux-gnu*; do\n  \
             LD_LIBRARY_PATH=\"$libraries${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\ndone\nexport LD_LIBRARY_PATH\nexec \"$root/bin/{program}\" \"$@\"\n"
        );
        let path = bin.join(name);
        place::write_program(&path, &script)?;
    }
    Ok(())
}

fn build_std(here: &Path) -> Result<(), Failure> {
    let scratch = here.join("scratch");
    place::make_folder(&scratch)?;
    for (name, text) in [
        (
            "Cargo.toml",
            "[package]\nname = \"only-std\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n\
             [profile.release]\npanic = \"unwind\"\n[workspace]\n",
        ),
        ("lib.rs", "#![no_std]\n"),
    ] {
        let path = scratch.join(name);
        std::fs::write(&path, text).map_err(file("writing", &path))?;
    }
    let target = scratch.join("target");
    let rustc = programs(here).join("rustc");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&scratch).args([
        "build",
        "--release",
        "--quiet",
        "-Z",
        "build-std=std,panic_abort,proc_macro",
        "--target",
        TARGET,
    ]);
    // Without bitcode a build with `lto = true` fails. The bootstrap variable opens `-Z` for this one build.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "-Cembed-bitcode=yes").env("RUSTC_BOOTSTRAP", "1");
    cargo.env("RUSTC", rustc).env("CARGO_TARGET_DIR", &target);
    cargo.env_remove("RUSTFLAGS").env_remove("RUSTC_WRAPPER");
    guard::run_within(&cargo, BUILD_LIMIT)?;
    let libraries = target.join(TARGET).join("release/deps");
    let into = std_folder(here);
    place::make_folder(&into)?;
    for entry in std::fs::read_dir(&libraries).map_err(file("reading", &libraries))? {
        let entry = entry.map_err(file("reading", &libraries))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libonly_std") {
            std::fs::copy(entry.path(), into.join(&name)).map_err(file("copying to", into.join(&name)))?;
        }
    }
    wasm_rust::std_in(&into).map(drop).ok_or_else(|| Failure::Form {
        what: "the standard library for wasm32".to_owned(),
        wrong: "the build made none".to_owned(),
    })
}

fn free_kib(folder: &Path) -> Option<u64> {
    parse_free(&command::answer(Command::new("df").args(["-Pk"]).arg(folder))?)
}

/// The free kibibytes in an answer of `df -Pk`.
fn parse_free(answer: &str) -> Option<u64> {
    answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_linker_of_the_compilers_own_llvm() {
        let tree = "rustc-web\n  Depends: libstd-rust-web-dev\nlibstd-rust-web-dev\n  Depends: libstd-rust-web-1.96\n\
                    libstd-rust-web-1.96\n  Depends: libllvm22\n  Depends: libc6\nlibllvm22\n  Depends: libc6\n";
        assert_eq!(compiler_libraries(tree), ["libstd-rust-web-1.96", "libllvm22", "lld-22"]);
        assert!(compiler_libraries("rustc-web\n  Depends: libstd-rust-web-dev\n").is_empty());
    }

    #[test]
    fn reads_the_free_space() {
        let answer = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 263000000 12000000 83000000 13% /\n";
        assert_eq!(parse_free(answer), Some(83_000_000));
        assert_eq!(parse_free(""), None);
        assert_eq!(parse_free("a\nb c"), None);
    }
}
