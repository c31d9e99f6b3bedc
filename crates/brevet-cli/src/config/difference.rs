//! What differs between two versions of the rules, line by line.

use serde_json::Value;
use similar::TextDiff;

/// How many equal lines are shown around a difference.
const CONTEXT: usize = 3;

fn lines(rules: &Value) -> String {
    // A value that was parsed can always be written.
    let mut text = serde_json::to_string_pretty(rules).unwrap_or_default();
    text.push('\n');
    text
}

/// The difference in the unified form; empty where there is none.
pub(super) fn of(old_name: &str, old: &Value, new_name: &str, new: &Value) -> String {
    let (old, new) = (lines(old), lines(new));
    let diff = TextDiff::from_lines(&old, &new);
    if diff.ratio() >= 1.0 {
        return String::new();
    }
    diff.unified_diff().context_radius(CONTEXT).header(old_name, new_name).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of;

    #[test]
    fn the_order_of_fields_is_no_difference() {
        let old = json!({"a": 1, "b": [1, 2]});
        let new: serde_json::Value = serde_json::from_str(r#"{"b":[1,2],"a":1}"#).unwrap();
        assert_eq!(of("old", &old, "new", &new), "");
    }

    #[test]
    fn a_changed_line_is_shown_with_what_stands_around() {
        let text = of("version 1", &json!({"a": 1, "b": 2}), "brevet.toml", &json!({"a": 1, "b": 3}));
        assert_eq!(
            text,
            "--- version 1\n+++ brevet.toml\n@@ -1,4 +1,4 @@\n {\n   \"a\": 1,\n-  \"b\": 2\n+  \"b\": 3\n }\n"
        );
    }
}
