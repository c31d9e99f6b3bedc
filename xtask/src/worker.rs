//! `xtask build`: the Worker's release wasm and its JavaScript in `build/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::say;
use crate::setup::Workshop;
use crate::size;
use crate::wasm_rust::TARGET;

/// What is uploaded is compressed, and that is what counts: `-Oz` makes fewer bytes than `-O1` and more gzipped ones (1.2 %), and functions
/// in the order of their names, so that those of one module and the instances of one generic stand together, save another half per cent.
///
/// Features that rustc and wasm-bindgen use, named one by one: with `--all-features` a newer wasm-opt may write encodings that workerd
/// does not read yet. The names section and the producers section are for debuggers and cost an upload 30 kB.
const SHRINK: [&str; 11] = [
    "--reorder-functions-by-name",
    "-O1",
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-exception-handling",
    "--strip-debug",
    "--strip-producers",
];

/// Far more than the slowest machine needs.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Set to `skip` for a wrangler whose caller has built already.
pub(crate) const BUILD_VARIABLE: &str = "BREVET_BUILD";

/// True when the caller of this build command has built already.
pub(crate) fn is_built_by_caller() -> bool {
    std::env::var_os(BUILD_VARIABLE).is_some_and(|value| value == "skip")
}

/// The JavaScript of the Worker itself, and what it is called beside the wasm. `index.js` is what wrangler.toml names.
const SCRIPTS: [(&str, &str); 2] =
    [("src/adapters/entry.js", "index.js"), ("src/adapters/glue.js", "glue.js")];

/// Builds the Worker.
///
/// # Errors
/// When the build fails.
pub(crate) fn build(workshop: &Workshop) -> Result<(), Failure> {
    // Wrangler runs this as its build command and reads nothing from it: progress goes to standard error.
    // Without the package's name cargo would build the workspace's native members for wasm32 as well. With an rlib among the crate types
    // cargo leaves link-time optimisation out, silently, and the wasm is more than half as big again: the cdylib alone.
    let mut cargo = workshop.wasm_command("cargo");
    cargo.args(["rustc", "--release", "--target", TARGET, "--package", "brevet", "--crate-type", "cdylib"]);
    guard::run_quietly(&cargo, BUILD_LIMIT)?;
    let linked = workshop.wasm_target().join(TARGET).join("release/brevet.wasm");

    // Beside the folder that it replaces: a rename between file systems fails.
    let fresh = place::root().join("build.new");
    place::remove_folder(&fresh)?;
    let mut bindgen = workshop.wasm_command(workshop.wasm_bindgen());
    bindgen.args(["--target", "web", "--no-typescript", "--omit-default-module-path"]);
    // After a panic `glue.js` makes the instance anew.
    bindgen.arg("--experimental-reset-state-function");
    bindgen.arg("--out-name").arg("brevet").arg("--out-dir").arg(&fresh).arg(&linked);
    guard::run_quietly(&bindgen, BUILD_LIMIT)?;
    let glue = fresh.join("brevet.js");
    let written = std::fs::read_to_string(&glue).map_err(file("reading", &glue))?;
    std::fs::write(&glue, each_module_once(&written)).map_err(file("writing", &glue))?;
    shrink(workshop, PACKAGE, &fresh.join("brevet_bg.wasm"))?;
    for (source, name) in SCRIPTS {
        let (from, to) = (place::root().join(source), fresh.join(name));
        std::fs::copy(&from, &to).map_err(file("copying", &from))?;
    }
    // Whole or not at all: whoever is served from this folder never sees half of it.
    let build = place::root().join("build");
    place::remove_folder(&build)?;
    std::fs::rename(&fresh, &build).map_err(file("writing", &build))
}

/// wasm-bindgen imports a module once for each way in which Rust names it, and hands all of them over under the same key, of which
/// bundlers warn. The later ones go, each with its key; whatever does not look exactly so stays as it is.
fn each_module_once(script: &str) -> String {
    let mut lines: Vec<&str> = script.lines().collect();
    let imports: Vec<(&str, &str)> = script
        .lines()
        .filter_map(|line| line.trim_end_matches(';').strip_prefix("import * as ")?.split_once(" from "))
        .collect();
    for (at, (name, module)) in imports.iter().enumerate() {
        let of_this =
            |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *name);
        let key = format!("{module}: {name},");
        let used: Vec<&str> = lines.iter().copied().filter(|line| of_this(line)).collect();
        let earlier = imports.iter().take(at).any(|(_, other)| other == module);
        if let ([import, handed_over], true) = (used.as_slice(), earlier)
            && import.starts_with("import * as ")
            && handed_over.trim() == key
        {
            lines.retain(|line| !of_this(line));
        }
    }
    lines.join("\n") + "\n"
}

