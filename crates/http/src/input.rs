//! What comes in: bodies and queries, read strictly and checked completely.
//!
//! A form is declared once by `form!`. The declaration is the type that handlers get, the parser that names every
//! bad field, and the schema in the API description.

mod api_key;
mod body;
mod cursor;
mod form;
mod json;
mod path;
mod precondition;
mod query;
mod repeatable;
pub(crate) mod seen;
mod value;

pub(crate) use body::OptionalBody;
pub(crate) use cursor::open_cursor;
pub(crate) use form::{Form, Member, Source, form};
pub(crate) use path::{ApiKeyPath, InvitationPath, PasskeyPath, SessionPath, user_id};
pub use precondition::IfMatch;
pub(crate) use query::{Nothing, Query};
pub(crate) use repeatable::{Key, Repeatable, has_key};
pub(crate) use seen::Seen;
pub(crate) use value::{Fields, Input, Nullable, Object};
