//! What the rules would make of a workload, for operators who write them.
//!
//! A simulated workload is nobody: it is made here and does not leave, so nothing can be minted for it.

use super::{Ask, Caller, Denial, Grant, Policy, Workload};
use crate::json::{List, Object};
use crate::oidc::{Claim, Claims, IdentityError, IssuerSpec, UnverifiedJwt, VerifiedIdentity};
use crate::rules::document::Pattern;
use crate::time::Timestamp;

/// Whom to suppose.
#[derive(Debug)]
pub enum Simulated<'a> {
    /// The bearer of this token. Its signature is not looked at.
    Jwt(&'a UnverifiedJwt),
    /// Somebody with these claims.
    Claims(&'a Claims),
}

/// What the rules would make of it.
#[derive(Debug)]
pub struct Simulation {
    /// Who it would be, which grants it would have, and what each of the others wants otherwise.
    pub told: Object,
    /// The token that would come out of what was asked, or why none would.
    pub decided: Option<Result<Grant, Denial>>,
}

impl Policy {
    /// Supposes a workload of this issuer that asks for something, or for nothing.
    pub fn simulate(
        &self,
        issuer: &IssuerSpec,
        who: &Simulated<'_>,
        ask: Option<&Ask>,
        now: Timestamp,
    ) -> Simulation {
        let (claims, trouble) = match who {
            Simulated::Jwt(jwt) => (jwt.claimed(), jwt.trouble(issuer, now)),
            Simulated::Claims(claims) => {
                let misfit = claims.misfit(&issuer.pin);
                (*claims, misfit.map(|name| IdentityError::Pin(name.to_owned())))
            }
        };
        let workload = Workload::new(VerifiedIdentity::supposed(&issuer.name, claims.clone(), now));
        let mut told = Object::saying("issuer", &issuer.name);
        told.text("subject", workload.identity().subject())
            .text("owner", workload.owner())
            .put("run", &workload.run())
            .text("signature", "not checked")
            .put("refused", &trouble.as_ref().map(ToString::to_string));
        let caller = Caller::Workload(Box::new(workload.clone()));
        let mut matches = List::new();
        self.grants_of_workload(&workload).for_each(|grant| matches.push(&self.tell_grant(grant, &caller)));
        let mut misses = List::new();
        for miss in self.misses(&workload) {
            let mut entry = Object::saying("grant", miss.grant);
            entry
                .text("claim", miss.claim)
                .put("wanted", &miss.wanted.map(Pattern::shown))
                .put("found", &claims.get(miss.claim).map(Claim::shown));
            misses.push(&entry);
        }
        told.put("matches", &matches).put("misses", &misses);
        // Who is not let in is granted nothing.
        let ask = ask.filter(|_| trouble.is_none());
        Simulation { told, decided: ask.map(|ask| self.decide(&caller, ask, now)) }
    }
}
