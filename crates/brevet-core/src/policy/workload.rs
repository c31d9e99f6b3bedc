//! Workloads: callers that an issuer of the rules vouches for, and the grants that their claims give them.

use sha2::{Digest, Sha256};

use super::{Denial, GrantEntry, Policy};
use crate::hex;
use crate::oidc::{Claims, VerifiedIdentity};

/// Events of GitHub whose jobs run with the rights of the base branch on input of strangers. Their subject looks
/// like that of the branch, so a grant is for them only where it names them.
const PRIVILEGED_EVENTS: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];

/// The claim that names GitHub's event.
const EVENT: &str = "event_name";

/// What tells one job from another, whatever a rule looks at: a job of another branch, environment or run is
/// another owner. Claims that an issuer does not write count as absent.
const WHO: [&str; 16] = [
    "repository_id",
    "ref",
    "ref_type",
    "environment",
    "event_name",
    "workflow_ref",
    "job_workflow_ref",
    "run_id",
    "run_attempt",
    "project_id",
    "namespace_id",
    "pipeline_id",
    "pipeline_source",
    "ref_protected",
    "job_id",
    "common_name",
];

/// A workload whose identity was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    identity: VerifiedIdentity,
    owner: String,
}

impl Workload {
    /// The workload of an identity.
    pub fn new(identity: VerifiedIdentity) -> Self {
        let claims = identity.claims();
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(text);
        };
        add(identity.subject());
        for name in WHO {
            add(name);
            // Absent and empty are not the same.
            add(&claims.text(name).map_or_else(|| "-".to_owned(), |text| format!("+{text}")));
        }
        let digest: [u8; 32] = hash.finalize().into();
        let digest = hex::encode(&digest);
        let place = claims.text("repository_id").or_else(|| claims.text("project_id")).unwrap_or("-");
        let owner = format!("oidc:{}:{place}:{}", identity.issuer(), digest.get(..32).unwrap_or_default());
        Self { identity, owner }
    }

    /// Whose its leases are: `oidc:<issuer>:<repository or project>:<digest of what tells jobs apart>`.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// What was verified.
    pub fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// The run it is a job of.
    pub fn run(&self) -> Option<&str> {
        let claims = self.identity.claims();
        claims.text("run_id").or_else(|| claims.text("pipeline_id"))
    }
}

impl GrantEntry {
    /// Whether these claims are those of the grant; else the claim of the nearest set that is not.
    pub(super) fn takes(&self, claims: &Claims) -> Result<(), String> {
        let event = claims.text(EVENT).unwrap_or_default();
        let privileged = PRIVILEGED_EVENTS.contains(&event);
        if self.when.is_empty() {
            return if privileged { Err(EVENT.to_owned()) } else { Ok(()) };
        }
        let mut nearest: Option<(usize, &str)> = None;
        for set in &self.when {
            let misfit = claims.misfit(set).or((privileged && set.get(EVENT).is_none()).then_some(EVENT));
            let Some(misfit) = misfit else { return Ok(()) };
            let fitting = set
                .iter()
                .filter(|(name, pattern)| claims.get(name.as_str()).is_some_and(|claim| claim.fits(pattern)));
            let count = fitting.count();
            if nearest.is_none_or(|(best, _)| count > best) {
                nearest = Some((count, misfit));
            }
        }
        Err(nearest.map(|(_, name)| name.to_owned()).unwrap_or_default())
    }
}

impl Policy {
    fn grants_of_issuer(&self, issuer: &str) -> impl Iterator<Item = &GrantEntry> {
        let places = self.grants_of_issuers.get(issuer).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|at| self.grants.get(*at))
    }

    /// The grants that a workload's claims give it, in byte order of their names.
    pub(super) fn grants_of_workload<'a>(
        &'a self,
        workload: &'a Workload,
    ) -> impl Iterator<Item = &'a GrantEntry> {
        let claims = workload.identity.claims();
        self.grants_of_issuer(workload.identity.issuer()).filter(|grant| grant.takes(claims).is_ok())
    }

    /// Why a workload does not have the grant that it names. Of a grant of its own issuer it learns which of its
    /// claims does not fit; it named the grant, and the claims are its own.
    pub(super) fn no_such_grant(&self, workload: &Workload, name: &str) -> Denial {
        let claims = workload.identity.claims();
        let named = self.grants_of_issuer(workload.identity.issuer()).find(|grant| grant.name == name);
        match named.map(|grant| grant.takes(claims)) {
            Some(Err(claim)) => Denial::ClaimMisfit { grant: name.to_owned(), claim },
            _ => Denial::UnknownGrant { name: name.to_owned() },
        }
    }
}
