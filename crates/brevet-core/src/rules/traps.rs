//! Sets of claims that take more, or less, than they seem to.

use super::document::Pattern;
use super::finding::Problem;
use crate::sorted::SortedMap;

/// What is odd about a set of claims. Each is an attack that was seen, or a rule that fits nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It names an event whose jobs run with the base branch's rights on a stranger's input.
    PrivilegedEvent,
    /// Any branch and any pull request of the repository fits.
    AnyBranch,
    /// It goes by the subject, whose form the repository's owner can change.
    Subject,
    /// A workflow's name without the ref that it comes from, or with a pattern for it.
    Workflow,
    /// A branch's name of GitLab, which a tag can have too.
    AnyRefType,
}

/// The events of GitHub that run so.
const PRIVILEGED: [&str; 3] = ["pull_request_target", "workflow_run", "issue_comment"];

/// What is odd about a set.
pub(super) fn of(set: &SortedMap<String, Pattern>) -> Vec<Problem> {
    let mut traps = Vec::new();
    let has = |names: &[&str]| names.iter().any(|name| set.get(*name).is_some());
    if let Some(event) = set.get("event_name")
        && PRIVILEGED.iter().any(|name| event.takes(name))
    {
        traps.push(Trap::PrivilegedEvent);
    }
    let github = has(&["repository_id", "repository_owner_id"]);
    if github
        && !has(&[
            "ref",
            "environment",
            "job_workflow_ref",
            "job_workflow_sha",
            "workflow_ref",
            "workflow_sha",
            "sub",
        ])
    {
        traps.push(Trap::AnyBranch);
    }
    if has(&["sub"]) {
        traps.push(Trap::Subject);
    }
    for name in ["job_workflow_ref", "workflow_ref"] {
        match set.get(name) {
            Some(Pattern::Exactly(text)) if text.contains('@') => {}
            None => {}
            Some(_) => traps.push(Trap::Workflow),
        }
    }
    if has(&["project_id", "namespace_id"])
        && has(&["ref"])
        && !has(&["ref_type", "ref_protected", "ref_path"])
    {
        traps.push(Trap::AnyRefType);
    }
    traps.into_iter().map(Problem::Trap).collect()
}

impl Trap {
    /// What is odd.
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::PrivilegedEvent => {
                "jobs of this event have the base branch's claims and run on what strangers send"
            }
            Self::AnyBranch => "any branch and any pull request of the repository fits this set",
            Self::Subject => {
                "sub is a text that the repository's or project's owner can have written otherwise"
            }
            Self::Workflow => {
                "a workflow is named without the exact ref that it comes from: any version of it may fit, or none"
            }
            Self::AnyRefType => "a tag can have the branch's name, and whoever may push tags fits this set",
        }
    }

    /// What to do.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::PrivilegedEvent => {
                "Be sure that these jobs check out and run nothing of the pull request, or name another event."
            }
            Self::AnyBranch => "Add ref = \"refs/heads/main\", or an environment that is protected.",
            Self::Subject => {
                "Compare the claims themselves: repository_id, ref, environment; project_id, ref_path."
            }
            Self::Workflow => "Write owner/repository/.github/workflows/name.yml@refs/heads/main, all of it.",
            Self::AnyRefType => "Add ref_type = \"branch\", or ref_protected = true.",
        }
    }
}
