//! The installation's own messages and books, read back.
//!
//! Deriving readers costs about ten kilobytes of code per message; here every member of the same
//! type shares one reader. A member that is missing or of another type makes the whole message
//! unsound, and an unsound message is never handed out: see [`from_text`].

use std::borrow::Cow;

use serde_json::Value;

use super::{Tree, read_tree};

/// What can be read from JSON that Brevet itself wrote.
pub trait FromJson: Sized {
    /// Reads a member. Where it cannot, it clears `sound` and gives any value, which nobody sees.
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self;
}

/// Reads a message; `None` where anything in it is not as it was written.
pub fn from_text<T: FromJson>(text: &str) -> Option<T> {
    let mut sound = true;
    let read = T::read(read_tree(text.as_bytes()).ok(), &mut sound);
    sound.then_some(read)
}

/// The members of an object that is being read.
#[derive(Debug)]
pub struct Members<'a, 'b> {
    members: Vec<(Cow<'a, str>, Tree<'a>)>,
    /// Where the next one probably is: what Brevet wrote is read in the same order.
    next: usize,
    sound: &'b mut bool,
}

impl<'a, 'b> Members<'a, 'b> {
    /// The members of what should be an object.
    pub fn of(value: Option<Tree<'a>>, sound: &'b mut bool) -> Self {
        let members = match value {
            Some(Tree::Object(members)) => members,
            _ => {
                *sound = false;
                Vec::new()
            }
        };
        Self { members, next: 0, sound }
    }

    /// Takes a member out.
    pub fn take<T: FromJson>(&mut self, name: &str) -> T {
        T::read(self.taken(name), self.sound)
    }

    fn taken(&mut self, name: &str) -> Option<Tree<'a>> {
        let is_it = |member: &(Cow<'a, str>, Tree<'a>)| member.0 == name;
        let at = if self.members.get(self.next).is_some_and(is_it) {
            self.next
        } else {
            self.members.iter().position(is_it)?
        };
        self.next = at + 1;
        let (_, value) = self.members.get_mut(at)?;
        Some(std::mem::replace(value, Tree::Null))
    }

    /// Notes that the message is not one of ours.
    pub fn spoil(&mut self) {
        *self.sound = false;
    }
}

impl FromJson for String {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        match value {
            Some(Tree::Text(text)) => text.into_owned(),
            _ => {
                *sound = false;
                Self::new()
            }
        }
    }
}

impl FromJson for bool {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        match value {
            Some(Tree::Bool(flag)) => flag,
            _ => {
                *sound = false;
                false
            }
        }
    }
}

impl FromJson for i64 {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        let number = match value {
            Some(Tree::Number(number)) => number.as_i64(),
            _ => None,
        };
        number.unwrap_or_else(|| {
            *sound = false;
            0
        })
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),+) => {
        $(impl FromJson for $kind {
            fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
                Self::try_from(i64::read(value, sound)).unwrap_or_else(|_| {
                    *sound = false;
                    0
                })
            }
        })+
    };
}

whole_numbers!(u16, u32, u64);

impl FromJson for Value {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        value.map_or_else(
            || {
                *sound = false;
                Self::Null
            },
            Self::from,
        )
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        match value {
            None | Some(Tree::Null) => None,
            there => Some(T::read(there, sound)),
        }
    }
}

impl<T: FromJson> FromJson for Box<T> {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        Self::new(T::read(value, sound))
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn read(value: Option<Tree<'_>>, sound: &mut bool) -> Self {
        let mut list = Self::new();
        match value {
            Some(Tree::List(items)) => {
                for item in items {
                    list.push(T::read(Some(item), sound));
                }
            }
            _ => *sound = false,
        }
        list
    }
}

/// Writes and reads a struct member by member, under the members' own names.
macro_rules! record {
    ($kind:ident { $($member:ident),+ $(,)? }) => {
        impl $crate::json::ToJson for $kind {
            fn write(&self, text: &mut String) {
                let mut object = $crate::json::Within::of(text);
                $(object.put(stringify!($member), &self.$member);)+
                object.end();
            }
        }

        impl $crate::json::FromJson for $kind {
            fn read(value: Option<$crate::json::Tree<'_>>, sound: &mut bool) -> Self {
                let mut members = $crate::json::Members::of(value, sound);
                Self { $($member: members.take(stringify!($member)),)+ }
            }
        }
    };
}

