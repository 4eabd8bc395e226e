//! Forms: the declaration of what a body or a query holds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use usher_domain::Invalid;

use super::Input;
use crate::problem::{Fault, Place};

/// One field of a form, for its description.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: Value,
}

/// Something that is read from the members of a body or the parameters of a query.
pub(crate) trait Form: Sized {
    /// Reads all fields, and returns every fault there is rather than the first.
    fn read(source: Source) -> Result<Self, Vec<Fault>>;

    /// Returns the fields.
    fn members() -> Vec<Member>;
}

/// Where the fields of a form come from.
pub(crate) struct Source {
    fields: Fields,
    faults: Vec<Fault>,
}

enum Fields {
    Members(Map<String, Value>),
    Parameters(BTreeMap<String, String>),
}

impl Source {
    pub(crate) fn members(members: Map<String, Value>) -> Self {
        Self {
            fields: Fields::Members(members),
            faults: Vec::new(),
        }
    }

    pub(crate) fn parameters(parameters: BTreeMap<String, String>) -> Self {
        Self {
            fields: Fields::Parameters(parameters),
            faults: Vec::new(),
        }
    }

    /// Takes one field out, or notes what is wrong with it.
    pub(crate) fn take<T: Input>(&mut self, name: &'static str) -> Option<T> {
        let read = match &mut self.fields {
            Fields::Members(members) => members.remove(name).map(|value| T::from_json(&value)),
            Fields::Parameters(parameters) => parameters
                .remove(name)
                .map(|text| T::from_text(&text).map_err(|invalid| vec![(String::new(), invalid)])),
        };
        match read {
            Some(Ok(value)) => Some(value),
            Some(Err(faults)) => {
                for (inner, invalid) in faults {
                    self.note(&format!("{name}{inner}"), invalid);
                }
                None
            }
            None => {
                let absent = T::absent();
                if absent.is_none() {
                    self.note(name, Invalid::new("required", "is required"));
                }
                absent
            }
        }
    }

    /// Notes the fields that nobody took, and returns everything that is wrong.
    pub(crate) fn finish(mut self) -> Vec<Fault> {
        let unknown: Vec<String> = match &mut self.fields {
            Fields::Members(members) => members.keys().cloned().collect(),
            Fields::Parameters(parameters) => parameters.keys().cloned().collect(),
        };
        for name in unknown {
            // RFC 6901, section 3; the names that we know have neither character.
            let name = match &self.fields {
                Fields::Members(_) => name.replace('~', "~0").replace('/', "~1"),
                Fields::Parameters(_) => name,
            };
            self.note(
                &name,
                Invalid::new("unknown", "is not known here; remove it"),
            );
        }
        self.faults
    }

    fn note(&mut self, name: &str, invalid: Invalid) {
        let name: String = name.chars().take(100).collect();
        let place = match self.fields {
            Fields::Members(_) => Place::Pointer(format!("/{name}")),
            Fields::Parameters(_) => Place::Parameter(name),
        };
        self.faults.push(Fault { place, invalid });
    }
}

/// Returns the schema of a body with these fields.
pub(crate) fn schema(members: Vec<Member>) -> Value {
    let required: Vec<_> = members
        .iter()
        .filter(|member| member.is_required)
        .map(|member| member.name)
        .collect();
    let mut properties = Map::new();
    for member in members {
        let mut schema = member.schema;
        schema["description"] = json!(member.meaning);
        properties.insert(member.name.to_owned(), schema);
    }
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Declares a form: each field with its meaning, its type, and its name outside.
macro_rules! form {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $(#[doc = $meaning:literal] $field:ident: $type:ty = $outside:literal,)*
        }
    ) => {
        $(#[doc = $doc])*
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }

        impl $crate::input::Form for $name {
            fn read(mut source: $crate::input::Source) -> Result<Self, Vec<$crate::problem::Fault>> {
                $(let $field = source.take::<$type>($outside);)*
                let faults = source.finish();
                match ($($field,)*) {
                    ($(Some($field),)*) if faults.is_empty() => Ok(Self { $($field),* }),
                    _ => Err(faults),
                }
            }

            fn members() -> Vec<$crate::input::Member> {
                vec![$($crate::input::Member {
                    name: $outside,
                    meaning: $meaning.trim_ascii(),
                    is_required: <$type as $crate::input::Input>::absent().is_none(),
                    schema: <$type as $crate::input::Input>::schema(),
                },)*]
            }
        }
    };
}

pub(crate) use form;
