//! What things are and what is allowed: users, roles, permissions, sessions, audit events, pages.
//!
//! Nothing here is asynchronous or knows of SQL, HTTP or the environment. Every value is checked when it is parsed,
//! so that a value which exists is valid: the fields are private, `parse` is the only way in.

mod api_key;
mod audit;
mod avatar_url;
mod clock;
mod consistency;
mod email;
mod factor;
mod ids;
mod invalid;
mod invitation;
mod mail;
mod name;
mod one_time;
mod origin;
mod page;
mod passkey;
mod password;
mod permission;
mod proof;
mod role;
mod sign_up;
mod text;
mod user;

pub use api_key::{ApiKey, KeyDays, KeyName, NewApiKey, Overlap};
pub use audit::{Action, AuditFilter, AuditLog, Diff, Entity, Event, Word};
pub use avatar_url::AvatarUrl;
pub use clock::Clock;
pub use consistency::ConsistencyToken;
pub use email::Email;
pub use factor::{Factor, Factors};
pub use ids::{ApiKeyId, EventId, InvitationId, PasskeyId, SessionId, UserId};
pub use invalid::Invalid;
pub use invitation::{Invitation, InvitationState, NewInvitation};
pub use mail::{Language, Message, Template};
pub use name::Name;
pub use one_time::Purpose;
pub use origin::{Origin, RequestId, UserAgent};
pub use page::{Direction, Limit, Page, Position};
pub use passkey::{Ceremony, PasskeyName};
pub use password::{Password, PasswordAttempt, PasswordCandidate};
pub use permission::{Grant, Permission, Permissions, grants};
pub use proof::{Method, Methods, Proof};
pub use role::{Role, RoleName, RoleSet};
pub use sign_up::SignUp;
pub use text::SearchTerm;
pub use user::{NewUser, User, UserFilter, UserKey, UserSort};
