//! `brevet deploy --dry-run`: every command and request in its order, and none of them run.

use super::Intent;
use super::parents::requests;
use super::secrets::Purpose;
use super::wrangler::Order;
use super::wrangler_config::STATE;
use crate::arguments::DeployOptions;
use crate::failure::Failure;
use crate::say;

/// Quotes a word as a shell needs it.
fn word(text: &str) -> String {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'=' | b':' | b',')
    };
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Prints it on standard output.
///
/// # Errors
/// Where standard output cannot be written.
pub(super) fn print(intent: &Intent, options: &DeployOptions) -> Result<(), Failure> {
    let config = intent.config.path.display().to_string();
    let order = |order: &Order| {
        let words: Vec<String> = order.arguments(&config).iter().map(|argument| word(argument)).collect();
        format!("wrangler {}", words.join(" "))
    };
    let mut lines = vec![
        "# Nothing of this was run. Who deploys, and where:".to_owned(),
        order(&Order::Version),
        order(&Order::WhoAmI),
        "# What is there:".to_owned(),
        order(&Order::ListNamespaces),
        order(&Order::ListSecrets),
        "# Whether Cloudflare takes the parent tokens that the Worker does not have yet:".to_owned(),
    ];
    for (name, rule) in &intent.document.accounts {
        for secret in std::iter::once(&rule.parent).chain(&rule.parent_next) {
            lines.extend(requests(rule.owner).iter().map(|path| {
                format!(
                    "GET {}{path}   # account \"{name}\", Authorization: Bearer <from {secret}>",
                    intent.api.as_str()
                )
            }));
        }
    }
    match &intent.config.namespace {
        Some(id) => lines.push(format!("# KV namespace {id} is in {config}; nothing to create.")),
        None => {
            let title = intent.config.namespace_title();
            lines.push("# Unless there is one of this title:".to_owned());
            lines.push(order(&Order::CreateNamespace(title)));
            lines.push(format!("# Write its id to the binding {STATE} in {config}."));
        }
    }
    lines.push("# Those that the Worker does not have yet, through standard input:".to_owned());
    for (name, purpose) in &intent.needed {
        let replaced = if options.replace.contains(name) { "replaced; " } else { "" };
        let from = match purpose {
            Purpose::Pepper => format!("from {name}, else made here"),
            Purpose::Operator if !replaced.is_empty() => "made here, shown once".to_owned(),
            Purpose::Operator => format!("from {name}, else made here and shown once"),
            Purpose::Parent => format!("from {name}, else asked for"),
            Purpose::Successor | Purpose::Hook => format!("from {name}, else left out"),
        };
        lines.push(format!("{} < <{replaced}{from}>", order(&Order::PutSecret(name.clone()))));
    }
    lines.push("# The Worker:".to_owned());
    lines.push(order(&Order::Deploy));
    lines.push("# The rules, unless those in force say the same:".to_owned());
    let origin = &intent.origin;
    lines.push(format!("GET {origin}/healthz"));
    lines.push(format!("GET {origin}/v1/config   # Authorization: Bearer <the operator's secret>"));
    let query = match (options.removal.revoke, options.removal.keep) {
        (true, _) => "?revoke=true",
        (_, true) => "?keep=true",
        _ => "",
    };
    lines.push(format!(
        "PUT {origin}/v1/config{query}   # If-Match: <the version in force>, body: {}",
        intent.rules.path.display()
    ));
    for line in lines {
        say::line(&line)?;
    }
    Ok(())
}
