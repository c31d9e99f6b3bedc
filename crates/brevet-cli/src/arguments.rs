//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What `--help` says last, everywhere.
const AFTER_HELP: &str = "\
Environment:
  BREVET_URL               where Brevet is reached, if --url is not given
  BREVET_PEPPER            the pepper or peppers, for `audit verify` alone
  BREVET_OPERATOR_SECRET   the operator's secret; there is no flag for it, because everybody on the
                           machine can read the command line of a running program

Exit codes:
  0  done
  1  the answer is no: findings, a difference, a refusal by Brevet or Cloudflare
  2  the call was wrong: arguments, environment, a file that cannot be read
  3  something outside failed: the network, an answer that makes no sense, wrangler";

/// Brevet's program for operators: makes credentials, lints and pushes the rules, deploys.
#[derive(Debug, Parser)]
#[command(name = "brevet", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// Where Brevet is reached, like https://brevet.example.com; plain http on loopback only.
    #[arg(long, global = true, env = "BREVET_URL", value_name = "URL")]
    pub(crate) url: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The secrets of clients: programs that ask Brevet for tokens.
    Client {
        #[command(subcommand)]
        command: HolderCommand,
    },
    /// The secrets of operators: people who run Brevet.
    Operator {
        #[command(subcommand)]
        command: HolderCommand,
    },
    /// The rules: look them over, put them in force, compare them.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// The journal: take it out, and check that nothing in it was altered.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Show what the rules in force would make of a workload: which grants it has, what each of the others
    /// wants otherwise, and the token that would come out. Nothing is made. Exit code 1 where it has none.
    Simulate(SimulateOptions),
    /// The books of an account.
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Deploy Brevet: KV namespace, secrets, Worker, rules. Running it again changes nothing needlessly.
    Deploy(DeployOptions),
}

#[derive(Debug, Subcommand)]
pub(crate) enum HolderCommand {
    /// Make the first secret. It is printed once, on standard output; the rules hold its SHA-256 only.
    New(HolderOptions),
    /// Make a further secret, so that the old one can be taken out when nobody uses it any more.
    Rotate(HolderOptions),
}

#[derive(Debug, Args)]
pub(crate) struct HolderOptions {
    /// The name in the rules: 1 to 64 of a-z, 0-9 and -.
    pub(crate) name: String,

    /// The rules file: `rotate` looks there how many digests the name has, and with --write both edit it.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Add the digest to --file in place; comments and layout stay.
    #[arg(long, requires = "file")]
    pub(crate) write: bool,

    /// Print one JSON object, {"name", "secret", "secret_sha256"}, instead of the bare secret.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a rules file, without network: file:line:column, what is wrong, what to do.
    Lint(FileOptions),
    /// Check a rules file and put it in force.
    Push(PushOptions),
    /// Show what a push would change. Exit code 1 where something would.
    Diff(FileOptions),
    /// List the versions of the rules that Brevet keeps, newest first.
    History {
        /// Print Brevet's answer as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Write an account's journal to standard output: a JSON object per line, the oldest entry first.
    Export {
        /// The account, by its name in the rules. Needed where they have several: each has its own journal.
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Check an export or the journal's lines of the Worker's log, without network. Needs BREVET_PEPPER in
    /// the environment. Names the first entry that was altered, is missing or was cut off; exit code 1 then.
    Verify {
        /// The file; - is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// The last entry that there must be, as the log line of a segment (journal_segment) tells it: a cut
        /// at the end shows by nothing else.
        #[arg(long, value_name = "SEQ:MAC")]
        head: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Make a lost book anew: from the tokens at Cloudflare that carry this installation's name, and the
    /// journal in KV, which says whose they are. What is in the book stays. Running it again does no harm.
    Rebuild {
        /// The account, by its name in the rules.
        #[arg(long, value_name = "NAME")]
        account: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    /// A file with the workload's identity token; - is standard input. Its signature is not checked.
    #[arg(long, value_name = "FILE", required_unless_present = "claims", conflicts_with = "claims")]
    pub(crate) jwt: Option<PathBuf>,

    /// A file with the workload's claims, a JSON object; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,

    /// The issuer, by its name in the rules; needed for claims without iss where the rules have several.
    #[arg(long, value_name = "NAME")]
    pub(crate) issuer: Option<String>,

    /// The template that the workload would ask for; without it no token is decided.
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,

    /// A parameter of the template, like zone=example.com. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", requires = "template")]
    pub(crate) param: Vec<String>,

    /// The grant that the workload would name.
    #[arg(long, value_name = "NAME", requires = "template")]
    pub(crate) grant: Option<String>,

    /// The lifetime that it would ask for, like 15m.
    #[arg(long, value_name = "DURATION", requires = "template")]
    pub(crate) ttl: Option<String>,

    /// Print Brevet's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FileOptions {
    /// The rules file.
    #[arg(default_value = "brevet.toml", value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PushOptions {
    #[command(flatten)]
    pub(crate) file: FileOptions,

    #[command(flatten)]
    pub(crate) removal: RemovalOptions,

    /// Push only if this version is in force (0: none yet); guards against undoing a colleague's push.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<u64>,
}

/// What happens to live leases that rest on what a push removes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RemovalOptions {
    /// End the live leases of clients and grants that the push removes.
    #[arg(long, conflicts_with = "keep")]
    pub(crate) revoke: bool,

    /// Let the live leases of clients and grants that the push removes run out.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = DEPLOY_HELP)]
pub(crate) struct DeployOptions {
    /// Print every command and request in its order, and run none.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Wrangler's configuration.
    #[arg(long, default_value = "wrangler.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,

    /// The rules file.
    #[arg(long, default_value = "brevet.toml", value_name = "FILE")]
    pub(crate) rules: PathBuf,

    /// Put this secret again though the Worker has it: a parent's from the environment, Brevet's own made
    /// anew. May be given several times.
    #[arg(long, value_name = "SECRET")]
    pub(crate) replace: Vec<String>,

    #[command(flatten)]
    pub(crate) removal: RemovalOptions,

    /// How many seconds to wait for the deployed Worker to answer at its URL.
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=900))]
    pub(crate) wait: u16,

    /// Do not ask before the first change.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// More about `deploy`.
const DEPLOY_HELP: &str = "\
Before anything is changed, deploy looks at everything: the rules, wrangler's configuration and log-in, what
the Worker has already, and whether Cloudflare takes each parent token. The first thing that is not as it
should be stops it with one sentence; run it again when that is mended, it goes on from there.

Parent tokens come from environment variables of the names that the rules give them (`parent`,
`parent_next`), or are asked for on a terminal. Wrangler does not get these variables. Since
CLOUDFLARE_API_TOKEN is also wrangler's own: where the rules name it, wrangler logs in by `wrangler login`, or
with the token in WRANGLER_API_TOKEN, which deploy passes on to it.

BREVET_PEPPER and BREVET_OPERATOR_SECRET are made where the Worker has none. The operator's secret is then
printed once, on standard output; keep it, later runs need it in the environment.

CLOUDFLARE_API_BASE names another API to check the parents at, on loopback only: for tests.

Exit codes:
  0  done
  1  the answer is no: findings, a refusal by Brevet or Cloudflare, no permission to go on
  2  the call was wrong: arguments, environment, a file that cannot be used
  3  something outside failed: the network, an answer that makes no sense, wrangler";
