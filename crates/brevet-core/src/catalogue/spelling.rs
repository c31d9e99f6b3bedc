//! "Did you mean": which of some names a misspelt one may stand for.

use crate::sorted::distinct;
/// The most names to suggest. More would hide the right one.
pub const MAX_SUGGESTIONS: usize = 3;

/// The longest text, in bytes, for which names are compared letter by letter, because the work grows
/// with the product of both lengths and the text is a stranger's.
const MAX_COMPARED: usize = 120;

/// Prefixes under which Cloudflare's dashboard and its older documents know groups, and the name that
/// the API uses.
const RENAMED: [(&str, &str); 4] = [
    ("Browser Run", "Browser Rendering"),
    ("Teams", "Zero Trust"),
    ("Argo Tunnel", "Cloudflare Tunnel"),
    ("User Memberships", "Memberships"),
];

/// The name as the API would write it: renamed products under the name that the table has, and the
/// dashboard's "Edit" as "Write".
pub(super) fn current_name(name: &str) -> String {
    let renamed = RENAMED
        .iter()
        .find_map(|(dashboard, api)| name.strip_prefix(dashboard).map(|rest| format!("{api}{rest}")));
    let name = renamed.unwrap_or_else(|| name.to_owned());
    match name.strip_suffix(" Edit") {
        Some(stem) => format!("{stem} Write"),
        None => name,
    }
}

/// The candidates nearest to `word`, best first, without doubles, at most [`MAX_SUGGESTIONS`]: those
/// that differ in case or few letters, then those that begin with it.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if word.is_empty() || word.len() > MAX_COMPARED {
        return Vec::new();
    }
    let wanted: Vec<char> = word.to_ascii_lowercase().chars().collect();
    // A third of the letters may be wrong: one in "zone", six in "Workers Script Edit".
    let allowed = wanted.len().div_ceil(3).min(6);
    let mut near: Vec<(usize, &'a str)> = Vec::new();
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_ascii_lowercase().chars().collect();
        let distance = if letters.len().abs_diff(wanted.len()) <= allowed {
            distance(&wanted, &letters)
        } else {
            usize::MAX
        };
        if distance <= allowed {
            near.push((distance, candidate));
        } else if wanted.len() >= 3 && letters.starts_with(&wanted) {
            near.push((allowed + 1, candidate));
        }
    }
    distinct(near).into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect()
}

/// Letters to insert, delete or replace to make one of the other (Levenshtein).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.iter().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(to) {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = *cell;
            left = replaced.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("dns", "dns", 0),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(&letters(from), &letters(to)), expected, "{from} {to}");
        }
    }

    #[test]
    fn names_what_is_near_first_then_what_begins_so() {
        let names = ["account", "zone", "zones", "template", "workers-deploy", "zone"];
        assert_eq!(closest("zonne", names), ["zone", "zones"]);
        assert_eq!(closest("ZONE", names), ["zone", "zones"]);
        assert_eq!(closest("work", names), ["workers-deploy"]);
        assert_eq!(closest("wo", names), [""; 0]);
    }

    #[test]
    fn names_nothing_for_what_is_far_empty_or_huge() {
        assert!(closest("billing", ["zone", "account"]).is_empty());
        assert!(closest("", ["a"]).is_empty());
        let huge = "a".repeat(MAX_COMPARED + 1);
        assert!(closest(&huge, [huge.as_str()]).is_empty());
        let long = "a".repeat(MAX_COMPARED);
        assert_eq!(closest(&long, [long.as_str()]), [long.as_str()]);
    }

    #[test]
    fn names_at_most_three() {
        assert_eq!(closest("abcd", ["abc1", "abc2", "abc3", "abc4"]).len(), MAX_SUGGESTIONS);
    }

    #[test]
    fn knows_the_names_of_the_dashboard() {
        assert_eq!(current_name("DNS Edit"), "DNS Write");
        assert_eq!(current_name("Argo Tunnel Edit"), "Cloudflare Tunnel Write");
        assert_eq!(current_name("Teams Read"), "Zero Trust Read");
        assert_eq!(current_name("DNS Write"), "DNS Write");
    }
}
