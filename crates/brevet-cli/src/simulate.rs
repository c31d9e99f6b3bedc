//! `simulate`: what the rules in force would make of a workload.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::arguments::SimulateOptions;
use crate::config;
use crate::failure::{Exit, Failure};
use crate::file;
use crate::say;

/// The most bytes of a token or of claims: Brevet takes bodies of 64 kB.
const MOST_BYTES: usize = 60 * 1024;

/// # Errors
/// [`Failure`].
pub(crate) fn run(url: Option<&str>, options: &SimulateOptions) -> Result<Exit, Failure> {
    let answer = config::worker(url)?.simulate(&question(options)?)?;
    let answer = Value::Object(answer);
    if options.json {
        say::line(&answer.to_string())?;
    } else {
        tell(&answer)?;
    }
    let refused = answer.get("refused").is_some_and(|why| !why.is_null());
    let matches = answer.get("matches").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let decided = options.template.is_none() || answer.get("plan").is_some();
    Ok(if matches && decided && !refused { Exit::Done } else { Exit::No })
}

fn question(options: &SimulateOptions) -> Result<Value, Failure> {
    let mut asked = Map::new();
    if let Some(path) = &options.jwt {
        asked.insert("jwt".to_owned(), read(path)?.trim().into());
    }
    if let Some(path) = &options.claims {
        let claims: Option<Value> = serde_json::from_str(&read(path)?).ok().filter(Value::is_object);
        asked.insert("claims".to_owned(), claims.ok_or_else(|| Failure::Claims(path.clone()))?);
    }
    let texts = [
        ("issuer", &options.issuer),
        ("template", &options.template),
        ("grant", &options.grant),
        ("ttl", &options.ttl),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            asked.insert(name.to_owned(), value.as_str().into());
        }
    }
    let mut params: Map<String, Value> = Map::new();
    for param in &options.param {
        let pair = param.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
        let (name, value) = pair.ok_or_else(|| Failure::Parameter(param.clone()))?;
        if let Value::Array(values) = params.entry(name).or_insert_with(|| json!([])) {
            values.push(value.into());
        }
    }
    if !params.is_empty() {
        asked.insert("params".to_owned(), params.into());
    }
    Ok(asked.into())
}

fn read(path: &Path) -> Result<String, Failure> {
    let stdin = PathBuf::from("/dev/stdin");
    let path = if path == Path::new("-") { &stdin } else { path };
    Ok(file::read(path, MOST_BYTES)?)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn tell(answer: &Value) -> Result<(), Failure> {
    say::line(&format!("{} of issuer {}", text(answer, "subject"), text(answer, "issuer")))?;
    say::line(&format!("  its leases would be {}'s", text(answer, "owner")))?;
    if let Some(why) = answer.get("refused").and_then(Value::as_str) {
        say::line(&format!("refused: {why}"))?;
    }
    for grant in list(answer, "matches") {
        let templates: Vec<&str> = list(grant, "allow").iter().map(|line| text(line, "template")).collect();
        let mode = if text(grant, "mode") == "audit" { " (audit: allows nothing)" } else { "" };
        say::line(&format!("matches {}{mode}: {}", text(grant, "name"), templates.join(", ")))?;
    }
    for miss in list(answer, "misses") {
        let found = match text(miss, "found") {
            "-" => "there is none".to_owned(),
            found => format!("it is {found:?}"),
        };
        let wanted = match text(miss, "wanted") {
            "-" => "the grant must name it for such a job".to_owned(),
            wanted => format!("wanted is {wanted:?}"),
        };
        say::line(&format!("misses {} by {}: {wanted}, {found}", text(miss, "grant"), text(miss, "claim")))?;
    }
    if let Some(denied) = answer.get("denied") {
        say::line(&format!("denied: {} {}", text(denied, "detail"), text(denied, "hint")))?;
    }
    if let Some(plan) = answer.get("plan") {
        say::line(&format!(
            "a token by grant {} until {}: {}",
            text(plan, "grant"),
            text(plan, "expires_on"),
            plan.get("may").unwrap_or(&Value::Null)
        ))?;
    }
    Ok(())
}
