//! Forms (`application/x-www-form-urlencoded`) from strangers, read strictly.
//!
//! RFC 6749 passes over a parameter without a value, and readers differ about one that is there twice. Both are
//! refused: two readers that see different requests are an old way around a check.

use std::fmt;

/// The most fields of a form: a token may hold 500 resources, each a field of its own.
pub const MOST_FIELDS: usize = 512;

/// The longest name that an error repeats, in characters.
const SHOWN: usize = 40;

/// Why a text is no form that is taken. It holds names and none of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    /// It is not written as forms are.
    Syntax,
    /// It has more than [`MOST_FIELDS`] fields.
    TooMany,
    /// This field has no value.
    Empty(String),
    /// This field is there twice.
    Twice(String),
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("The body is no form: write name=value&name=value, percent-encoded."),
            Self::TooMany => write!(f, "The form has more than {MOST_FIELDS} fields."),
            Self::Empty(name) => write!(f, "The field {name} is empty: give it a value or leave it out."),
            Self::Twice(name) => write!(f, "The field {name} is there twice."),
        }
    }
}

impl std::error::Error for FormError {}

/// The fields of a form, in their order, each with a value.
#[derive(Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl fmt::Debug for Form {
    // The values are credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Form {
    /// Reads a form. Of the fields only `repeated` may be there several times.
    ///
    /// # Errors
    /// See [`FormError`].
    pub fn read(text: &[u8], repeated: &str) -> Result<Self, FormError> {
        let text = std::str::from_utf8(text).map_err(|_| FormError::Syntax)?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in text.split('&') {
            if fields.len() >= MOST_FIELDS {
                return Err(FormError::TooMany);
            }
            let (name, value) = pair.split_once('=').ok_or(FormError::Syntax)?;
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(FormError::Syntax);
            };
            if name.is_empty() {
                return Err(FormError::Syntax);
            }
            if value.is_empty() {
                return Err(FormError::Empty(name.chars().take(SHOWN).collect()));
            }
            if name != repeated && fields.iter().any(|(known, _)| *known == name) {
                return Err(FormError::Twice(name.chars().take(SHOWN).collect()));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The value of a field, the first where there are several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field, in their order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Undoes the percent-encoding; none where it is broken, or where control characters or bytes that are no text
/// come out.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Form, FormError> {
        Form::read(text.as_bytes(), "resource")
    }

    #[test]
    fn refuses_what_is_no_form() {
        for text in [
            "", "a", "a=1&", "&a=1", "=1", "a=1&&b=2", "a=%", "a=%4", "a=%zz", "a=%+1", "a=%00", "a=x%0Ay",
            "a=%FF",
        ] {
            assert_eq!(read(text), Err(FormError::Syntax), "{text}");
        }
        assert_eq!(Form::read(b"a=\xff", ""), Err(FormError::Syntax));
        assert_eq!(read("{\"grant_type\":\"x\"}"), Err(FormError::Syntax));
    }

    #[test]
    fn refuses_a_field_that_is_empty_or_there_twice_however_it_is_written() {
        assert_eq!(read("a=1&b="), Err(FormError::Empty("b".to_owned())));
        for text in ["a=1&a=1", "a=1&a=2", "a=1&%61=2"] {
            assert_eq!(read(text), Err(FormError::Twice("a".to_owned())), "{text}");
        }
        let long = "x".repeat(1_000);
        assert_eq!(read(&format!("{long}=")), Err(FormError::Empty("x".repeat(SHOWN))));
    }

    #[test]
    fn refuses_more_fields_than_the_bound() {
        let form = |count: usize| vec!["resource=1"; count].join("&");
        assert_eq!(read(&form(MOST_FIELDS + 1)), Err(FormError::TooMany));
        assert_eq!(read(&form(MOST_FIELDS)).unwrap().all("resource").count(), MOST_FIELDS);
    }

    #[test]
    fn gives_what_was_written_and_shows_names_alone() {
        let form = read("scope=a+b%2Fc%C3%A4&resource=1&resource=2").unwrap();
        assert_eq!((form.get("scope"), form.get("missing")), (Some("a b/cä"), None));
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(format!("{form:?}"), r#"["scope", "resource", "resource"]"#);
    }
}
