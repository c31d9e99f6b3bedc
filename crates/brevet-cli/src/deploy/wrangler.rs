//! Runs wrangler, and reads what it answers.
//!
//! No secret is ever an argument: the command line of a running program is public on its machine.
//! Wrangler gets secrets through its standard input, and none of the parents through its environment.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use brevet_core::secret::Secret;
use serde_json::Value;

use super::wrangler_output::{id_in, json_in, words};

/// The longest wait for a command that only asks or changes one thing.
const SHORT: Duration = Duration::from_secs(120);

/// The longest wait for `wrangler deploy`, which builds the Worker first: minutes, from nothing.
const LONG: Duration = Duration::from_secs(30 * 60);

/// How often a command that runs is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How much of each of wrangler's outputs is kept. A list of a thousand namespaces has 150 kB.
const MOST_OUTPUT_BYTES: u64 = 4 * 1024 * 1024;

/// The oldest major version whose commands are these.
const OLDEST_MAJOR: u32 = 4;

/// The variable that wrangler logs in with.
pub(super) const WRANGLERS_TOKEN: &str = "CLOUDFLARE_API_TOKEN";

/// The variable that is passed on to wrangler under that name.
pub(super) const TOKEN_FOR_WRANGLER: &str = "WRANGLER_API_TOKEN";

/// The variable that tells wrangler which account is meant.
pub(super) const ACCOUNT: &str = "CLOUDFLARE_ACCOUNT_ID";

/// Brevet's variables that wrangler must not see. Others, such as those of the build, it needs.
const OURS: [&str; 3] = ["BREVET_OPERATOR_SECRET", "BREVET_PEPPER", TOKEN_FOR_WRANGLER];

#[cfg(windows)]
const PROGRAM: &str = "wrangler.cmd";
#[cfg(not(windows))]
const PROGRAM: &str = "wrangler";

/// A command of wrangler's, without the options that every one of them gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Version,
    WhoAmI,
    ListNamespaces,
    ListSecrets,
    CreateNamespace(String),
    PutSecret(String),
    Deploy,
}

impl Order {
    /// The arguments.
    pub(super) fn arguments(&self, config: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Version => return vec!["--version".to_owned()],
            Self::WhoAmI => &["whoami", "--json"],
            Self::ListNamespaces => &["kv", "namespace", "list"],
            Self::ListSecrets => &["secret", "list", "--format", "json"],
            Self::CreateNamespace(title) => &["kv", "namespace", "create", title],
            Self::PutSecret(name) => &["secret", "put", name],
            Self::Deploy => &["deploy"],
        };
        words.iter().copied().chain(["--config", config]).map(str::to_owned).collect()
    }

    fn limit(&self) -> Duration {
        if matches!(self, Self::Deploy) { LONG } else { SHORT }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => f.write_str("wrangler --version"),
            Self::WhoAmI => f.write_str("wrangler whoami"),
            Self::ListNamespaces => f.write_str("wrangler kv namespace list"),
            Self::ListSecrets => f.write_str("wrangler secret list"),
            Self::CreateNamespace(_) => f.write_str("wrangler kv namespace create"),
            Self::PutSecret(name) => write!(f, "wrangler secret put {name}"),
            Self::Deploy => f.write_str("wrangler deploy"),
        }
    }
}

/// What went wrong with wrangler.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WranglerError {
    /// It is not there.
    Missing,
    /// It cannot be started, or waited for.
    Start(ErrorKind),
    /// It is too old.
    TooOld(String),
    /// It is not logged in. The flag says that its own variable is the parent's and was kept from it.
    NotLoggedIn {
        /// Whether the variable was kept from it.
        kept_back: bool,
    },
    /// A command failed.
    Failed {
        /// Which.
        order: String,
        /// What it said.
        said: String,
    },
    /// A command did not end.
    TimedOut {
        /// Which.
        order: String,
    },
    /// A command's answer is not what it should be.
    Unreadable {
        /// Which.
        order: String,
    },
}

impl fmt::Display for WranglerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("wrangler is not there. Install it beside wrangler.toml (`npm ci` in the checkout, else `npm install wrangler`), or put it on PATH."),
            Self::Start(kind) => write!(f, "wrangler cannot be run: {kind}."),
            Self::TooOld(found) => write!(f, "wrangler is {found}, and {OLDEST_MAJOR} or later is needed. Update it with `npm install wrangler@{OLDEST_MAJOR}`."),
            Self::NotLoggedIn { kept_back: false } => f.write_str("wrangler is not logged in. Run `wrangler login`, or set CLOUDFLARE_API_TOKEN to a token that may deploy Workers."),
            Self::NotLoggedIn { kept_back: true } => write!(f, "wrangler is not logged in: {WRANGLERS_TOKEN} is a parent token by the rules and is not given to it. Run `wrangler login`, or set {TOKEN_FOR_WRANGLER} to a token that may deploy Workers."),
            Self::Failed { order, said } if said.is_empty() => write!(f, "`{order}` failed and said nothing. Run it by itself to see why, then run brevet deploy again."),
            Self::Failed { order, said } => write!(f, "`{order}` failed: {said}\n  next: mend that and run brevet deploy again; what is done already stays."),
            Self::TimedOut { order } => write!(f, "`{order}` did not end and was stopped. Run brevet deploy again; what is done already stays."),
            Self::Unreadable { order } => write!(f, "the answer of `{order}` cannot be read. Update wrangler (`npm install wrangler@{OLDEST_MAJOR}`) or this program."),
        }
    }
}

