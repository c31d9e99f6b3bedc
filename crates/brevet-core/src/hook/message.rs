//! What a message asks for, read after its signature was found good.

use serde_json::{Map, Value};

use super::{Action, Hook, ReplyDeed, Scheme, Target};
use crate::json::to_text;
use crate::ledger::freeze::{By, Selection};
use crate::oidc::Claim;
use crate::time::Seconds;

/// The longest text taken from a message: as long as a claim's in the rules.
pub const MOST_TEXT: usize = 512;

/// The name under which `when` has the kind of event.
const EVENT: &str = "event";

/// Where the bodies of Standard Webhooks have the kind of event.
const TYPE: &str = "/type";

/// What a message asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Nothing: this, of `when`, does not fit.
    Nothing(String),
    /// Freeze, then revoke.
    Stop {
        /// What is revoked.
        revoke: Option<Selection>,
        /// What is frozen.
        freezes: Vec<Selection>,
        /// For how long.
        span: Option<Seconds>,
    },
    /// Lift what hooks froze.
    Lift(Vec<Selection>),
    /// Do this for the sender, with these parameters.
    Reply(ReplyDeed, Map<String, Value>),
}

/// The body has nothing at a place where the rules look, or what is no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The place: a JSON pointer.
    pub pointer: String,
}

impl Hook {
    /// The kind of event of a message.
    pub fn event<'a>(&self, header: &'a str, body: &'a Value) -> &'a str {
        match self.scheme {
            Scheme::StandardWebhooks => body.pointer(TYPE).and_then(Value::as_str).unwrap_or_default(),
            Scheme::Github => header,
        }
    }

    /// Reads what a message of this kind of event asks for.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn read(&self, event: &str, body: &Value) -> Result<Wish, Unfit> {
        if let Some(misfit) = self.misfit(event, body) {
            return Ok(Wish::Nothing(misfit.to_owned()));
        }
        Ok(match &self.action {
            Action::Stop { revoke, freeze, span } => Wish::Stop {
                revoke: revoke.as_ref().map(|target| target.find(body)).transpose()?,
                freezes: all(freeze, body)?,
                span: *span,
            },
            Action::Lift(targets) => Wish::Lift(all(targets, body)?),
            Action::Reply { deed, params } => {
                let mut found = Map::new();
                for (name, part) in params {
                    found.insert(name.clone(), look(part, body)?.clone());
                }
                Wish::Reply(*deed, found)
            }
        })
    }

    /// What of the first set of `when` does not fit, where none of the sets fits.
    fn misfit(&self, event: &str, body: &Value) -> Option<&str> {
        let fits = |name: &str, pattern: &crate::rules::document::Pattern| {
            if name == EVENT {
                return pattern.takes(event);
            }
            body.pointer(name).and_then(Claim::of).is_some_and(|found| found.fits(pattern))
        };
        let mut first = None;
        for set in &self.when {
            let misfit = set.iter().find(|(name, pattern)| !fits(name, pattern));
            let (name, _) = misfit?;
            first.get_or_insert(name.as_str());
        }
        first
    }
}

impl Target {
    /// Which leases are meant.
    fn find(&self, body: &Value) -> Result<Selection, Unfit> {
        let mut claims = Map::new();
        let mut value = String::new();
        for (claim, part) in &self.values {
            let text = text(part, body)?;
            if self.by == By::Claims {
                claims.insert(claim.clone(), Value::String(text));
            } else {
                value = text;
            }
        }
        if self.by == By::Claims {
            value = to_text(&Value::Object(claims));
        }
        Ok(Selection { by: self.by, value })
    }
}

fn all(targets: &[Target], body: &Value) -> Result<Vec<Selection>, Unfit> {
    targets.iter().map(|target| target.find(body)).collect()
}

/// What a part of the rules stands for in this body.
fn look<'a>(part: &'a Value, body: &'a Value) -> Result<&'a Value, Unfit> {
    match part.as_str() {
        Some(pointer) if pointer.starts_with('/') => {
            let found = body.pointer(pointer).filter(|found| !found.is_null());
            found.ok_or_else(|| Unfit { pointer: pointer.to_owned() })
        }
        _ => Ok(part),
    }
}

