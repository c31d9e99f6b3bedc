//! The names of Brevet's tokens at Cloudflare: `brevet:INSTALL:LEASE.TAG:GRANT:CALLER`.
//!
//! The tag proves that the name was made by an installation that holds the pepper, so that a sweep
//! never deletes a token that somebody else named alike. The format is fixed for ever.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::id::LeaseId;
use crate::secret::Secret;

/// Cloudflare takes names of at most 120 characters.
pub const NAME_LENGTH: usize = 120;

/// The digits of a tag: 40 bits, enough against chance, and a forger needs the pepper.
pub const TAG_LENGTH: usize = 8;

/// A pepper of fewer bytes than this is refused: it must not be guessable.
pub const SHORTEST_PEPPER: usize = 32;

/// More peppers than this at once is a mistake; a rotation needs two.
pub const MOST_PEPPERS: usize = 4;

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What is wrong with `BREVET_PEPPER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PepperError {
    /// An entry has fewer than [`SHORTEST_PEPPER`] bytes.
    Short,
    /// There are more than [`MOST_PEPPERS`].
    Many,
}

impl fmt::Display for PepperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "an entry of BREVET_PEPPER has fewer than {SHORTEST_PEPPER} characters"),
            Self::Many => write!(f, "BREVET_PEPPER has more than {MOST_PEPPERS} entries"),
        }
    }
}

impl std::error::Error for PepperError {}

/// The installation's secret for keyed hashes: `BREVET_PEPPER`, one or several texts separated by
/// commas. The first signs, all verify.
#[derive(Clone, Debug)]
pub struct Pepper(Vec<Secret>);

impl Pepper {
    /// Reads `BREVET_PEPPER`.
    ///
    /// # Errors
    /// See [`PepperError`].
    pub fn read(text: &Secret) -> Result<Self, PepperError> {
        let entries: Vec<&str> = text.expose().split(',').map(str::trim).collect();
        if entries.len() > MOST_PEPPERS {
            return Err(PepperError::Many);
        }
        if entries.iter().any(|entry| entry.len() < SHORTEST_PEPPER) {
            return Err(PepperError::Short);
        }
        Ok(Self(entries.into_iter().map(|entry| Secret::new(entry.to_owned())).collect()))
    }

    /// A keyed hash of `parts` under the first pepper, for one purpose. Each part is preceded by its
    /// length, so that no two lists of parts give the same input.
    pub fn keyed_hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.0.first().map_or([0; 32], |pepper| keyed_hash(pepper, purpose, parts))
    }

    /// The same under each of the peppers: the first signs, all verify.
    pub fn keyed_hashes<'a>(
        &'a self,
        purpose: &'a str,
        parts: &'a [&'a [u8]],
    ) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.0.iter().map(move |pepper| keyed_hash(pepper, purpose, parts))
    }

    fn tag(pepper: &Secret, install: &str, lease: LeaseId) -> [u8; TAG_LENGTH] {
        let hash =
            keyed_hash(pepper, "brevet token name v1", &[install.as_bytes(), lease.as_str().as_bytes()]);
        let mut digits = [b'0'; TAG_LENGTH];
        for (digit, byte) in digits.iter_mut().zip(hash) {
            *digit = CROCKFORD.get(usize::from(byte & 31)).copied().unwrap_or(b'0');
        }
        digits
    }
}

fn keyed_hash(pepper: &Secret, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length, so this cannot fail; an all-zero hash would match nothing.
    let Ok(key) = Hmac::<Sha256>::new_from_slice(pepper.expose().as_bytes()) else { return [0; 32] };
    let derived: [u8; 32] = key.chain_update(purpose.as_bytes()).finalize().into_bytes().into();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&derived) else { return [0; 32] };
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        mac.update(&length.to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The name of a lease's token at Cloudflare, cut to [`NAME_LENGTH`] from the right.
pub fn token_name(
    pepper: &Pepper,
    install: &str,
    lease: LeaseId,
    grant: Option<&str>,
    caller: &str,
) -> String {
    let tag = pepper.0.first().map_or([b'0'; TAG_LENGTH], |first| Pepper::tag(first, install, lease));
    let tag = String::from_utf8_lossy(&tag);
    let whole = format!("brevet:{install}:{lease}.{tag}:{}:{caller}", grant.unwrap_or("-"));
    // A caller's label may come from a claim one day: only printable ASCII goes into a name, which is
    // also why it can be cut anywhere.
    let mut name: String = whole.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    name.truncate(NAME_LENGTH);
    name
}

/// The lease that a token's name at Cloudflare stands for, if the name was made by this installation:
/// its install and its tag both check, under any of the peppers.
pub fn lease_of_name(pepper: &Pepper, install: &str, name: &str) -> Option<LeaseId> {
    let rest = name.strip_prefix("brevet:")?.strip_prefix(install)?.strip_prefix(':')?;
    let (lease, rest) = rest.split_once('.')?;
    let (tag, _) = rest.split_once(':')?;
    let lease: LeaseId = lease.parse().ok()?;
    let ours = pepper.0.iter().any(|entry| {
        let expected = Pepper::tag(entry, install, lease);
        subtle::ConstantTimeEq::ct_eq(expected.as_slice(), tag.as_bytes()).into()
    });
    ours.then_some(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(text: &str) -> Pepper {
        Pepper::read(&Secret::new(text.to_owned())).unwrap()
    }

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn a_name_leads_back_to_its_lease_and_only_under_its_pepper_and_install() {
        let lease = LeaseId::from_random([7; 16]);
        let name = token_name(&pepper(OLD), "local", lease, Some("edge-purge"), "client:edge-purger");
        assert!(name.starts_with("brevet:local:"), "{name}");
        assert!(name.ends_with(":edge-purge:client:edge-purger"), "{name}");
        assert_eq!(lease_of_name(&pepper(OLD), "local", &name), Some(lease));
        assert_eq!(lease_of_name(&pepper(&format!("{NEW},{OLD}")), "local", &name), Some(lease));
        assert_eq!(lease_of_name(&pepper(NEW), "local", &name), None);
        assert_eq!(lease_of_name(&pepper(OLD), "loc", &name), None);
        assert_eq!(lease_of_name(&pepper(OLD), "other", &name.replace("local", "other")), None);
    }

    #[test]
    fn a_forged_tag_leads_nowhere() {
        let lease = LeaseId::from_random([7; 16]);
        let name = token_name(&pepper(OLD), "local", lease, None, "operator:root");
        let dot = name.find('.').unwrap();
        for at in dot + 1..=dot + TAG_LENGTH {
            let mut forged = name.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(lease_of_name(&pepper(OLD), "local", &String::from_utf8(forged).unwrap()), None);
        }
        for text in ["", "brevet:", "brevet:local:", "brevet:local:x.y:z", "other"] {
            assert_eq!(lease_of_name(&pepper(OLD), "local", text), None);
        }
    }

    #[test]
    fn a_long_name_is_cut_from_the_right_and_still_leads_back() {
        let lease = LeaseId::from_random([9; 16]);
        let name =
            token_name(&pepper(OLD), "abcdefghijklmnop", lease, Some(&"g".repeat(64)), &"ü".repeat(200));
        assert_eq!(name.len(), NAME_LENGTH);
        assert_eq!(lease_of_name(&pepper(OLD), "abcdefghijklmnop", &name), Some(lease));
    }

    #[test]
    fn a_name_is_printable_ascii_wherever_it_is_cut() {
        let lease = LeaseId::from_random([9; 16]);
        for width in 0..4 {
            let grant = format!("{}{}", "g".repeat(width), "🦀".repeat(40));
            let name = token_name(&pepper(OLD), "local", lease, Some(&grant), "a\r\nb c");
            assert!(name.len() <= NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
            assert_eq!(lease_of_name(&pepper(OLD), "local", &name), Some(lease));
        }
        let name = token_name(&pepper(OLD), "local", lease, None, "a\r\nb c");
        assert!(name.ends_with(":-:a__b_c"), "{name}");
    }

    #[test]
    fn refuses_a_pepper_that_could_be_guessed() {
        let read = |text: &str| Pepper::read(&Secret::new(text.to_owned())).map(|_| ());
        assert_eq!(read("short"), Err(PepperError::Short));
        assert_eq!(read(""), Err(PepperError::Short));
        assert_eq!(read(&format!("{OLD},")), Err(PepperError::Short));
        assert_eq!(read(&[OLD; 5].join(",")), Err(PepperError::Many));
    }

    #[test]
    fn the_parts_of_a_keyed_hash_do_not_run_into_each_other() {
        let pepper = pepper(OLD);
        assert_ne!(pepper.keyed_hash("a", &[b"ab", b"c"]), pepper.keyed_hash("a", &[b"a", b"bc"]));
        assert_ne!(pepper.keyed_hash("a", &[b"x"]), pepper.keyed_hash("b", &[b"x"]));
    }
}
