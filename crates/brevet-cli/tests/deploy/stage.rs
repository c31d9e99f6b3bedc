//! One test's surroundings: a folder with the files of an installation, a wrangler that writes down what
//! it is called with, Cloudflare's API and a Worker, both on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fake_cloudflare::{BASE, Config, FOREIGN_ACCOUNT, Fake, Owner, Parent, TokenValue};
use tempfile::TempDir;

use crate::brevet::Brevet;
use crate::serving::Server;

/// The account of the test's rules. It is none of the example's: those are refused.
pub(crate) const ACCOUNT: &str = FOREIGN_ACCOUNT;
/// The title that the namespace gets.
pub(crate) const TITLE: &str = "brevet-state";
/// The id that the recording wrangler gives to a new namespace.
pub(crate) const NAMESPACE: &str = "0f2ac74b498b48028cb68387c421e279";
/// When the tests take place, in Unix seconds.
const NOW: i64 = 1_782_864_000;

/// One call of wrangler.
#[derive(Debug)]
pub(crate) struct Call {
    /// The arguments, with spaces between them.
    pub(crate) arguments: String,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// The folder that it ran in.
    pub(crate) folder: PathBuf,
    /// What it got on standard input.
    pub(crate) input: String,
}

/// How a run of `brevet` ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) cloudflare: Arc<Fake>,
    api: Server,
    pub(crate) brevet: Brevet,
    /// Live parent tokens by name: `account`, `apps` (of another account), `user`.
    parents: BTreeMap<&'static str, String>,
    /// What `brevet` gets as environment, besides PATH and where the servers are.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut config = Config::seeded(11);
        let live = |config: &Config, name| config.parent(name).unwrap().expose().to_owned();
        let mut parents = BTreeMap::new();
        parents.insert("apps", live(&config, "CLOUDFLARE_APPS_TOKEN"));
        parents.insert("user", live(&config, "CLOUDFLARE_USER_TOKEN"));
        let value = TokenValue::parse(&format!("cfat_{}", "Our1".repeat(12))).unwrap();
        parents.insert("account", value.expose().to_owned());
        config.parents.push(Parent {
            name: "OURS".to_owned(),
            owner: Owner::Account(ACCOUNT.to_owned()),
            value,
        });
        let cloudflare = Arc::new(Fake::new(config));
        let fake = Arc::clone(&cloudflare);
        let api = Server::start(move |request| fake.handle(request, NOW).reply.answer().map(bytes));

        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "state/calls", "state/namespaces", "state/secrets"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        executable(&folder.path().join("bin/wrangler"), include_str!("wrangler.sh"));
        let stage = Self {
            folder,
            cloudflare,
            api,
            brevet: Brevet::start(),
            environment: BTreeMap::from([("CLOUDFLARE_API_TOKEN".to_owned(), parents["account"].clone())]),
            parents,
        };
        stage.write("brevet.toml", &format!("{}{GRANT}", rules("account", ACCOUNT)));
        // The repository's own, with the route that every installation adds.
        let config = include_str!("../../../../wrangler.toml");
        stage.write(
            "wrangler.toml",
            &format!("routes = [{{ pattern = \"brevet.example.org\", custom_domain = true }}]\n{config}"),
        );
        stage
    }

    pub(crate) fn parent(&self, name: &str) -> &str {
        &self.parents[name]
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Runs `brevet deploy` with no terminal.
    pub(crate) fn deploy(&self, arguments: &[&str]) -> Run {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new(env!("CARGO_BIN_EXE_brevet"))
            .arg("deploy")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.folder.path())
            .env("BREVET_URL", self.brevet.origin())
            .env("CLOUDFLARE_API_BASE", format!("{}{BASE}", self.api.origin()))
            .envs(&self.environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Every call of wrangler since the last look, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(self.path("state/calls")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let calls = folders.iter().map(|folder| call(folder)).collect();
        for folder in folders {
            fs::remove_dir_all(folder).unwrap();
        }
        calls
    }

    /// The secrets of the Worker.
    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        self.entries("state/secrets")
    }

    /// The KV namespaces: id and title.
    pub(crate) fn namespaces(&self) -> BTreeMap<String, String> {
        self.entries("state/namespaces")
    }

    fn entries(&self, folder: &str) -> BTreeMap<String, String> {
        let entry = |entry: fs::DirEntry| {
            let text = fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text.trim_end().to_owned())
        };
        fs::read_dir(self.path(folder)).unwrap().map(|found| entry(found.unwrap())).collect()
    }

    /// Whether nothing was made, put, deployed or pushed.
    pub(crate) fn is_untouched(&self) -> bool {
        self.namespaces().is_empty()
            && self.secrets().is_empty()
            && !self.path("state/worker").exists()
            && !self.read("wrangler.toml").contains(NAMESPACE)
            && self.brevet.look(|seen| seen.requests.is_empty())
    }
}

fn call(folder: &Path) -> Call {
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Call {
        arguments: read("arguments").lines().collect::<Vec<_>>().join(" "),
        environment: read("environment").lines().filter_map(pair).collect(),
        folder: PathBuf::from(read("folder").trim_end()),
        input: read("input"),
    }
}

/// Rules with one account of this family and id, and nobody who may ask for its tokens.
pub(crate) fn rules(family: &str, id: &str) -> String {
    format!(
        "version = 1\n\n[brevet]\nurl = \"https://brevet.example.org\"\ninstall = \"prod\"\n\n\
         [account.ours]\nid = \"{id}\"\nfamily = \"{family}\"\nparent = \"CLOUDFLARE_API_TOKEN\"\n"
    )
}

/// What makes them whole: a zone, a client, and a grant to it.
const GRANT: &str = r#"
[zone]
"example.org" = { id = "a1b2c3d4e5f60718293a4b5c6d7e8f90", account = "ours" }

[client.purger]
secret_sha256 = ["5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]

[grant.purge]
from = { client = "purger" }
allow = [{ template = "cache-purge", zone = ["example.org"] }]
"#;

fn executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn bytes<B: AsRef<[u8]>>(answer: http::Response<B>) -> http::Response<Vec<u8>> {
    answer.map(|body| body.as_ref().to_vec())
}
