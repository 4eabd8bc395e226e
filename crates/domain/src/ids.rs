//! Typed ids, so that one kind is never taken for another.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::Invalid;

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(i64);

        impl $name {
            /// Takes an id as the database gave it.
            pub fn new(id: i64) -> Self {
                Self(id)
            }

            /// Checks an id: a whole number from 1 to 9223372036854775807, written without sign or leading zero.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
                match text.parse() {
                    Ok(id) if is_canonical => Ok(Self(id)),
                    _ => Err(Invalid::new("id", "must be a whole number from 1 to 9223372036854775807")),
                }
            }

            /// Returns the id as the number it is.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

numeric_id!(
    /// Names a user.
    UserId
);
numeric_id!(
    /// Names an invitation.
    InvitationId
);
numeric_id!(
    /// Names an API key. It is no secret: the key has one beside it.
    ApiKeyId
);
numeric_id!(
    /// Names an entry of the audit log.
    EventId
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes an id as it was stored.
            pub fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// Checks an id: a UUID.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Invalid::new("id", "must be a UUID"))
            }

            /// Returns the id as the UUID it is.
            pub fn get(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

uuid_id!(
    /// Names a session. It is no secret: whoever knows it cannot use the session.
    SessionId
);
uuid_id!(
    /// Names a passkey among those of its owner. It is no secret, and not what its authenticator calls it.
    PasskeyId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(
            UserId::parse("9223372036854775807").unwrap().get(),
            i64::MAX
        );
        for text in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            " 1",
            "1.0",
            "1e3",
            "0x1",
            "9223372036854775808",
            "١",
            "1/2",
            "[user_id]",
        ] {
            assert_eq!(UserId::parse(text).unwrap_err().code, "id", "{text:?}");
        }
    }
}
