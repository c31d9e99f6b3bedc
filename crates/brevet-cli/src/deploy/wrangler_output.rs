//! Reads what wrangler prints.

use serde_json::Value;

use crate::say;

/// The most characters of wrangler's own words that are passed on.
const MOST_WORDS: usize = 600;

/// What a command that failed said: its error and the lines below it, else the last lines.
pub(super) fn words(out: &str, err: &str) -> String {
    let err = without_colours(err);
    let text = if err.contains("[ERROR]") { err } else { format!("{err}\n{}", without_colours(out)) };
    let lines = || {
        // Where its log file is helps nobody who reads a message.
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("Logs were written to"))
    };
    let error: Vec<&str> = lines().skip_while(|line| !line.contains("[ERROR]")).take(4).collect();
    let said = if error.is_empty() { lines().collect::<Vec<_>>() } else { error };
    let text = said.join(" ").replace("[ERROR]", "").replace('✘', "");
    say::plain(text.trim()).chars().take(MOST_WORDS).collect()
}

/// Without the escape sequences of colours, which wrangler writes around its error marks whatever the
/// environment says.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.extend(parts.next());
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    plain
}

/// The JSON of an output that may have other lines before and after it.
pub(super) fn json_in(out: &str) -> Option<Value> {
    let mut rest = out;
    loop {
        let start = rest.find(['[', '{'])?;
        let from = rest.get(start..)?;
        if let Some(Ok(value)) = serde_json::Deserializer::from_str(from).into_iter::<Value>().next() {
            return Some(value);
        }
        // On the line after this one, perhaps.
        rest = from.split_once('\n')?.1;
    }
}

/// The id in the snippet that `kv namespace create` prints, in TOML or JSON.
pub(super) fn id_in(out: &str) -> Option<String> {
    out.lines().find_map(|line| {
        let (name, value) = line.trim().split_once(['=', ':'])?;
        let value = value.trim().trim_end_matches(',').trim_matches('"');
        let good = value.len() == 32 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (name.trim().trim_matches('"') == "id" && good).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_the_json_among_other_lines() {
        assert_eq!(json_in("[]"), Some(json!([])));
        assert_eq!(json_in("▲ [WARNING] x\n\n[\n {\"id\": 1}\n]\nmore"), Some(json!([{"id": 1}])));
        assert_eq!(json_in("{ x\n{\"a\":1}"), Some(json!({"a": 1})));
        for out in ["", "nothing", "[WARNING] x", "[1, 2"] {
            assert_eq!(json_in(out), None, "{out}");
        }
    }

    #[test]
    fn passes_on_the_error_and_not_what_stands_around() {
        let err = "\n\u{1b}[31m✘ \u{1b}[41;31m[\u{1b}[41;97mERROR\u{1b}[41;31m]\u{1b}[0m \u{1b}[1mWorker \"brevet\" not found.\u{1b}[0m\n\n\n  Run it.\n🪵  Logs were written to \"/x.log\"\n";
        let out = " ⛅️ wrangler 4.164.0\n───\n";
        assert_eq!(words(out, err), "Worker \"brevet\" not found. Run it.");
    }

    #[test]
    fn finds_the_id_of_a_new_namespace_in_both_forms() {
        let id = "0f2ac74b498b48028cb68387c421e279";
        let toml = format!(
            "✨ Success!\nTo access …:\n[[kv_namespaces]]\nbinding = \"brevet_state\"\nid = \"{id}\"\n"
        );
        let json = format!(
            "{{\n  \"kv_namespaces\": [\n    {{\n      \"binding\": \"x\",\n      \"id\": \"{id}\"\n    }}]}}"
        );
        assert_eq!(id_in(&toml).as_deref(), Some(id));
        assert_eq!(id_in(&json).as_deref(), Some(id));
        for out in [
            "",
            "id = \"x\"",
            "preview_id = \"0f2ac74b498b48028cb68387c421e279\"",
            "id = \"0F2ac74b498b48028cb68387c421e279\"",
        ] {
            assert_eq!(id_in(out), None, "{out}");
        }
    }
}
