//! The main job, once, in front of the user.

use serde_json::{Value, json};

use super::ask::{Answer, Ask};
use crate::failure::Failure;
use crate::say;
use crate::setup::Workshop;

/// Characters of an answer that are shown.
const SHOWN: usize = 420;
/// Characters of a minted value that are shown.
const SHOWN_OF_VALUE: usize = 9;

/// Who asks whom.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    /// The tools.
    pub(super) workshop: &'a Workshop,
    /// The Worker's address.
    pub(super) worker: &'a str,
    /// The base of Cloudflare's API, or of what stands in for it.
    pub(super) api: &'a str,
    /// The root operator's secret.
    pub(super) operator: &'a str,
    /// The parameters of the template.
    pub(super) params: Value,
}

impl Walk<'_> {
    /// Creates a token from a template, verifies it, uses it, revokes it, and sees it refused.
    ///
    /// # Errors
    /// With the step that did not end as it should, and what was seen.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let wish = json!({ "template": "zone-read", "params": self.params, "ttl": "10m" });

        say::line("\n1. Ask what a token from the template zone-read would be. Nothing is made.");
        self.brevet("POST", "/v1/plan", Some(wish.clone()), None, 200)?;

        say::line("\n2. Create it. The answer is the only place where its value ever appears.");
        let made = self.brevet("POST", "/v1/tokens", Some(wish), None, 201)?;
        let value = text(&made, "/value")?;
        let lease = text(&made, "/lease/id")?;

        say::line("\n3. Verify it.");
        let question = json!({ "token": value, "fresh": true });
        let verified = self.brevet("POST", "/v1/tokens/verify", Some(question.clone()), Some(&value), 200)?;
        expect("verify", verified.at("/status") == "active", &verified)?;

        say::line("\n4. Use it at Cloudflare's API: list the zones.");
        let zones = self.api(&value)?;
        expect("list zones", zones.status == 200 && zones.at("/result").is_array(), &zones)?;

        say::line("\n5. Revoke it.");
        self.brevet("DELETE", &format!("/v1/leases/{lease}"), None, None, 200)?;

        say::line("\n6. See it refused, by Brevet and by the API.");
        let verified = self.brevet("POST", "/v1/tokens/verify", Some(question), Some(&value), 200)?;
        expect("verify after revoking", verified.at("/valid") == false, &verified)?;
        let zones = self.api(&value)?;
        expect("list zones after revoking", matches!(zones.status, 400..=403), &zones)
    }

    fn brevet(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        hide: Option<&str>,
        status: u64,
    ) -> Result<Answer, Failure> {
        let shown = body.as_ref().map(|body| format!(" {}", shorten(body, hide))).unwrap_or_default();
        say::line(&format!("   {method} {path}{shown}"));
        let ask = Ask {
            method,
            url: format!("{}{path}", self.worker),
            bearer: Some(self.operator),
            body,
            if_match: None,
        };
        let answer = ask.send(self.workshop)?;
        say::line(&format!("   {} {}", answer.status, shorten(&answer.body, hide)));
        expect(&format!("{method} {path}"), answer.status == status, &answer)?;
        Ok(answer)
    }

    fn api(&self, value: &str) -> Result<Answer, Failure> {
        let url = format!("{}/zones", self.api);
        say::line(&format!("   GET {url} (bearer: the new token)"));
        let answer = Ask { method: "GET", url, bearer: Some(value), body: None, if_match: None }
            .send(self.workshop)?;
        let names: Vec<&str> = answer
            .at("/result")
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|zone| zone.get("name")?.as_str())
            .collect();
        let shown = if names.is_empty() {
            shorten(&answer.body, Some(value))
        } else {
            format!("zones: {}", names.join(", "))
        };
        say::line(&format!("   {} {shown}", answer.status));
        Ok(answer)
    }
}

fn expect(step: &str, good: bool, answer: &Answer) -> Result<(), Failure> {
    if good {
        Ok(())
    } else {
        Err(Failure::Step {
            step: step.to_owned(),
            seen: format!("{} {}", answer.status, shorten(&answer.body, None)),
        })
    }
}

fn text(answer: &Answer, pointer: &str) -> Result<String, Failure> {
    answer.body.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| Failure::Step {
        step: "create".to_owned(),
        seen: format!("the answer has no {pointer}"),
    })
}

/// An answer on one line, with its token value cut short.
fn shorten(body: &Value, hide: Option<&str>) -> String {
    let mut body = body.clone();
    for name in ["value", "token"] {
        if let Some(Value::String(value)) = body.get_mut(name) {
            *value = format!("{}…", value.chars().take(SHOWN_OF_VALUE).collect::<String>());
        }
    }
    let mut text = body.to_string();
    if let Some(hide) = hide.filter(|hide| !hide.is_empty()) {
        text = text.replace(hide, "…");
    }
    if text.chars().count() > SHOWN {
        text = text.chars().take(SHOWN).chain("…".chars()).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_shown_in_full() {
        let value = "cfat_0123456789abcdefghij";
        for body in [json!({ "value": value }), json!({ "token": value, "a": 1 }), json!({ "deep": [value] })]
        {
            assert!(!shorten(&body, Some(value)).contains(value), "{body}");
        }
        assert_eq!(shorten(&json!({ "value": value }), None), "{\"value\":\"cfat_0123…\"}");
    }

    #[test]
    fn a_long_answer_is_cut() {
        assert_eq!(shorten(&Value::String("ä".repeat(1000)), None).chars().count(), SHOWN + 1);
    }
}
