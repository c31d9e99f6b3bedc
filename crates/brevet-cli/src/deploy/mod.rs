//! `brevet deploy`: looks at everything, then does what is missing, in this order:
//!
//! 1. the files: rules, wrangler's configuration;
//! 2. wrangler: its version, its log-in, the account;
//! 3. what is there: KV namespaces, the Worker's secrets;
//! 4. a source for every secret, and Cloudflare's word on each parent token at hand;
//! 5. the KV namespace, and its id in wrangler's configuration;
//! 6. the secrets;
//! 7. the Worker;
//! 8. the rules.
//!
//! Up to step 4 nothing is changed. Every later step first sees what is done already, so that a run
//! that was stopped is gone on with by running it again.

mod account;
mod dry_run;
mod error;
mod parents;
mod secrets;
mod wrangler;
mod wrangler_config;
mod wrangler_output;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use brevet_core::rules::{self, Document};
use brevet_core::secret::Secret;
use cloudflare_tokens::ApiBase;

pub(crate) use error::DeployError;

use crate::arguments::DeployOptions;
use crate::config::{tell_findings, told};
use crate::credential::OPERATOR_SECRET;
use crate::failure::{Exit, Failure, api_base};
use crate::file;
use crate::origin::Origin;
use crate::rules_file::{self, Looked, RulesFile};
use crate::say;
use crate::worker::{InForce, Worker, WorkerError};
use parents::Checker;
use secrets::{Purpose, Source};
use wrangler::Wrangler;
use wrangler_config::{FOR_DEVELOPMENT, WranglerConfig};

/// How long between two looks at a Worker that was just deployed.
const PAUSE: Duration = Duration::from_secs(2);

/// What the files say.
struct Intent {
    rules: RulesFile,
    document: Document,
    config: WranglerConfig,
    origin: Origin,
    api: ApiBase,
    needed: Vec<(String, Purpose)>,
}