/// The same as text: an id may be a number here and a string in a token.
fn text(part: &Value, body: &Value) -> Result<String, Unfit> {
    let unfit = || Unfit { pointer: part.as_str().unwrap_or_default().to_owned() };
    match Claim::of(look(part, body)?) {
        Some(Claim::Text(text))
            if (1..=MOST_TEXT).contains(&text.len()) && !text.chars().any(char::is_control) =>
        {
            Ok(text)
        }
        _ => Err(unfit()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::document::Pattern;
    use crate::sorted::SortedMap;

    fn hook(when: &[&[(&str, &str)]], action: Action) -> Hook {
        let set = |pairs: &&[(&str, &str)]| -> SortedMap<String, Pattern> {
            let pair =
                |(name, text): &(&str, &str)| ((*name).to_owned(), Pattern::Exactly((*text).to_owned()));
            pairs.iter().map(pair).collect()
        };
        Hook {
            scheme: Scheme::Github,
            secrets: vec!["HOOK_X".to_owned()],
            when: when.iter().map(set).collect(),
            action,
        }
    }

    fn target(by: By, values: &[(&str, &str)]) -> Target {
        let value = |(claim, value): &(&str, &str)| ((*claim).to_owned(), json!(value));
        Target { by, values: values.iter().map(value).collect() }
    }

    fn by_repository() -> Action {
        let revoke = Some(target(By::Claims, &[("repository_id", "/repository/id")]));
        Action::Stop { revoke, freeze: vec![target(By::Grant, &[("", "deploy")])], span: None }
    }

    #[test]
    fn an_id_is_text_whether_it_is_a_number_or_a_string() {
        let hook = hook(&[], by_repository());
        for id in [json!(200_000_003), json!("200000003")] {
            let wish = hook.read("push", &json!({ "repository": { "id": id } })).unwrap();
            let Wish::Stop { revoke: Some(revoke), freezes, .. } = wish else { panic!("{wish:?}") };
            assert_eq!((revoke.by, &*revoke.value), (By::Claims, r#"{"repository_id":"200000003"}"#));
            assert_eq!(freezes, [Selection { by: By::Grant, value: "deploy".to_owned() }]);
        }
    }

    #[test]
    fn what_is_missing_or_no_text_chooses_nothing() {
        let hook = hook(&[], by_repository());
        for body in [
            json!({}),
            json!({ "repository": 1 }),
            json!({ "repository": { "id": null } }),
            json!({ "repository": { "id": "" } }),
            json!({ "repository": { "id": 1.5 } }),
            json!({ "repository": { "id": ["1"] } }),
            json!({ "repository": { "id": {} } }),
            json!({ "repository": { "id": "1\n" } }),
            json!({ "repository": { "id": "1".repeat(513) } }),
            json!([]),
        ] {
            let unfit = Unfit { pointer: "/repository/id".to_owned() };
            assert_eq!(hook.read("push", &body), Err(unfit), "{body}");
        }
    }

    #[test]
    fn acts_only_where_all_of_one_set_fits_and_tells_what_does_not() {
        let hook =
            hook(&[&[("event", "alert"), ("/action", "created")], &[("event", "ping")]], by_repository());
        let body = json!({ "action": "created", "repository": { "id": 1 } });
        assert!(matches!(hook.read("alert", &body), Ok(Wish::Stop { .. })));
        assert!(matches!(hook.read("ping", &body), Ok(Wish::Stop { .. })));
        let nothing = |name: &str| Ok(Wish::Nothing(name.to_owned()));
        assert_eq!(hook.read("push", &body), nothing("event"));
        assert_eq!(hook.read("", &body), nothing("event"));
        for body in [json!({}), json!({ "action": "resolved" }), json!({ "action": {} })] {
            assert_eq!(hook.read("alert", &body), nothing("/action"), "{body}");
        }
    }

    #[test]
    fn parameters_are_found_in_the_body_or_stand_in_the_rules() {
        let params = [("template", "cache-purge"), ("zone", "/data/zone"), ("ttl", "/data/ttl")];
        let params = params.map(|(name, part)| (name.to_owned(), json!(part))).to_vec();
        let mut hook = hook(&[], Action::Reply { deed: ReplyDeed::Create, params });
        hook.scheme = Scheme::StandardWebhooks;
        let wish = hook.read("", &json!({ "data": { "zone": ["a.example"], "ttl": 60 } })).unwrap();
        let Wish::Reply(ReplyDeed::Create, found) = wish else { panic!("{wish:?}") };
        let expected = json!({ "template": "cache-purge", "zone": ["a.example"], "ttl": 60 });
        assert_eq!(Value::Object(found), expected);
        let unfit = hook.read("", &json!({ "data": { "zone": "/data/ttl" } }));
        assert_eq!(
            unfit,
            Err(Unfit { pointer: "/data/ttl".to_owned() }),
            "a body's own pointer is not followed"
        );
    }

    #[test]
    fn the_kind_of_event_is_signed_where_the_scheme_signs_one() {
        let mut hook = hook(&[], by_repository());
        let body = json!({ "type": "token.wanted" });
        assert_eq!(hook.event("push", &body), "push");
        hook.scheme = Scheme::StandardWebhooks;
        assert_eq!(hook.event("push", &body), "token.wanted");
        assert_eq!(hook.event("push", &json!({ "type": 1 })), "");
    }
}
