//! The types that a field of a form can have.

use std::marker::PhantomData;

use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use usher_core::users::Count;
use usher_domain::{
    AvatarUrl, Email, Invalid, Limit, Name, PasskeyName, Password, PasswordAttempt,
    PasswordCandidate, RoleName, RoleSet, SearchTerm, UserId, UserSort, Word,
};

use crate::answer::View;

/// A bad value inside a field: where, from the field on, and why.
pub(crate) type Faults = Vec<(String, Invalid)>;

/// A type that a field of a form can have.
pub(crate) trait Input: Sized {
    /// Reads the value of a field of a body.
    fn from_json(value: &Value) -> Result<Self, Faults> {
        let text = value
            .as_str()
            .ok_or_else(|| here(Invalid::new("type", "must be a string")))?;
        Self::from_text(text).map_err(here)
    }

    /// Reads the value of a parameter of a query.
    fn from_text(text: &str) -> Result<Self, Invalid>;

    /// Returns what an absent field means, or `None` when it must not be absent.
    fn absent() -> Option<Self> {
        None
    }

    /// Returns the rules as JSON Schema.
    fn schema() -> Value;
}

fn here(invalid: Invalid) -> Faults {
    vec![(String::new(), invalid)]
}

impl<T: Input> Input for Option<T> {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        T::from_json(value).map(Some)
    }

    fn from_text(text: &str) -> Result<Self, Invalid> {
        T::from_text(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema() -> Value {
        T::schema()
    }
}

/// A field that may be absent, null, or hold a value: the three cases of a merge patch (RFC 7396).
#[derive(Clone, Debug)]
pub(crate) enum Nullable<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Nullable<T> {
    /// Returns what becomes of a value under the patch.
    pub(crate) fn or(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Absent => before,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl<T: Input> Input for Nullable<T> {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        if value.is_null() {
            Ok(Self::Null)
        } else {
            T::from_json(value).map(Self::Value)
        }
    }

    fn from_text(text: &str) -> Result<Self, Invalid> {
        T::from_text(text).map(Self::Value)
    }

    fn absent() -> Option<Self> {
        Some(Self::Absent)
    }

    fn schema() -> Value {
        let mut schema = T::schema();
        let kind = schema["type"].take();
        schema["type"] = json!([kind, "null"]);
        schema
    }
}

macro_rules! texts {
    ($($type:ty: $parse:path => $schema:tt;)+) => {
        $(impl Input for $type {
            fn from_text(text: &str) -> Result<Self, Invalid> {
                $parse(text)
            }

            fn schema() -> Value {
                json!($schema)
            }
        })+
    };
}

texts! {
    Name: Name::parse => { "type": "string", "minLength": 1, "maxLength": (Name::MAX_CHARACTERS) };
    PasskeyName: PasskeyName::parse => {
        "type": "string", "minLength": 1, "maxLength": (PasskeyName::MAX_CHARACTERS)
    };
    Email: Email::parse => { "type": "string", "format": "email", "maxLength": (Email::MAX_CHARACTERS) };
    AvatarUrl: AvatarUrl::parse => { "type": "string", "format": "uri", "maxLength": (AvatarUrl::MAX_CHARACTERS) };
    Password: Password::parse => {
        "type": "string", "format": "password",
        "minLength": (Password::MIN_CHARACTERS), "maxLength": (Password::MAX_CHARACTERS)
    };
    PasswordCandidate: PasswordCandidate::parse => {
        "type": "string", "format": "password",
        "minLength": (Password::MIN_BESIDE_FACTOR), "maxLength": (Password::MAX_CHARACTERS)
    };
    PasswordAttempt: PasswordAttempt::parse => {
        "type": "string", "format": "password", "maxLength": (Password::MAX_CHARACTERS)
    };
    RoleName: RoleName::parse => { "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,49}$" };
    SearchTerm: SearchTerm::parse => { "type": "string", "minLength": 1, "maxLength": 100 };
    Word: Word::parse => { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,50}$" };
    UserId: UserId::parse => { "type": "integer", "format": "int64", "minimum": 1 };
    Limit: Limit::parse => { "type": "integer", "minimum": 1, "maximum": (Limit::MAX), "default": 20 };
    UserSort: UserSort::parse => {
        "type": "string", "default": "-createdAt",
        "enum": ["createdAt", "-createdAt", "name", "-name", "email", "-email", "id", "-id"]
    };
    OffsetDateTime: parse_time => { "type": "string", "format": "date-time" };
    Count: parse_count => { "type": "string", "enum": ["exact", "estimated"] };
    String: parse_text => { "type": "string", "maxLength": 2000 };
}

fn parse_time(text: &str) -> Result<OffsetDateTime, Invalid> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    // In another zone the year may be one that there is not here.
    let time = time.and_then(|time| time.checked_to_offset(UtcOffset::UTC));
    time.ok_or(Invalid::new(
        "date-time",
        "must be a time such as 2026-01-31T12:00:00Z (RFC 3339)",
    ))
}

fn parse_count(text: &str) -> Result<Count, Invalid> {
    match text {
        "exact" => Ok(Count::Exact),
        "estimated" => Ok(Count::Estimated),
        _ => Err(Invalid::new("count", "must be exact or estimated")),
    }
}

/// Takes an opaque text of ours back; whoever reads it says whether it is one.
fn parse_text(text: &str) -> Result<String, Invalid> {
    if text.len() > 2000 {
        return Err(Invalid::new("too-long", "must be at most 2000 characters"));
    }
    Ok(text.to_owned())
}

impl Input for bool {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        value
            .as_bool()
            .ok_or_else(|| here(Invalid::new("type", "must be true or false")))
    }

    fn from_text(text: &str) -> Result<Self, Invalid> {
        text.parse()
            .map_err(|_| Invalid::new("type", "must be true or false"))
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// An object of somebody else's making; whoever reads it says whether it is right.
pub(crate) struct Object(pub(crate) Value);

impl Input for Object {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        if value.is_object() {
            Ok(Self(value.clone()))
        } else {
            Err(here(Invalid::new("type", "must be an object")))
        }
    }

    fn from_text(_: &str) -> Result<Self, Invalid> {
        Err(Invalid::new("type", "cannot be part of a query"))
    }

    fn schema() -> Value {
        json!({ "type": "object" })
    }
}

impl Input for RoleSet {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        let Value::Array(items) = value else {
            return Err(here(Invalid::new("type", "must be a list of role names")));
        };
        let mut names = Vec::new();
        let mut faults = Vec::new();
        for (index, item) in items.iter().enumerate().take(RoleSet::MAX + 1) {
            match RoleName::from_json(item) {
                Ok(name) => names.push(name),
                Err(inner) => faults.extend(
                    inner
                        .into_iter()
                        .map(|(_, invalid)| (format!("/{index}"), invalid)),
                ),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        RoleSet::new(names).map_err(here)
    }

    fn from_text(_: &str) -> Result<Self, Invalid> {
        Err(Invalid::new("type", "cannot be part of a query"))
    }

    fn schema() -> Value {
        json!({
            "type": "array", "items": RoleName::schema(),
            "minItems": 1, "maxItems": (RoleSet::MAX),
        })
    }
}

/// The members of a view that the caller wants to see: `fields=id,name`.
#[derive(Clone, Debug)]
pub(crate) struct Fields<V> {
    names: Vec<&'static str>,
    view: PhantomData<fn() -> V>,
}

impl<V: View> Fields<V> {
    /// Takes away the members that are not wanted.
    pub(crate) fn trim(&self, value: &mut Value) {
        if let Value::Object(members) = value {
            members.retain(|name, _| self.names.iter().any(|wanted| camel_case(wanted) == *name));
        }
    }
}

impl<V: View> Input for Fields<V> {
    fn from_text(text: &str) -> Result<Self, Invalid> {
        let known = |name: &str| {
            V::FIELDS
                .iter()
                .copied()
                .find(|field| camel_case(field) == name)
        };
        let names = text.split(',').map(known).collect::<Option<Vec<_>>>();
        let unknown = || {
            let all: Vec<_> = V::FIELDS.iter().map(|field| camel_case(field)).collect();
            Invalid::new(
                "fields",
                format!("must be some of {}, with commas between", all.join(",")),
            )
        };
        Ok(Self {
            names: names.ok_or_else(unknown)?,
            view: PhantomData,
        })
    }

    fn schema() -> Value {
        let names: Vec<_> = V::FIELDS.iter().map(|field| camel_case(field)).collect();
        json!({ "type": "array", "items": { "type": "string", "enum": names } })
    }
}

/// Writes the name of a field as JSON has it: `is_active` becomes `isActive`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        text.push_str(&first.to_ascii_uppercase());
        text.push_str(rest);
    }
    text
}
