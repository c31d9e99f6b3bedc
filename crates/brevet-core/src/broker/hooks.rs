//! A webhook: find out who sent it, whether it is of now, and what it asks for; the ledger then finds out
//! whether it came before.

use std::rc::Rc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::broker::fault::Fault;
use crate::broker::in_force::{self, InForce};
use crate::broker::ports::{Ports, Visitor};
use crate::broker::refusals::home;
use crate::broker::session::Session;
use crate::cloudflare::TokenOwner;
use crate::hex;
use crate::hook::{self, Hook, MOST_SECRETS, Scheme, Signed, WINDOW, Wish};
use crate::id::LeaseId;
use crate::json::{read_value, words};
use crate::ledger::freeze::{Freeze, Selection};
use crate::ledger::receipt::{KNOWN, KNOWN_ANSWERED, Order, Receipt, Stage};
use crate::time::Seconds;

/// Why a freeze of a hook holds, for those who meet it.
const REASON: &str = "A signed webhook ordered it.";

/// The name of a secret that rules cannot name, and that nobody has.
const NO_SECRET: &str = "HOOK_";

/// A message whose signature and time are good.
#[derive(Debug)]
pub struct Heard {
    /// Its sender, under the rules by which it was read.
    pub session: Session,
    /// What it asks for.
    pub wish: Wish,
    /// The kind of event, cut.
    pub event: String,
    /// What it is known by when it comes again; nothing where nothing is to be done.
    pub key: String,
}

/// What became of a secret that a hook names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is there, and of its scheme's form.
    Ready,
    /// There is no Worker secret of this name.
    Missing,
    /// It is not of the form that its scheme wants, or too short.
    Unusable,
}

words!(KeyState { Ready = "ready", Missing = "missing", Unusable = "unusable" });

/// The secrets of a hook, and whether each can be used.
pub fn key_states<P: Ports>(ports: &P, hook: &Hook) -> Vec<KeyState> {
    let mut states = Vec::new();
    for name in &hook.secrets {
        states.push(match ports.hook_secret(name) {
            None => KeyState::Missing,
            Some(secret) if hook::key_of(hook.scheme, &secret).is_none() => KeyState::Unusable,
            Some(_) => KeyState::Ready,
        });
    }
    states
}

/// Hears a message. Nothing of the body is read before its signature is found good, and a name that there
/// is not costs the same work and gets the same answer as a wrong signature.
///
/// # Errors
/// [`Fault::Unsigned`], [`Fault::Stale`], [`Fault::Json`], [`Fault::Unfit`], [`Fault::NoRules`].
pub async fn hear<P: Ports>(
    ports: &P,
    visitor: &Visitor,
    name: &str,
    signed: &Signed<'_>,
    body: &[u8],
) -> Result<Heard, Fault> {
    let in_force = in_force::load(ports, visitor).await?;
    read(ports, in_force, name, signed, body)
}

fn read<P: Ports>(
    ports: &P,
    in_force: Rc<InForce>,
    name: &str,
    signed: &Signed<'_>,
    body: &[u8],
) -> Result<Heard, Fault> {
    let hook = in_force.policy.hook(name);
    let scheme = hook.map_or(Scheme::Github, |hook| hook.scheme);
    let mut keys: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for place in 0..MOST_SECRETS {
        // As many secrets are looked up for every name.
        let named = hook.and_then(|hook| hook.secrets.get(place));
        let secret = ports.hook_secret(named.map_or(NO_SECRET, String::as_str)).filter(|_| named.is_some());
        if let Some(key) = secret.and_then(|secret| hook::key_of(scheme, &secret)) {
            keys.push(key);
        }
    }
    let good = hook::is_signed(scheme, &keys, signed, body);
    let Some(hook) = hook.filter(|_| good) else { return Err(Fault::Unsigned) };
    if scheme == Scheme::StandardWebhooks {
        let off = ports.now().unix().saturating_sub(signed.timestamp.parse().unwrap_or(0));
        if off.saturating_abs() > i64::from(WINDOW.get()) {
            return Err(Fault::Stale(off));
        }
    }
    let value = read_value(body).map_err(Fault::Json)?;
    let event: String = hook.event(signed.hub_event, &value).chars().take(100).collect();
    let wish = hook.read(&event, &value).map_err(|unfit| Fault::Unfit(unfit.pointer))?;
    let known = match scheme {
        Scheme::StandardWebhooks => signed.id.as_bytes(),
        Scheme::Github => body,
    };
    let key = match wish {
        // Most messages of a repository are not concerned, and all of a body is hashed.
        Wish::Nothing(_) => String::new(),
        _ => known_as(name, scheme, known),
    };
    let session = Session::of_hook(in_force, name.to_owned());
    Ok(Heard { session, wish, event, key })
}

/// What a message is known by. A name has no space, so the two schemes never give the same text.
fn known_as(name: &str, scheme: Scheme, known: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update(" ");
    hash.update(scheme.as_str());
    hash.update(" ");
    hash.update(known);
    hex::encode(&<[u8; 32]>::from(hash.finalize()))
}

/// The receipt of a message, as it is written before anything is done, and the ledger that keeps it: that
/// of the first account. None where there is nothing to be done.
pub fn receipt_of<P: Ports>(ports: &P, heard: &Heard) -> Option<(TokenOwner, Box<Receipt>)> {
    let Heard { session, wish, event, key } = heard;
    let policy = &session.in_force.policy;
    let id = LeaseId::from_random(ports.random());
    let now = ports.now();
    let mut order = Order { receipt: id, freezes: Vec::new(), revoke: None, lift: Vec::new() };
    let mut what: Vec<String> = Vec::new();
    let mut say = |deed: &str, selection: &Selection| {
        what.push(format!("{deed} {} {}", selection.by.as_str(), selection.value).trim_end().to_owned());
    };
    match wish {
        Wish::Nothing(_) => return None,
        Wish::Stop { revoke, freezes, span } => {
            for selection in freezes {
                say("freeze", selection);
                order.freezes.push(freeze(ports, session, selection.clone(), *span));
            }
            if let Some(selection) = revoke {
                say("revoke", selection);
            }
            order.revoke.clone_from(revoke);
        }
        Wish::Lift(selections) => {
            selections.iter().for_each(|selection| say("unfreeze", selection));
            order.lift.clone_from(selections);
        }
        Wish::Reply(deed, _) => what.push(deed.as_str().to_owned()),
    }
    let answered = matches!(wish, Wish::Reply(..));
    let mut left = Vec::new();
    for account in policy.accounts().filter(|_| !answered) {
        left.push(account.owner().ledger_name());
    }
    let receipt = Receipt {
        id,
        seq: 0,
        key: key.clone(),
        hook: session.caller.label().to_owned(),
        event: event.clone(),
        at: now,
        until: now.plus(if answered { KNOWN_ANSWERED } else { KNOWN }),
        stage: if answered { Stage::Answered } else { Stage::Waiting },
        what: what.join(", "),
        rules_version: session.in_force.mark.version,
        order: (!answered).then(|| Box::new(order)),
        left,
        leases: 0,
        done_on: None,
    };
    home(&session.in_force).map(|ledger| (ledger, Box::new(receipt)))
}

fn freeze<P: Ports>(ports: &P, session: &Session, selection: Selection, span: Option<Seconds>) -> Freeze {
    let since = ports.now();
    Freeze {
        id: LeaseId::from_random(ports.random()),
        selection,
        reason: REASON.to_owned(),
        by: session.caller.owner(),
        since,
        until: span.map(|span| since.plus(span)),
    }
}