/// The folder of Brevet's own program among those that are shrunk.
const PACKAGE: &str = "brevet";

/// Where a program lies before and after it was shrunk.
fn kept(workshop: &Workshop, package: &str) -> PathBuf {
    workshop.wasm_target().join(format!("shrunk-{package}"))
}

/// Runs wasm-opt, or takes its result from last time when the input is the same: it takes 10 seconds.
///
/// # Errors
/// When it fails.
pub(crate) fn shrink(workshop: &Workshop, package: &str, wasm: &Path) -> Result<(), Failure> {
    let kept = kept(workshop, package);
    place::make_folder(&kept)?;
    let (before, after) = (kept.join("before.wasm"), kept.join("after.wasm"));
    let settings = kept.join("settings");
    let wanted = SHRINK.join(" ");
    let read = |path: &Path| std::fs::read(path).map_err(file("reading", path));
    let input = read(wasm)?;
    let same = std::fs::read(&before).is_ok_and(|old| old == input)
        && std::fs::read_to_string(&settings).is_ok_and(|old| old == wanted)
        && after.is_file();
    if !same {
        // Absent until the result is there: a run that is cut off leaves nothing to trust.
        let _absent = std::fs::remove_file(&settings);
        std::fs::write(&before, &input).map_err(file("writing", &before))?;
        let mut opt: Command = workshop.command("wasm-opt");
        opt.arg(&before).arg("-o").arg(&after).args(SHRINK);
        guard::run(&opt)?;
        std::fs::write(&settings, wanted).map_err(file("writing", &settings))?;
    }
    let fresh = wasm.with_extension("shrunk");
    std::fs::copy(&after, &fresh).map_err(file("writing", &fresh))?;
    std::fs::rename(&fresh, wasm).map_err(file("writing", wasm))
}

/// The program that was shrunk last, made once more with the names of its functions.
///
/// # Errors
/// When none was, or wasm-opt fails.
pub(crate) fn with_names(workshop: &Workshop) -> Result<PathBuf, Failure> {
    let kept = kept(workshop, PACKAGE);
    let (before, named) = (kept.join("before.wasm"), kept.join("named.wasm"));
    if !before.is_file() {
        return Err(Failure::Missing {
            what: "no program was built here".to_owned(),
            next: "run `cargo xtask build`".to_owned(),
        });
    }
    let mut opt: Command = workshop.command("wasm-opt");
    opt.arg(&before).arg("-g").arg("-o").arg(&named);
    opt.args(SHRINK.iter().filter(|flag| !flag.starts_with("--strip")));
    guard::run(&opt)?;
    Ok(named)
}

/// The `build` task.
///
/// # Errors
/// When the build fails.
pub(crate) fn task() -> Result<(), Failure> {
    if is_built_by_caller() {
        return Ok(());
    }
    let workshop = Workshop::open()?;
    build(&workshop)?;
    // As wrangler's build command: measuring would run wrangler inside wrangler.
    if std::env::var_os("WRANGLER_COMMAND").is_none() {
        let upload = size::measure(&workshop)?;
        for text in upload.table() {
            say::line(&text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWICE: &str = "\
import { log } from './glue.js';
import * as import1 from \"./glue.js\"
import * as import2 from \"./glue.js\"
import * as import21 from \"./other.js\"
function imports() {
    return {
        \"./brevet_bg.js\": import0,
        \"./glue.js\": import1,
        \"./glue.js\": import2,
        \"./other.js\": import21,
    };
}
";

    #[test]
    fn a_module_that_is_imported_twice_is_handed_over_once() {
        let once = TWICE
            .replace("import * as import2 from \"./glue.js\"\n", "")
            .replace("        \"./glue.js\": import2,\n", "");
        assert_eq!(each_module_once(TWICE), once);
        assert_eq!(each_module_once(&once), once, "and then there is nothing to do");
    }

    #[test]
    fn a_second_import_that_is_used_otherwise_stays() {
        for other in [
            TWICE.replace("\"./glue.js\": import2,", "\"./third.js\": import2,"),
            TWICE.replace("    };", "        \"again\": import2,\n    };"),
            TWICE.replace("        \"./glue.js\": import2,\n", ""),
        ] {
            assert_eq!(each_module_once(&other), other);
        }
    }
}
