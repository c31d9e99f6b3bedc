//! The programs that are compared, each with what workerd needs to run it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, file};
use crate::guard;
use crate::place;
use crate::setup::Workshop;
use crate::size;

/// One program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Brevet.
    Brevet,
    /// Brevet once more: what the two differ by is noise.
    Again,
    /// TypeScript with Hono and jose.
    Hono,
    /// JavaScript without a library.
    Bare,
    /// Rust with the `worker` crate, as it comes.
    Stock,
    /// A Worker that does nothing.
    Empty,
    /// Brevet with a counter at each of its doors.
    Counting,
}

impl Side {
    /// Those that answer the rows.
    pub(super) const ALL: [Self; 5] = [Self::Brevet, Self::Again, Self::Hono, Self::Bare, Self::Stock];

    /// The name of its folder.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brevet => "brevet",
            Self::Again => "again",
            Self::Hono => "hono",
            Self::Bare => "bare",
            Self::Stock => "stock",
            Self::Empty => "empty",
            Self::Counting => "counting",
        }
    }

    /// What people call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Brevet => "Brevet",
            Self::Again => "Brevet again",
            Self::Hono => "Hono + jose",
            Self::Bare => "bare JS",
            Self::Stock => "stock Rust",
            Self::Empty => "empty Worker",
            Self::Counting => "Brevet, counting",
        }
    }

    /// Whether it is ours, and takes its rules by a push.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Brevet | Self::Again | Self::Counting)
    }
}

/// A program with its modules in one folder.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) side: Side,
    pub(super) folder: PathBuf,
    /// The modules' names; the first is the main one.
    modules: Vec<String>,
}

/// Where everything of a run is.
pub(super) fn workplace() -> PathBuf {
    place::target().join("bench")
}

/// Makes the programs ready.
pub(super) fn prepare(workshop: &Workshop, sides: &[Side], rules: &Path) -> Result<Vec<Prepared>, Failure> {
    let mut prepared = Vec::new();
    for side in sides {
        let folder = workplace().join(side.name());
        place::remove_folder(&folder)?;
        place::make_folder(&folder)?;
        match side {
            Side::Brevet | Side::Again => copy_modules(&place::target().join("upload"), &folder)?,
            Side::Counting => {
                copy_modules(&place::target().join("upload"), &folder)?;
                let (from, to) = (place::root().join("bench/counting.js"), folder.join("counting.js"));
                std::fs::copy(&from, &to).map_err(file("copying", &from))?;
            }
            Side::Hono => bundle(workshop, "javascript/hono.ts", &folder)?,
            Side::Bare => bundle(workshop, "javascript/bare.ts", &folder)?,
            Side::Empty => bundle(workshop, "javascript/empty.js", &folder)?,
            Side::Stock => copy_modules(&super::stock::build(workshop)?, &folder)?,
        }
        let mut modules = modules(&folder)?;
        if *side == Side::Counting {
            // The first is the main one.
            modules.sort_by_key(|name| name != "counting.js");
        }
        if !side.is_ours() && *side != Side::Empty {
            let to = folder.join("rules.json");
            std::fs::copy(rules, &to).map_err(file("writing", &to))?;
        }
        prepared.push(Prepared { side: *side, folder, modules });
    }
    Ok(prepared)
}

fn bundle(workshop: &Workshop, source: &str, folder: &Path) -> Result<(), Failure> {
    let mut esbuild: Command = workshop.command("esbuild");
    esbuild.arg(place::root().join("bench/peers").join(source));
    esbuild.args(["--bundle", "--minify", "--format=esm", "--target=es2024", "--log-level=warning"]);
    esbuild.args(["--external:./rules.json", "--external:cloudflare:workers", "--external:node:crypto"]);
    esbuild.arg(format!("--outfile={}", folder.join("index.js").display()));
    guard::run(&esbuild)
}

fn copy_modules(from: &Path, to: &Path) -> Result<(), Failure> {
    for name in modules(from)? {
        let (source, copy) = (from.join(&name), to.join(&name));
        std::fs::copy(&source, &copy).map_err(file("copying", &source))?;
    }
    Ok(())
}