/// What is there, and what will be done.
struct Plan {
    wrangler: Wrangler,
    /// The namespace's id, where there is one already.
    namespace: Option<String>,
    sources: Vec<(String, Purpose, Source)>,
    pusher: Secret,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(url: Option<&str>, options: &DeployOptions) -> Result<Exit, Failure> {
    let intent = read(url, options)?;
    if options.dry_run {
        dry_run::print(&intent, options)?;
        return Ok(Exit::Done);
    }
    let plan = look(&intent, options)?;
    confirm(&intent, &plan, options)?;
    let mut done = Vec::new();
    let ended = carry_out(&intent, &plan, options, &mut done);
    if !done.is_empty() {
        say::note(if ended.is_ok() { "Done:" } else { "Done until then:" });
    }
    for line in done {
        say::note(&format!("  {line}"));
    }
    ended.map(|()| Exit::Done)
}

/// Steps 5 to 8. `done` gets a line for each thing that was done, also where a later one fails.
fn carry_out(
    intent: &Intent,
    plan: &Plan,
    options: &DeployOptions,
    done: &mut Vec<String>,
) -> Result<(), Failure> {
    done.push(put_namespace(intent, plan)?);
    put_secrets(plan, done)?;
    done.push(deploy(intent, plan)?);
    done.extend(push(intent, plan, options)?);
    Ok(())
}

/// Step 1.
fn read(url: Option<&str>, options: &DeployOptions) -> Result<Intent, Failure> {
    let looked = rules_file::look(&options.rules)?;
    looked.tell(&options.rules);
    let unfit = || DeployError::Rules(options.rules.clone());
    let rules = match looked {
        Looked::Read(file, findings) if !rules_file::has_errors(&findings) => file,
        _ => return Err(unfit().into()),
    };
    let document = rules::read(&rules.value).map_err(|_| unfit())?;
    // As warnings these were told above: right for development, wrong here.
    if rules::is_example(&document) || !rules::development_only(&document).is_empty() {
        return Err(DeployError::ForDevelopment(options.rules.clone()).into());
    }
    let meant = document.brevet.url.as_ref();
    let url = url.or(meant.map(|url| url.text.as_str())).ok_or(Failure::NoUrl)?;
    let origin: Origin = url.parse().map_err(Failure::Url)?;
    if let Some(meant) = meant.filter(|meant| meant.text != origin.to_string()) {
        say::note(&format!(
            "The rules say that this installation is {}; they will be pushed to {origin}, as --url or BREVET_URL says.",
            meant.text
        ));
    }
    let config = WranglerConfig::read(&options.config)?.map_err(DeployError::Config)?;
    let needed = secrets::needed(&document);
    let host = meant.map(|url| url.host.as_str()).unwrap_or_default();
    config.check(needed.iter().map(|(name, _)| name.as_str()), host).map_err(DeployError::Config)?;
    let api = api_base(env::var("CLOUDFLARE_API_BASE").ok().as_deref())?;
    Ok(Intent { rules, document, config, origin, api, needed })
}

fn wrangler_of(intent: &Intent) -> Wrangler {
    let parents = |purpose: &Purpose| matches!(purpose, Purpose::Parent | Purpose::Successor);
    let names = intent.needed.iter().filter(|(_, purpose)| parents(purpose)).map(|(name, _)| name.clone());
    Wrangler::find(&intent.config.path, names)
}

/// Steps 2 to 4.
fn look(intent: &Intent, options: &DeployOptions) -> Result<Plan, Failure> {
    let mut wrangler = wrangler_of(intent);
    let version = wrangler.version().map_err(DeployError::from)?;
    if wrangler.keeps_back_token() {
        say::note(&format!(
            "{} is a parent token by the rules, so wrangler does not get it.",
            wrangler::WRANGLERS_TOKEN
        ));
    }
    let who = wrangler.who_am_i().map_err(DeployError::from)?;
    let named = env::var(wrangler::ACCOUNT)
        .ok()
        .filter(|id| !id.is_empty())
        .or_else(|| intent.config.account.clone());
    let account = account::choose(named, &intent.document, &who.accounts).map_err(DeployError::Account)?;
    wrangler.choose(&account);
    say::note(&format!("wrangler {version}, logged in as {}; account {account}", who.name));

    let namespaces = wrangler.namespaces().map_err(DeployError::from)?;
    let namespace = match &intent.config.namespace {
        Some(id) if namespaces.iter().any(|namespace| namespace.id == *id) => Some(id.clone()),
        Some(id) => return Err(DeployError::NoSuchNamespace(intent.config.path.clone(), id.clone()).into()),
        None => {
            let title = intent.config.namespace_title();
            namespaces.into_iter().find(|namespace| namespace.title == title).map(|namespace| namespace.id)
        }
    };
    let present = wrangler.secrets().map_err(DeployError::from)?.unwrap_or_default();
    if let Some(name) = FOR_DEVELOPMENT.iter().find(|name| present.contains(**name)) {
        return Err(DeployError::DevelopmentSecret((*name).to_owned()).into());
    }
    let sources =
        secrets::sources(&intent.needed, &present, &options.replace).map_err(DeployError::Secrets)?;
    let pusher = secrets::pusher(&sources).map_err(DeployError::Secrets)?;
    check_parents(intent, &sources)?;
    Ok(Plan { wrangler, namespace, sources, pusher })
}

fn check_parents(intent: &Intent, sources: &[(String, Purpose, Source)]) -> Result<(), DeployError> {
    let checker = Checker::new(intent.api.clone());
    for (name, rule) in &intent.document.accounts {
        for secret in std::iter::once(&rule.parent).chain(&rule.parent_next) {
            let source = sources.iter().find(|(known, _, _)| known == secret).map(|(_, _, source)| source);
            let Some(value) = source.and_then(Source::value) else { continue };
            let failed = |why| DeployError::Parent { account: name.clone(), secret: secret.clone(), why };
            let verified = checker.check(rule.owner, value).map_err(failed)?;
            let end = match verified.expires_on {
                Some(end) => format!("until {end}"),
                None => "without end".to_owned(),
            };
            say::note(&format!("{secret}: Cloudflare takes it for account \"{name}\", {end}"));
        }
    }
    Ok(())
}

/// Says what will be changed, and on a terminal asks.
fn confirm(intent: &Intent, plan: &Plan, options: &DeployOptions) -> Result<(), Failure> {
    say::note("What will be done:");
    match (&plan.namespace, &intent.config.namespace) {
        (Some(_), Some(_)) => {}
        (Some(id), None) => {
            say::note(&format!("  write the id of KV namespace {id} into {}", intent.config.path.display()))
        }
        (None, _) => say::note(&format!(
            "  create the KV namespace \"{}\" and write its id into {}",
            intent.config.namespace_title(),
            intent.config.path.display()
        )),
    }
    for (name, purpose, source) in &plan.sources {
        match source {
            Source::Kept => {}
            Source::Environment(_) => say::note(&format!("  put the secret {name} <from the environment>")),
            Source::Asked(_) => say::note(&format!("  put the secret {name} <as typed>")),
            Source::Made(_) if *purpose == Purpose::Operator => {
                say::note(&format!("  put the secret {name} <made here, shown once>"));
            }
            Source::Made(_) => say::note(&format!("  put the secret {name} <made here>")),
            Source::Later => say::note(&format!("  (leave out {name}: the environment has none yet)")),
        }
    }
    say::note(&format!("  deploy the Worker \"{}\"", intent.config.name));
    say::note(&format!("  push {} to {}", intent.rules.path.display(), intent.origin));
    if options.yes || !io::stdin().is_terminal() {
        return Ok(());
    }
    let mut out = io::stderr().lock();
    let mut answer = String::new();
    write!(out, "Go on? [y/N] ")
        .and_then(|()| out.flush())
        .and_then(|()| io::stdin().read_line(&mut answer))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(DeployError::Declined.into()) }
}

