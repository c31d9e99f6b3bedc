//! The stand-in as a program.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use fake_cloudflare::{
    APPS_ACCOUNT, BASE, Config, EXAMPLE_ZONE, Fake, MAIN_ACCOUNT, Owner, Parent, ServeError, TokenValue,
    USER, World, serve,
};
use tokio::signal::unix::{SignalKind, signal};

/// Exit status after a violation: something that must never leave Brevet arrived here.
const EXIT_VIOLATION: u8 = 3;
/// Exit status for arguments that are none.
const EXIT_USAGE: u8 = 2;

const HELP: &str = "\
A stand-in of Cloudflare's token API, in memory. The API is under /client/v4, the switches for
faults under /__admin (crates/fake-cloudflare/README.md shows each with one curl line).

Usage: fake-cloudflare [--port N] [--host IP] [--seed N] [--parent NAME=VALUE]...

  --port N              the port; 0, the default, is any free one
  --host IP             the address to listen on (127.0.0.1)
  --seed N              ids and values are made from it (0)
  --parent NAME=VALUE   a parent token's value. NAME is CLOUDFLARE_API_TOKEN (account main),
                        CLOUDFLARE_APPS_TOKEN (account apps) or CLOUDFLARE_USER_TOKEN (the user);
                        NAME@main, NAME@apps and NAME@user add one of any other name
  --forbid TEXT         a text that must never arrive (repeatable)
  --rate-limit N        calls per token in five minutes (1200); 0 = no limit
  --help                this text

The first line is `ready http://HOST:PORT`; then follow the accounts, the user, the zones and the
parent tokens. The program ends on SIGTERM or SIGINT, with status 3 if a Brevet secret, a JWT or
a forbidden text reached it.
";

/// Why the program does not start.
#[derive(Debug)]
enum Failure {
    UnknownFlag(String),
    NoValue(String),
    BadValue { flag: &'static str, wanted: &'static str },
    Runtime(io::Error),
    Serve(ServeError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlag(flag) => write!(f, "unknown argument {flag}; see --help"),
            Self::NoValue(flag) => write!(f, "{flag} needs a value; see --help"),
            Self::BadValue { flag, wanted } => write!(f, "{flag} must be {wanted}"),
            Self::Runtime(cause) => write!(f, "cannot start: {cause}"),
            Self::Serve(error) => write!(f, "{error}"),
        }
    }
}

struct Options {
    address: SocketAddr,
    config: Config,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return match io::stdout().write_all(HELP.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let done = parse(arguments).and_then(|options| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
        runtime.block_on(run(options))
    });
    match done {
        Ok(fake) if fake.violations().is_empty() => ExitCode::SUCCESS,
        Ok(fake) => {
            complain(&format!("{} violation(s): this run has failed", fake.violations().len()));
            ExitCode::from(EXIT_VIOLATION)
        }
        Err(failure @ (Failure::Runtime(_) | Failure::Serve(_))) => {
            complain(&failure.to_string());
            ExitCode::FAILURE
        }
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(EXIT_USAGE)
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program tells its user why it ends")]
fn complain(text: &str) {
    eprintln!("fake-cloudflare: {text}");
}

fn parse(arguments: Vec<String>) -> Result<Options, Failure> {
    let (mut host, mut port, mut seed) = (IpAddr::V4(Ipv4Addr::LOCALHOST), 0_u16, 0_u64);
    let (mut parents, mut forbidden, mut rate_limit) = (Vec::new(), Vec::new(), None);
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let (flag, joined) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let known = ["--host", "--port", "--seed", "--parent", "--forbid", "--rate-limit"];
        if !known.contains(&flag.as_str()) {
            return Err(Failure::UnknownFlag(flag));
        }
        let value = joined.or_else(|| rest.next()).ok_or_else(|| Failure::NoValue(flag.clone()))?;
        let bad = |flag, wanted| move |_| Failure::BadValue { flag, wanted };
        match flag.as_str() {
            "--host" => {
                host = value
                    .parse()
                    .map_err(|_| Failure::BadValue { flag: "--host", wanted: "an IP address" })?
            }
            "--port" => port = value.parse().map_err(bad("--port", "0 to 65535"))?,
            "--seed" => seed = value.parse().map_err(bad("--seed", "a whole number"))?,
            "--parent" => parents.push(value),
            "--forbid" => forbidden.push(value),
            _ => rate_limit = Some(value.parse().map_err(bad("--rate-limit", "a whole number"))?),
        }
    }
    let mut config = Config::seeded(seed);
    for parent in parents {
        add_parent(&mut config, &parent)?;
    }
    config.settings.forbidden = forbidden;
    config.settings.rate_limit = rate_limit.unwrap_or(config.settings.rate_limit);
    Ok(Options { address: SocketAddr::new(host, port), config })
}

/// Takes `NAME=VALUE` or `NAME@OWNER=VALUE`.
fn add_parent(config: &mut Config, text: &str) -> Result<(), Failure> {
    let bad = |wanted| Failure::BadValue { flag: "--parent", wanted };
    let (name, value) = text.split_once('=').ok_or_else(|| bad("NAME=VALUE"))?;
    let value = TokenValue::parse(value)
        .ok_or_else(|| bad("NAME=VALUE with a value of 40 characters, or cfat_ or cfut_ and 40 to 75"))?;
    if let Some(parent) = config.parents.iter_mut().find(|parent| parent.name == name) {
        parent.value = value;
        return Ok(());
    }
    let (name, owner) = match name.split_once('@') {
        Some((name, "main")) => (name, Owner::Account(MAIN_ACCOUNT.to_owned())),
        Some((name, "apps")) => (name, Owner::Account(APPS_ACCOUNT.to_owned())),
        Some((name, "user")) => (name, Owner::User(USER.to_owned())),
        _ => return Err(bad("one of the known names, or NAME@main, NAME@apps or NAME@user")),
    };
    config.parents.push(Parent { name: name.to_owned(), owner, value });
    Ok(())
}

async fn run(options: Options) -> Result<Fake, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let fake = Fake::new(options.config.clone());
    let served = serve(fake.clone(), options.address).await.map_err(Failure::Serve)?;
    let lines = greeting(served.address(), &options.config);
    let mut out = io::stdout();
    out.write_all(lines.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Runtime)?;
    served
        .run_until(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(fake)
}

fn greeting(address: SocketAddr, config: &Config) -> String {
    let world = World::example();
    let mut lines = vec![format!("ready http://{address}"), format!("api http://{address}{BASE}")];
    for account in world.accounts.iter().filter(|account| account.ours) {
        lines.push(format!("account {} {} family=account", account.id, account.name));
    }
    lines.push(format!("user {USER} family=user"));
    lines.push(format!("zone {EXAMPLE_ZONE} example.com account={MAIN_ACCOUNT}"));
    for zone in world.zones.iter().filter(|zone| zone.id != EXAMPLE_ZONE) {
        if world.account(&zone.account).is_some_and(|account| account.ours) {
            lines.push(format!("zone {} {} account={}", zone.id, zone.name, zone.account));
        }
    }
    for parent in &config.parents {
        lines.push(format!("{}={}", parent.name, parent.value.expose()));
    }
    lines.push(String::new());
    lines.join("\n")
}