impl std::error::Error for WranglerError {}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WhoAmI {
    /// The e-mail address, or how wrangler is logged in.
    pub(super) name: String,
    /// The accounts that wrangler may work on: id and name.
    pub(super) accounts: Vec<(String, String)>,
}

/// A KV namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) id: String,
    pub(super) title: String,
}

struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

/// Wrangler, in the folder of its configuration.
#[derive(Debug)]
pub(super) struct Wrangler {
    program: PathBuf,
    folder: PathBuf,
    config: String,
    /// Variables that it must not see.
    hidden: BTreeSet<String>,
    /// The account that is meant.
    account: Option<String>,
    /// Folder of programs that comes first for it: wrangler's own Node.
    programs: Option<PathBuf>,
}

impl Wrangler {
    /// Wrangler for this configuration: the one installed beside it, else the one on PATH.
    pub(super) fn find(config: &Path, parents: impl IntoIterator<Item = String>) -> Self {
        let folder = match config.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let programs = folder.join("node_modules/.bin");
        let programs = std::path::absolute(&programs).unwrap_or(programs);
        let beside = programs.join(PROGRAM);
        let found = beside.is_file();
        let name = config.file_name().map(|name| name.to_string_lossy().into_owned());
        Self {
            program: if found { beside } else { PathBuf::from(PROGRAM) },
            folder,
            config: name.unwrap_or_default(),
            hidden: OURS.iter().map(|name| (*name).to_owned()).chain(parents).collect(),
            account: None,
            programs: found.then_some(programs),
        }
    }

    /// Names the account that is meant from here on.
    pub(super) fn choose(&mut self, account: &str) {
        self.account = Some(account.to_owned());
    }

    /// Whether wrangler's own variable is set, and kept from it because the rules name it as a parent.
    pub(super) fn keeps_back_token(&self) -> bool {
        self.hidden.contains(WRANGLERS_TOKEN)
            && env::var_os(WRANGLERS_TOKEN).is_some()
            && env::var_os(TOKEN_FOR_WRANGLER).is_none()
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = Command::new(&self.program);
        command.args(order.arguments(&self.config)).current_dir(&self.folder);
        for name in &self.hidden {
            command.env_remove(name);
        }
        if let Some(token) = env::var_os(TOKEN_FOR_WRANGLER) {
            command.env(WRANGLERS_TOKEN, token);
        }
        if let Some(account) = &self.account {
            command.env(ACCOUNT, account);
        }
        if let Some(programs) = &self.programs {
            let paths = env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(programs.clone()).chain(env::split_paths(&paths));
            command.env("PATH", env::join_paths(paths).unwrap_or_else(|_| OsString::from(programs)));
        }
        command.env("NO_COLOR", "1").env("FORCE_COLOR", "0");
        command
    }

