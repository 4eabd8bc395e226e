//! Secrets that are good once: what they are for.

/// What a one-time secret is for; it is refused for everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Confirms the address of an account.
    VerifyEmail,
    /// Lets the owner of an address choose another password.
    ResetPassword,
    /// Signs in, on the device that asked for it alone.
    SignIn,
}

impl Purpose {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::VerifyEmail, Self::ResetPassword, Self::SignIn];

    /// Returns it as the database spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::ResetPassword => "reset-password",
            Self::SignIn => "sign-in",
        }
    }

    /// Returns for how many minutes a link is good.
    pub fn link_minutes(self) -> i32 {
        match self {
            Self::VerifyEmail => 24 * 60,
            Self::ResetPassword => 60,
            Self::SignIn => 10,
        }
    }

    /// Returns for how many minutes a code is good, or `None` when there is none.
    pub fn code_minutes(self) -> Option<i32> {
        match self {
            Self::VerifyEmail | Self::SignIn => Some(10),
            Self::ResetPassword => None,
        }
    }
}
