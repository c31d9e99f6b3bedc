//! What a deployment sets outside the rules: Worker secrets and variables.

use brevet_core::broker::Settings;
use brevet_core::cloudflare::{Failure, FailureKind};
use brevet_core::ledger::name::Pepper;
use brevet_core::ledger::office::{SEGMENT_AFTER, SHORTEST_SEGMENT};
use brevet_core::secret::Secret;
use brevet_core::time::Seconds;

use crate::upstream::{Circuits, Secrets, Transport, Upstream, api_base};

/// The example of the documentation, as JSON, for development mode.
pub const EXAMPLE_RULES: &str = brevet_core::rules::example::RULES_JSON;

/// Whether development mode is on.
pub fn is_development(get: impl Fn(&str) -> Option<Secret>) -> bool {
    get("BREVET_DEV").is_some_and(|text| text.expose() == "1")
}

/// The settings of this deployment. `get` reads a secret or variable by its name.
pub fn settings(get: impl Fn(&str) -> Option<Secret>) -> Settings {
    let development = is_development(&get);
    let (pepper, pepper_problem) = match get("BREVET_PEPPER").as_ref().map(Pepper::read) {
        Some(Ok(pepper)) => (Some(pepper), None),
        Some(Err(error)) => (None, Some(format!("{error}."))),
        None => (None, Some("The Worker secret BREVET_PEPPER is missing.".to_owned())),
    };
    Settings { development, root: get("BREVET_OPERATOR_SECRET"), pepper, pepper_problem }
}

/// How old an entry of the journal gets before it is copied to KV: `BREVET_JOURNAL_SECONDS`, at least
/// [`SHORTEST_SEGMENT`]; what is no number counts as not set.
pub fn segment_after(get: impl Fn(&str) -> Option<Secret>) -> Seconds {
    let set = get("BREVET_JOURNAL_SECONDS").and_then(|text| text.expose().trim().parse::<u32>().ok());
    set.map_or(SEGMENT_AFTER, |seconds| Seconds::of(seconds.max(SHORTEST_SEGMENT.get())))
}

/// Cloudflare's API, as this deployment reaches it.
///
/// # Errors
/// Where `CLOUDFLARE_API_BASE` names an API that may not be used.
pub fn cloud<T: Transport, S: Secrets + Clone>(
    secrets: &S,
    development: bool,
    transport: T,
    circuits: Circuits,
) -> Result<Upstream<T, S>, Failure> {
    let wanted = secrets.secret("CLOUDFLARE_API_BASE");
    let base = api_base(wanted.as_ref().map(Secret::expose), development).map_err(|refusal| {
        Failure::new(
            FailureKind::WrongEndpoint,
            format!("The variable CLOUDFLARE_API_BASE cannot be used: {refusal}."),
            "Remove the variable, or set it to Cloudflare's API.".to_owned(),
        )
    })?;
    Ok(Upstream::new(base, transport, secrets.clone(), circuits))
}

/// Cloudflare's API behind the runtime's `fetch`.
#[cfg(target_arch = "wasm32")]
pub(crate) type Cloud = Upstream<crate::adapters::Fetch, crate::adapters::EnvSecrets>;