    /// Runs a command to its end. `input` becomes its standard input; without one it has none, so that
    /// it never waits for an answer. With `shown` its output goes to standard error as it comes.
    fn run(&self, order: &Order, input: Option<&Secret>, shown: bool) -> Result<Ended, WranglerError> {
        let mut command = self.command(order);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        if shown {
            command.stdout(Stdio::from(std::io::stderr())).stderr(Stdio::inherit());
        } else {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => WranglerError::Missing,
            kind => WranglerError::Start(kind),
        })?;
        let out = child.stdout.take().map(drain);
        let err = child.stderr.take().map(drain);
        if let (Some(secret), Some(mut pipe)) = (input, child.stdin.take()) {
            // A program that ends without reading says why by its exit code.
            let _ = pipe.write_all(secret.expose().as_bytes());
        }
        let status = wait(&mut child, order)?;
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let (mut out, mut err) = (text(out), text(err));
        if let Some(secret) = input {
            // It should not say it; if it does, we do not say it on.
            out = out.replace(secret.expose(), "[redacted]");
            err = err.replace(secret.expose(), "[redacted]");
        }
        Ok(Ended { status, out, err })
    }

    /// Runs a command that must succeed, and gives its standard output.
    fn must(&self, order: &Order, input: Option<&Secret>, shown: bool) -> Result<String, WranglerError> {
        let ended = self.run(order, input, shown)?;
        if ended.status.success() {
            return Ok(ended.out);
        }
        let said = if shown { "see above.".to_owned() } else { words(&ended.out, &ended.err) };
        Err(WranglerError::Failed { order: order.to_string(), said })
    }

    /// Checks that it is there and not too old.
    pub(super) fn version(&self) -> Result<String, WranglerError> {
        let out = self.must(&Order::Version, None, false)?;
        let version = out.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let version = version.ok_or_else(|| unreadable(&Order::Version))?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(major) if major >= OLDEST_MAJOR => Ok(version.to_owned()),
            Some(_) => Err(WranglerError::TooOld(version.to_owned())),
            None => Err(unreadable(&Order::Version)),
        }
    }

    /// Asks who is logged in.
    pub(super) fn who_am_i(&self) -> Result<WhoAmI, WranglerError> {
        let order = Order::WhoAmI;
        let ended = self.run(&order, None, false)?;
        let answer = json_in(&ended.out);
        let logged_in = answer.as_ref().and_then(|answer| answer.get("loggedIn")).and_then(Value::as_bool);
        match (ended.status.success(), logged_in) {
            (true, Some(true)) => {}
            (_, Some(false)) => {
                return Err(WranglerError::NotLoggedIn { kept_back: self.keeps_back_token() });
            }
            (false, _) => {
                return Err(WranglerError::Failed {
                    order: order.to_string(),
                    said: words(&ended.out, &ended.err),
                });
            }
            (true, None) => return Err(unreadable(&order)),
        }
        let answer = answer.unwrap_or_default();
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text(&answer, "email").or_else(|| text(&answer, "authType")).unwrap_or_default();
        let accounts = answer.get("accounts").and_then(Value::as_array).ok_or_else(|| unreadable(&order))?;
        let account = |value: &Value| Some((text(value, "id")?, text(value, "name").unwrap_or_default()));
        Ok(WhoAmI { name, accounts: accounts.iter().filter_map(account).collect() })
    }

    /// The KV namespaces of the account.
    pub(super) fn namespaces(&self) -> Result<Vec<Namespace>, WranglerError> {
        let order = Order::ListNamespaces;
        let answer = json_in(&self.must(&order, None, false)?);
        let list = answer.as_ref().and_then(Value::as_array).ok_or_else(|| unreadable(&order))?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let namespace =
            |value: &Value| Some(Namespace { id: text(value, "id")?, title: text(value, "title")? });
        list.iter().map(namespace).collect::<Option<_>>().ok_or_else(|| unreadable(&order))
    }

    /// The names of the Worker's secrets; `None` where there is no Worker yet.
    pub(super) fn secrets(&self) -> Result<Option<BTreeSet<String>>, WranglerError> {
        let order = Order::ListSecrets;
        let ended = self.run(&order, None, false)?;
        if !ended.status.success() {
            let said = words(&ended.out, &ended.err);
            // In its own words, and in those of the API by which it knows.
            let absent =
                (said.contains("Worker \"") && said.contains("not found")) || said.contains("[code: 10007]");
            return if absent {
                Ok(None)
            } else {
                Err(WranglerError::Failed { order: order.to_string(), said })
            };
        }
        let answer = json_in(&ended.out);
        let list = answer.as_ref().and_then(Value::as_array).ok_or_else(|| unreadable(&order))?;
        let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
        list.iter().map(name).collect::<Option<_>>().map(Some).ok_or_else(|| unreadable(&order))
    }

    /// Makes a KV namespace and gives its id.
    pub(super) fn create_namespace(&self, title: &str) -> Result<String, WranglerError> {
        let order = Order::CreateNamespace(title.to_owned());
        let out = self.must(&order, None, false)?;
        if let Some(id) = id_in(&out) {
            return Ok(id);
        }
        let made = self.namespaces()?.into_iter().find(|namespace| namespace.title == title);
        made.map(|namespace| namespace.id).ok_or_else(|| unreadable(&order))
    }

    /// Puts a secret of the Worker. Where there is no Worker yet, wrangler makes an empty one.
    pub(super) fn put_secret(&self, name: &str, secret: &Secret) -> Result<(), WranglerError> {
        self.must(&Order::PutSecret(name.to_owned()), Some(secret), false).map(|_| ())
    }

    /// Builds and deploys the Worker.
    pub(super) fn deploy(&self) -> Result<(), WranglerError> {
        self.must(&Order::Deploy, None, true).map(|_| ())
    }
}

fn unreadable(order: &Order) -> WranglerError {
    WranglerError::Unreadable { order: order.to_string() }
}

/// Reads a pipe to its end and keeps the beginning.
fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = pipe.by_ref().take(MOST_OUTPUT_BYTES).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// Waits for the end, or ends it at its limit.
fn wait(child: &mut Child, order: &Order) -> Result<ExitStatus, WranglerError> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begun.elapsed() < order.limit() => thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(WranglerError::TimedOut { order: order.to_string() });
            }
            Err(error) => return Err(WranglerError::Start(error.kind())),
        }
    }
}