/// Writes and reads an enum as an object whose member `is` names the variant. The first variant
/// stands in for one that is not known, in a message that is never handed out.
macro_rules! variants {
    ($kind:ident {
        $first_word:literal => $first:ident { $($first_field:tt : $first_member:ident),* },
        $($word:literal => $variant:ident { $($field:tt : $member:ident),* },)*
    }) => {
        impl $crate::json::ToJson for $kind {
            fn write(&self, text: &mut String) {
                let mut object = $crate::json::Within::of(text);
                match self {
                    Self::$first { $($first_field: $first_member),* } => {
                        object.text("is", $first_word);
                        $(object.put(stringify!($first_member), $first_member);)*
                    }
                    $(Self::$variant { $($field: $member),* } => {
                        object.text("is", $word);
                        $(object.put(stringify!($member), $member);)*
                    })*
                }
                object.end();
            }
        }

        impl $crate::json::FromJson for $kind {
            fn read(value: Option<$crate::json::Tree<'_>>, sound: &mut bool) -> Self {
                let mut members = $crate::json::Members::of(value, sound);
                match members.take::<String>("is").as_str() {
                    $($word => Self::$variant { $($field: members.take(stringify!($member))),* },)*
                    word => {
                        if word != $first_word {
                            members.spoil();
                        }
                        Self::$first { $($first_field: members.take(stringify!($first_member))),* }
                    }
                }
            }
        }
    };
}

/// An enum of words: the word of each variant in the books, in messages and in answers.
macro_rules! words {
    ($kind:ident { $first:ident = $first_word:literal $(, $variant:ident = $word:literal)* $(,)? }) => {
        impl $kind {
            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { Self::$first => $first_word, $(Self::$variant => $word),* }
            }

            /// Reads the word back.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $first_word => Some(Self::$first), $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::json::ToJson for $kind {
            fn write(&self, text: &mut String) {
                $crate::json::ToJson::write(self.as_str(), text);
            }
        }

        impl $crate::json::FromJson for $kind {
            fn read(value: Option<$crate::json::Tree<'_>>, sound: &mut bool) -> Self {
                value.as_ref().and_then($crate::json::Tree::as_str).and_then(Self::from_word).unwrap_or_else(|| {
                    *sound = false;
                    Self::$first
                })
            }
        }
    };
}

pub(crate) use {record, variants, words};

#[cfg(test)]
mod tests {
    #![expect(unreachable_pub, reason = "the macros write for public types")]

    use super::*;
    use crate::json::to_text;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Colour {
        Red,
        Blue,
    }

    words!(Colour { Red = "red", Blue = "blue" });

    #[derive(Clone, Debug, PartialEq)]
    struct Bead {
        name: String,
        size: u16,
        colour: Option<Colour>,
        more: Vec<String>,
        any: Value,
    }

    record!(Bead { name, size, colour, more, any });

    #[derive(Clone, Debug, PartialEq)]
    enum Order {
        Nothing,
        One(Bead),
        Two { first: Box<Bead>, second: Option<Bead> },
    }

    variants!(Order {
        "nothing" => Nothing {},
        "one" => One { 0: bead },
        "two" => Two { first: first, second: second },
    });

    fn bead() -> impl Strategy<Value = Bead> {
        (any::<String>(), any::<u16>(), proptest::option::of(any::<bool>()), any::<Vec<String>>()).prop_map(
            |(name, size, colour, more)| Bead {
                name,
                size,
                colour: colour.map(|red| if red { Colour::Red } else { Colour::Blue }),
                more,
                any: serde_json::json!([{ "deep": [1, null, "x"] }]),
            },
        )
    }

    fn order() -> impl Strategy<Value = Order> {
        prop_oneof![
            Just(Order::Nothing),
            bead().prop_map(Order::One),
            (bead(), proptest::option::of(bead()))
                .prop_map(|(first, second)| Order::Two { first: Box::new(first), second }),
        ]
    }

    #[test]
    fn gives_nothing_out_where_a_member_is_missing_or_of_another_type() {
        let good = r#"{"name":"a","size":1,"colour":"red","more":["b"],"any":null}"#;
        assert!(from_text::<Bead>(good).is_some());
        for (old, new) in [
            (r#""name":"a","#, ""),
            (r#""a""#, "1"),
            (":1", ":65536"),
            (":1", ":-1"),
            (":1", ":1.5"),
            (r#""red""#, r#""green""#),
            (r#"["b"]"#, r#"["b",1]"#),
            (r#"["b"]"#, "{}"),
            (r#","any":null"#, ""),
            ("}", "}}"),
        ] {
            let bad = good.replacen(old, new, 1);
            assert_ne!(bad, good);
            assert_eq!(from_text::<Bead>(&bad), None, "{bad}");
        }
        assert_eq!(from_text::<Bead>("[]"), None);
        assert_eq!(from_text::<Order>(r#"{"is":"three"}"#), None);
        assert_eq!(from_text::<Order>("{}"), None);
    }

    #[test]
    fn takes_an_optional_member_that_is_missing_or_null_as_none() {
        for colour in ["", r#""colour":null,"#] {
            let text = format!(r#"{{"name":"a",{colour}"size":1,"more":[],"any":1}}"#);
            assert_eq!(from_text::<Bead>(&text).unwrap().colour, None);
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(order in order()) {
            prop_assert_eq!(from_text::<Order>(&to_text(&order)), Some(order));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            drop(from_text::<Order>(&text));
        }
    }
}