/// The modules of a folder: `index.js`, then all others.
fn modules(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(file("reading", folder))? {
        let name = entry.map_err(file("reading", folder))?.file_name().to_string_lossy().into_owned();
        if size::is_uploaded(&name) && [".js", ".wasm"].iter().any(|ending| name.ends_with(ending)) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (name != "index.js", name.clone()));
    if names.first().is_some_and(|name| name == "index.js") {
        Ok(names)
    } else {
        Err(Failure::Form {
            what: folder.display().to_string(),
            wrong: "it must hold an index.js".to_owned(),
        })
    }
}

/// Secrets of no installation.
const TEXTS: [(&str, &str); 4] = [
    ("BREVET_PEPPER", "the pepper of the benchmark and of nothing else at all"),
    ("BREVET_OPERATOR_SECRET", "brvo_bench-root-secret-of-no-installation-at-all"),
    ("HOOK_GITHUB", "the hook secret of the benchmark and of nothing else"),
    ("CLOUDFLARE_API_TOKEN", "cfat_the-parent-token-of-no-account-in-the-world-at-all"),
];

impl Prepared {
    /// Writes the configuration of workerd and gives its path.
    pub(super) fn configure(&self, port: u16, outside: (u16, u16), state: &Path) -> Result<PathBuf, Failure> {
        let path = self.folder.join("config.capnp");
        std::fs::write(&path, self.config(port, outside, state)).map_err(file("writing", &path))?;
        Ok(path)
    }

    fn config(&self, port: u16, (api, kv): (u16, u16), state: &Path) -> String {
        let mut modules = String::new();
        for name in &self.modules {
            let kind = if name.ends_with(".wasm") { "wasm" } else { "esModule" };
            let _ = write!(modules, r#"(name = "{name}", {kind} = embed "{name}"), "#);
        }
        let takes_rules = !self.side.is_ours() && self.side != Side::Empty;
        if takes_rules && self.side != Side::Stock {
            modules.push_str(r#"(name = "rules.json", json = embed "rules.json"), "#);
        }
        let mut bindings = String::from(r#"(name = "STATE", kvNamespace = "kv"), "#);
        for (name, text) in TEXTS {
            let _ = write!(bindings, r#"(name = "{name}", text = "{text}"), "#);
        }
        if self.side == Side::Stock {
            bindings.push_str(r#"(name = "RULES_JSON", text = embed "rules.json"), "#);
        }
        let objects: &[&str] = match self.side {
            side if side.is_ours() => &["Ledger", "Rules"],
            Side::Empty => &[],
            _ => &["Ledger"],
        };
        let mut namespaces = String::new();
        for class in objects {
            let _ = write!(
                bindings,
                r#"(name = "{}", durableObjectNamespace = "{class}"), "#,
                class.to_uppercase()
            );
            let _ =
                write!(namespaces, r#"(className = "{class}", uniqueKey = "{class}", enableSql = true), "#);
        }
        format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "api", external = (address = "127.0.0.1:{api}", http = ())),
    (name = "kv", external = (address = "127.0.0.1:{kv}", http = ())),
    (name = "disk", disk = (path = "{}", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["global_fetch_strictly_public"],
  globalOutbound = "api",
  bindings = [{bindings}],
  durableObjectNamespaces = [{namespaces}],
  durableObjectStorage = (localDisk = "disk"),
);
"#,
            state.display()
        )
    }

    /// Bytes as they are uploaded, and gzipped.
    pub(super) fn size(&self) -> Result<(u64, u64), Failure> {
        size::in_folder(&self.folder).map(|upload| upload.totals())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_peers_take_their_rules_with_their_code() {
        let prepared = |side| Prepared {
            side,
            folder: PathBuf::new(),
            modules: vec!["index.js".to_owned(), "x.wasm".to_owned()],
        };
        let config = |side| prepared(side).config(1, (2, 3), Path::new("/state"));
        let ours = config(Side::Brevet);
        assert!(ours.contains(r#"esModule = embed "index.js""#) && ours.contains(r#"wasm = embed "x.wasm""#));
        assert!(ours.contains(r#"className = "Rules""#) && !ours.contains("rules.json"));
        assert!(config(Side::Hono).contains(r#"json = embed "rules.json""#));
        assert!(config(Side::Stock).contains(r#"text = embed "rules.json""#));
        assert!(!config(Side::Empty).contains("Ledger"));
    }

    #[test]
    fn a_folder_without_a_main_module_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(modules(folder.path()), Err(Failure::Form { .. })));
        for name in ["z.wasm", "index.js", "a.js", "index.js.map", "rules.json"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(modules(folder.path()).unwrap(), ["index.js", "a.js", "z.wasm"]);
    }
}