/// Step 5.
fn put_namespace(intent: &Intent, plan: &Plan) -> Result<String, Failure> {
    let path = &intent.config.path;
    if let (Some(id), Some(_)) = (&plan.namespace, &intent.config.namespace) {
        return Ok(format!("KV namespace {id}: was there"));
    }
    let (id, what) = match &plan.namespace {
        Some(id) => (id.clone(), "was there"),
        None => {
            let title = intent.config.namespace_title();
            say::note(&format!("Creating the KV namespace \"{title}\" …"));
            (plan.wrangler.create_namespace(&title).map_err(DeployError::from)?, "created")
        }
    };
    let text = intent.config.with_namespace(&id);
    let text = text.ok_or_else(|| DeployError::NoBinding(path.clone()))?;
    file::replace(path, &text)?;
    Ok(format!("KV namespace {id}: {what}; its id is in {}", path.display()))
}

/// Step 6.
fn put_secrets(plan: &Plan, done: &mut Vec<String>) -> Result<(), Failure> {
    let mut kept = Vec::new();
    for (name, _, source) in &plan.sources {
        let Some(value) = source.value() else {
            if matches!(source, Source::Kept) {
                kept.push(name.as_str());
            }
            continue;
        };
        say::note(&format!("Putting the secret {name} …"));
        plan.wrangler.put_secret(name, value).map_err(DeployError::from)?;
        done.push(format!("secret {name}: put"));
        if name == OPERATOR_SECRET && matches!(source, Source::Made(_)) {
            // At once: if a later step fails, it is in the Worker and nowhere else.
            say::line(value.expose())?;
            say::note(&format!(
                "The line on standard output is the root operator's secret. It is shown this once: keep it as you keep the key of the house, and set {OPERATOR_SECRET} to it for later runs."
            ));
        }
    }
    if !kept.is_empty() {
        done.push(format!("secrets that were there: {} (--replace puts one again)", kept.join(", ")));
    }
    Ok(())
}

/// Step 7.
fn deploy(intent: &Intent, plan: &Plan) -> Result<String, Failure> {
    say::note(&format!("Deploying the Worker \"{}\" …", intent.config.name));
    plan.wrangler.deploy().map_err(DeployError::from)?;
    Ok(format!("Worker \"{}\": deployed", intent.config.name))
}

/// Step 8.
fn push(intent: &Intent, plan: &Plan, options: &DeployOptions) -> Result<Vec<String>, Failure> {
    let worker = Worker::new(intent.origin.clone(), plan.pusher.clone());
    say::note(&format!("Waiting for {} …", intent.origin));
    let put = |(_, purpose, source): &(_, Purpose, Source)| {
        *purpose == Purpose::Operator && source.value().is_some()
    };
    let present = settled(&worker, options.wait, plan.sources.iter().any(put))?;
    if present.rules.as_ref() == Some(&intent.rules.value) {
        return Ok(vec![format!("rules: version {} says the same and stays in force", present.version)]);
    }
    match worker.push(&intent.rules, present.version, options.removal) {
        Ok(pushed) => Ok(told(&pushed).into_iter().map(|line| format!("rules: {line}")).collect()),
        Err(error) => {
            tell_findings(&error, &intent.rules.path);
            Err(DeployError::Push(error).into())
        }
    }
}

/// Waits until the Worker answers as it should. Only when Brevet is there it is shown the secret.
fn settled(worker: &Worker, seconds: u16, new_secret: bool) -> Result<InForce, DeployError> {
    let begun = Instant::now();
    let limit = Duration::from_secs(seconds.into());
    loop {
        let last: WorkerError = match worker.health().and_then(|()| worker.in_force()) {
            Ok(present) => return Ok(present),
            Err(error) => error,
        };
        if !last.may_settle(new_secret) {
            return Err(DeployError::Push(last));
        }
        if begun.elapsed() >= limit {
            return Err(DeployError::NotSettled { seconds, last });
        }
        thread::sleep(PAUSE.min(limit));
    }
}
