//! What the forms of API keys hold.

use serde_json::{Value, json};
use usher_domain::{Invalid, KeyDays, KeyName, Overlap, Permission, Permissions};

use super::Input;
use crate::input::value::Faults;

impl Input for KeyName {
    fn from_text(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": (Self::MAX_CHARACTERS) })
    }
}

impl Input for KeyDays {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        number(value, Self::new)
    }

    fn from_text(_: &str) -> Result<Self, Invalid> {
        Err(not_in_a_query())
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 1, "maximum": (Self::MAX) })
    }
}

impl Input for Overlap {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        number(value, Self::new)
    }

    fn from_text(_: &str) -> Result<Self, Invalid> {
        Err(not_in_a_query())
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": (Self::MAX), "default": 24 })
    }
}

impl Input for Permissions {
    fn from_json(value: &Value) -> Result<Self, Faults> {
        let here = |invalid| vec![(String::new(), invalid)];
        let Value::Array(items) = value else {
            return Err(here(Invalid::new("type", "must be a list of permissions")));
        };
        if items.len() > Permission::ALL.len() {
            let invalid = Invalid::new("too-many", "must hold each permission once at most");
            return Err(here(invalid));
        }
        let mut permissions = Vec::new();
        let mut faults = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Some(permission) = item.as_str().and_then(Permission::parse) {
                permissions.push(permission);
            } else {
                let rule = format!("must be one of {}", all().join(", "));
                faults.push((format!("/{index}"), Invalid::new("permission", rule)));
            }
        }
        if faults.is_empty() {
            Ok(permissions.into_iter().collect())
        } else {
            Err(faults)
        }
    }

    fn from_text(_: &str) -> Result<Self, Invalid> {
        Err(not_in_a_query())
    }

    fn schema() -> Value {
        json!({
            "type": "array", "items": { "type": "string", "enum": (all()) },
            "maxItems": (Permission::ALL.len()),
        })
    }
}

/// Returns every permission as it is spelled.
fn all() -> Vec<&'static str> {
    Permission::ALL.iter().map(|known| known.as_str()).collect()
}

fn number<T>(value: &Value, new: impl Fn(i64) -> Result<T, Invalid>) -> Result<T, Faults> {
    let number = value
        .as_i64()
        .ok_or(Invalid::new("type", "must be a whole number"));
    number
        .and_then(new)
        .map_err(|invalid| vec![(String::new(), invalid)])
}

fn not_in_a_query() -> Invalid {
    Invalid::new("type", "cannot be part of a query")
}
