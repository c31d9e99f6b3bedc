//! Workloads: callers that an issuer of the rules vouches for, and the grants that their claims give them.

use sha2::{Digest, Sha256};

use super::{Denial, GrantEntry, GrantIndex, Policy};
use crate::hex;
use crate::oidc::{Claim, Claims, VerifiedIdentity};
use crate::rules::document::Pattern;
use crate::sorted::in_order;

/// Events of GitHub whose jobs run with the rights of the base branch on input of strangers. Their subject looks
/// like that of the branch, so a grant is for them only where it names them.
const PRIVILEGED_EVENTS: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];

/// The claim that names GitHub's event.
const EVENT: &str = "event_name";

/// What the name of a claim ends with that is an id.
const ID: &str = "_id";

/// The most grants that the journal hears of beside one refusal: the nearest.
const MOST_EVIDENCE: usize = 8;

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

/// How a grant misses the claims of a workload: by its set that is nearest.
#[derive(Clone, Copy, Debug)]
pub struct Miss<'a> {
    /// The grant.
    pub grant: &'a str,
    /// The claim that is not the one it wants.
    pub claim: &'a str,
    /// What it wants; nothing where the claim is one that it must name to be for such a job.
    pub wanted: Option<&'a Pattern>,
    /// How many claims of the set fit.
    fitting: usize,
    /// Whether it is for workloads of this kind: its ids fit, or where it has none, any claim does.
    meant: bool,
}

impl GrantEntry {
    /// How this grant misses these claims; none where it takes them.
    pub(super) fn miss<'a>(&'a self, claims: &Claims) -> Option<Miss<'a>> {
        let privileged = PRIVILEGED_EVENTS.contains(&claims.text(EVENT).unwrap_or_default());
        let mut nearest: Option<Miss<'a>> = None;
        if self.when.is_empty() && privileged {
            return Some(Miss { grant: &self.name, claim: EVENT, wanted: None, fitting: 0, meant: true });
        }
        for set in &self.when {
            let mut miss = Miss { grant: &self.name, claim: EVENT, wanted: None, fitting: 0, meant: false };
            let mut misses = privileged && set.get(EVENT).is_none();
            let mut ids = (0_usize, 0_usize);
            for (name, pattern) in set {
                let fits = claims.fits(name, pattern);
                miss.fitting += usize::from(fits);
                if name.ends_with(ID) {
                    ids = (ids.0 + usize::from(fits), ids.1 + 1);
                }
                // Of several the first is told, and the rule's own before the one that every rule has.
                if !fits && miss.wanted.is_none() {
                    (misses, miss.claim, miss.wanted) = (true, name, Some(pattern));
                }
            }
            if !misses {
                return None;
            }
            miss.meant = if ids.1 > 0 { ids.0 == ids.1 } else { miss.fitting > 0 };
            let nearer = |than: &Miss<'_>| (miss.meant, miss.fitting) > (than.meant, than.fitting);
            if nearest.as_ref().is_none_or(nearer) {
                nearest = Some(miss);
            }
        }
        nearest
    }
}

impl Policy {
    fn grants_of_issuer(&self, issuer: &str) -> impl Iterator<Item = &GrantEntry> {
        let places = self.grants_of_issuers.get(issuer).map_or(&[][..], GrantIndex::all);
        places.iter().filter_map(|at| self.grants.get(*at))
    }

    /// The grants that a workload's claims give it, in byte order of their names.
    pub(super) fn grants_of_workload<'a>(
        &'a self,
        workload: &'a Workload,
    ) -> impl Iterator<Item = &'a GrantEntry> {
        let claims = workload.identity.claims();
        let index = self.grants_of_issuers.get(workload.identity.issuer());
        let places = index.map(|index| index.candidates(claims)).unwrap_or_default();
        let grants = places.into_iter().filter_map(|at| self.grants.get(at));
        grants.filter(|grant| grant.miss(claims).is_none())
    }

    /// The grants of its issuer that a workload does not have, the nearest first.
    pub fn misses<'a>(&'a self, workload: &'a Workload) -> Vec<Miss<'a>> {
        let claims = workload.identity.claims();
        let grants = self.grants_of_issuer(workload.identity.issuer());
        let misses = grants.filter_map(|grant| grant.miss(claims)).collect();
        in_order(misses, |one, other| (one.meant, one.fitting) > (other.meant, other.fitting))
    }

    /// Why a workload does not have the grant that it names, or any. Of the grant that it named it learns which of its own
    /// claims is wanted otherwise. Where it named none it learns that of a grant that is meant for its kind, one whose ids
    /// are the workload's: so nobody finds out by trying what there is for others. It learns no grant's name that it did not
    /// say, and never what is wanted.
    pub(super) fn no_such_grant(&self, workload: &Workload, name: Option<&str>) -> Denial {
        let misses = self.misses(workload);
        let told = |miss: &&Miss<'_>| name.map_or(miss.meant, |name| name == miss.grant);
        match (misses.iter().find(told), name) {
            (Some(miss), _) => Denial::ClaimMisfit {
                grant: name.map(str::to_owned),
                claim: miss.claim.to_owned(),
                found: workload.identity.claims().get(miss.claim).map(Claim::shown),
            },
            (None, Some(name)) => Denial::UnknownGrant { name: name.to_owned() },
            (None, None) => Denial::NoGrant,
        }
    }

    /// What the journal shall know of a workload that was refused, and its caller shall not: who it is, and which claim
    /// of which grant it misses.
    pub fn evidence(&self, workload: &Workload) -> String {
        let claims = workload.identity.claims();
        let mut text = format!("sub={}", Claim::Text(workload.identity.subject().to_owned()).shown());
        for name in WHO {
            if let Some(claim) = claims.get(name) {
                text.push_str(&format!(" {name}={}", claim.shown()));
            }
        }
        for miss in self.misses(workload).iter().take(MOST_EVIDENCE) {
            text.push_str(&format!("; {} misses {}", miss.grant, miss.claim));
        }
        text
    }
}
