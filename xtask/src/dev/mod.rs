//! `xtask dev`: a Worker to play with, with everything around it.

mod ask;
mod options;
mod real;
mod session;
mod vars;
mod walkthrough;

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fake;
use crate::flags::Flags;
use crate::place;
use crate::say;
use crate::setup::Workshop;
use crate::worker;
use ask::Ask;
use options::Options;
use session::{PARENTS, Running};
use vars::Vars;
use walkthrough::Walk;

/// The real API, for the walkthrough's own call; the Worker knows it by itself.
const REAL_API: &str = "https://api.cloudflare.com/client/v4";
/// The first answer needs the wasm compiled.
const FIRST_ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The `dev` task. It returns only when something ended that should not have.
///
/// # Errors
/// When the session cannot be started or one of its programs ends.
pub(crate) fn task(arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let options = Options::read(Flags::new("dev", arguments))?;
    let account = if options.real { Some(real::Account::find()?) } else { None };
    let port = session::choose_port(options.port)?;
    // Until this session ends, however it ends.
    let _held = options.state.as_deref().map(session::hold_state).transpose()?;
    let workshop = Workshop::open()?;
    say::progress("building the Worker (about 2 min the first time)");
    worker::build(&workshop)?;

    let mut programs: Vec<Running> = Vec::new();
    let mut vars = Vars::default();
    vars.set("BREVET_DEV", "1");
    let api = match (&options.upstream, &account) {
        (_, Some(account)) => {
            vars.set("CLOUDFLARE_API_TOKEN", account.token());
            REAL_API.to_owned()
        }
        (Some(upstream), None) => {
            if PARENTS.iter().any(|name| options.var(name).is_none()) {
                // The stand-in's own parents: they fit a stand-in that runs elsewhere with its default seed.
                let stand_in = session::start_stand_in(&workshop, &fake::build()?)?;
                set_parents(&mut vars, &stand_in.parents);
            }
            upstream.clone()
        }
        (None, None) => {
            let stand_in = session::start_stand_in(&workshop, &fake::build()?)?;
            set_parents(&mut vars, &stand_in.parents);
            programs.push(stand_in.running);
            stand_in.api
        }
    };
    if account.is_none() {
        vars.set("CLOUDFLARE_API_BASE", &api);
    }

    let folder = vars::private_folder()?;
    let state = options.state.as_deref().map(std::path::absolute).transpose().map_err(|source| {
        Failure::File { doing: "finding", path: options.state.clone().unwrap_or_default(), source }
    })?;
    let state = state.unwrap_or_else(|| folder.join("state"));
    place::make_folder(&state)?;
    vars.set("BREVET_PEPPER", &vars::kept_secret(&state, "pepper")?);
    let operator = match options.var("BREVET_OPERATOR_SECRET") {
        Some(secret) => secret.to_owned(),
        None => format!("brvo_{}", vars::kept_secret(&state, "operator")?),
    };
    vars.set("BREVET_OPERATOR_SECRET", &operator);
    for (name, value) in &options.vars {
        vars.set(name, value);
    }
    let url = start(&workshop, &options, &folder, &state, &vars, port, &mut programs)?;
    let params = match &account {
        Some(account) => {
            account.push_rules(&workshop, &url, &operator)?;
            json!({ "account": "main", "zone": "*" })
        }
        None => json!({ "account": "main", "zone": "example.com" }),
    };
    say::line(&format!("ready {url}"));

    let shown = options.var("BREVET_OPERATOR_SECRET").is_none().then_some(operator.as_str());
    let example = params.clone();
    if options.walkthrough {
        let walk = Walk { workshop: &workshop, worker: &url, api: &api, operator: &operator, params };
        if !answers(&workshop, &api) {
            say::progress(&format!(
                "the walkthrough is left out: nothing answers at {api}; start it or check the network, then start this again"
            ));
        } else if let Err(failure) = walk.run() {
            say::progress(&format!("the walkthrough stopped: {failure}"));
        }
    }
    go_on(&url, &api, shown, &example);
    Err(session::stay(&mut programs))
}

fn set_parents(vars: &mut Vars, parents: &Vars) {
    for name in PARENTS {
        if let Some(value) = parents.get(name) {
            vars.set(name, value);
        }
    }
}

/// Starts the Worker and gives its address when it answers.
fn start(
    workshop: &Workshop,
    options: &Options,
    folder: &Path,
    state: &Path,
    vars: &Vars,
    port: u16,
    programs: &mut Vec<Running>,
) -> Result<String, Failure> {
    let file = folder.join("dev.vars");
    vars.write(&file).inspect_err(|_| {
        // Nobody else will: the guard that does it is not there yet.
        let _removed = std::fs::remove_dir_all(folder);
    })?;
    let mut running = session::start_worker(workshop, port, &file, state, &[folder.to_path_buf()])?;
    session::wait_for_port(&mut running, port)?;
    let url = format!("http://127.0.0.1:{port}");
    let from = Instant::now();
    loop {
        let health =
            Ask { method: "GET", url: format!("{url}/healthz"), bearer: None, body: None, if_match: None }
                .send(workshop);
        match health {
            Ok(answer) if answer.status == 200 => break,
            _ if from.elapsed() < FIRST_ANSWER_LIMIT => running.still_there()?,
            Ok(answer) => {
                return Err(Failure::Step {
                    step: "GET /healthz".to_owned(),
                    seen: format!("{} {}", answer.status, answer.body),
                });
            }
            Err(failure) => return Err(failure),
        }
    }
    programs.push(running);
    if options.real {
        say::progress("the parent token is a real one: what you create here is created at Cloudflare");
    }
    Ok(url)
}

/// Whether the API answers at all, whatever it says: a Worker could only tell that its call was lost.
fn answers(workshop: &Workshop, api: &str) -> bool {
    let url = format!("{api}/user/tokens/verify");
    Ask { method: "GET", url, bearer: None, body: None, if_match: None }.send(workshop).is_ok()
}

/// What to try next. `operator` is a secret that was made here, so nobody has it yet.
fn go_on(url: &str, api: &str, operator: Option<&str>, params: &Value) {
    let auth = "-H \"Authorization: Bearer $BREVET_OPERATOR_SECRET\"";
    say::line("\nGo on with:");
    // In one line: what a guide's lines take from here is pasted at once.
    let addresses = format!("  export BREVET_URL={url} CLOUDFLARE_API={api}");
    match operator {
        Some(secret) => say::line(&format!("{addresses} BREVET_OPERATOR_SECRET={secret}")),
        None => say::line(&format!("{addresses}   # and BREVET_OPERATOR_SECRET, as you set it")),
    }
    for text in [
        format!("  curl -s $BREVET_URL/v1/templates {auth}"),
        format!(
            "  curl -s $BREVET_URL/v1/tokens {auth} -H 'Content-Type: application/json' -d '{}'",
            json!({ "template": "zone-read", "params": params, "ttl": "10m" })
        ),
        format!("  curl -s $BREVET_URL/v1/leases {auth}"),
        "  curl -s $CLOUDFLARE_API/zones -H \"Authorization: Bearer <the value>\"".to_owned(),
        "  cargo brevet --help".to_owned(),
        "Ctrl-C ends everything.".to_owned(),
    ] {
        say::line(&text);
    }
}
