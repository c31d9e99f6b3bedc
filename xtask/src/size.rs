//! `xtask size`: what a deployment uploads, gzipped, against the budget.

mod parts;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::failure::{Failure, file};
use crate::flags::Flags;
use crate::guard;
use crate::place;
use crate::say;
use crate::setup::Workshop;
use crate::worker::{self, BUILD_VARIABLE};

/// Bytes, gzipped, of all modules together. A Worker's start-up time grows with its size, and this keeps it far from the platform's limit.
pub(crate) const BUDGET: u64 = 220 * 1000;

/// The budget is not met yet. Until it is, nothing may grow beyond this unseen: whoever raises it for a
/// feature says so in the same commit, and whoever saves lowers it.
const CEILING: u64 = 403 * 1000;

/// Wrangler bundles one small file.
const WRANGLER_LIMIT: Duration = Duration::from_secs(120);

/// One uploaded module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    name: String,
    raw: u64,
    gzipped: u64,
}

/// Everything a deployment uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    modules: Vec<Module>,
}

impl Upload {
    fn total(&self) -> u64 {
        self.modules.iter().map(|module| module.gzipped).sum()
    }

    /// Bytes of all modules, as they are and gzipped.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.modules.iter().map(|module| module.raw).sum(), self.total())
    }

    /// One line per module and one for all.
    pub(crate) fn table(&self) -> Vec<String> {
        let row =
            |name: &str, raw: u64, gzipped: u64| format!("{name:<40} {raw:>9} bytes  {gzipped:>9} gzipped");
        let mut lines: Vec<String> =
            self.modules.iter().map(|module| row(&module.name, module.raw, module.gzipped)).collect();
        let (raw, gzipped) = self.totals();
        lines.push(row("everything uploaded", raw, gzipped));
        lines
    }

    /// # Errors
    /// When it is over the ceiling, or when there is nothing to measure.
    pub(crate) fn check(&self, ceiling: u64) -> Result<(), Failure> {
        let has =
            |ending: &str| self.modules.iter().any(|module| module.name.ends_with(ending) && module.raw > 0);
        if !(has(".wasm") && has(".js")) {
            return Err(Failure::Form {
                what: "the upload".to_owned(),
                wrong: "it must hold wasm and JavaScript".to_owned(),
            });
        }
        let size = self.total();
        if size > ceiling { Err(Failure::OverCeiling { size, ceiling }) } else { Ok(()) }
    }
}

/// Asks wrangler what it would upload, and measures that.
///
/// # Errors
/// When wrangler fails or a file cannot be read.
pub(crate) fn measure(workshop: &Workshop) -> Result<Upload, Failure> {
    let out = place::target().join("upload");
    place::remove_folder(&out)?;
    let mut wrangler = workshop.command("wrangler");
    wrangler.args(["deploy", "--dry-run", "--outdir"]).arg(&out);
    wrangler.env(BUILD_VARIABLE, "skip");
    guard::run_quietly(&wrangler, WRANGLER_LIMIT)?;
    in_folder(&out)
}

/// Source maps and the notes that wrangler leaves beside the modules are not uploaded.
pub(crate) fn is_uploaded(name: &str) -> bool {
    !(name.ends_with(".map") || name.ends_with(".md") || name.ends_with(".json"))
}

/// Measures the modules of a folder.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn in_folder(folder: &Path) -> Result<Upload, Failure> {
    let mut upload = Upload::default();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).map_err(file("reading", &current))? {
            let path = entry.map_err(file("reading", &current))?.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if is_uploaded(&name) {
                let bytes = std::fs::read(&path).map_err(file("reading", &path))?;
                let gzipped = gzipped(&bytes).map_err(file("gzipping", &path))?;
                upload.modules.push(Module { name, raw: count(&bytes), gzipped });
            }
        }
    }
    upload.modules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(upload)
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn gzipped(bytes: &[u8]) -> std::io::Result<u64> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    Ok(count(&encoder.finish()?))
}

/// The `size` task: measures what is in `build/`.
///
/// # Errors
/// When it is over the ceiling.
pub(crate) fn task(arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let mut by_part = false;
    let mut flags = Flags::new("size", arguments);
    while let Some(flag) = flags.next()? {
        match flag.as_str() {
            "--parts" => by_part = true,
            other => return Err(flags.unknown(other)),
        }
    }
    let workshop = Workshop::open()?;
    let upload = check(&workshop)?;
    if by_part {
        say::line(&parts(&workshop, &upload)?);
    }
    Ok(())
}

/// What of the upload costs what, as a table.
///
/// # Errors
/// When nothing was built here.
pub(crate) fn parts(workshop: &Workshop, upload: &Upload) -> Result<String, Failure> {
    parts::table(&worker::with_names(workshop)?, upload.total())
}

/// Prints the sizes and compares them with ceiling and budget.
pub(crate) fn check(workshop: &Workshop) -> Result<Upload, Failure> {
    let upload = measure(workshop)?;
    for text in upload.table() {
        say::line(&text);
    }
    upload.check(CEILING)?;
    say::line(&format!("{:<40} {:>36}", "budget", BUDGET));
    if let Some(over) = upload.total().checked_sub(BUDGET).filter(|over| *over > 0) {
        say::line(&format!("BUDGET NOT MET: {over} bytes over it (the ceiling until then is {CEILING})"));
    }
    Ok(upload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_module_and_no_source_map() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("snippets")).unwrap();
        std::fs::write(folder.path().join("index.js"), "a".repeat(1000)).unwrap();
        std::fs::write(folder.path().join("index.js.map"), "b".repeat(1000)).unwrap();
        std::fs::write(folder.path().join("snippets/x.wasm"), [7_u8; 500]).unwrap();
        let upload = in_folder(folder.path()).unwrap();
        let sizes: Vec<_> = upload.modules.iter().map(|module| (module.name.as_str(), module.raw)).collect();
        assert_eq!(sizes, [("index.js", 1000), ("snippets/x.wasm", 500)]);
        assert!(upload.modules.iter().all(|module| module.gzipped > 0 && module.gzipped < module.raw));
        assert_eq!(upload.table().len(), 3);
    }

    #[test]
    fn refuses_an_upload_one_byte_over_the_ceiling() {
        let module = |name: &str, gzipped| Module { name: name.to_owned(), raw: 1, gzipped };
        let upload = Upload { modules: vec![module("index.js", 20), module("x.wasm", 81)] };
        let refused = upload.check(100).unwrap_err();
        assert!(matches!(refused, Failure::OverCeiling { size: 101, ceiling: 100 }));
        assert!(refused.to_string().contains("1 over the ceiling of 100"), "{refused}");
        upload.check(101).unwrap();
    }

    #[test]
    fn refuses_to_call_an_empty_upload_small() {
        assert!(matches!(Upload::default().check(100), Err(Failure::Form { .. })));
        let only_js = Upload { modules: vec![Module { name: "index.js".to_owned(), raw: 1, gzipped: 1 }] };
        assert!(matches!(only_js.check(100), Err(Failure::Form { .. })));
    }
}
