//! Mails: what they are about, in which language, and whom they go to.

use serde::{Deserialize, Serialize};

use crate::Email;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// Confirm the address of a new account.
    VerifyEmail,
    /// Somebody wanted an account with an address that has one.
    AccountExists,
    /// Choose another password.
    ResetPassword,
    /// The password was changed with a secret from a mail.
    PasswordChanged,
    /// The password was changed by somebody who was signed in and knew it.
    OwnPasswordChanged,
    /// Confirm the address that somebody wants for their account.
    ConfirmNewEmail,
    /// Somebody wants an address for their account that somebody else has.
    EmailWanted,
    /// Confirm or cancel another address, from the present one.
    ConfirmEmailChange,
    /// The address was changed, which both the old and the new one learn.
    EmailChanged,
    /// The account is deleted after a while, unless its owner undoes that.
    AccountDeletion,
    /// The deletion of the account was undone.
    AccountRestored,
    /// Somebody is invited to make an account.
    Invitation,
    /// A second factor was put in force.
    SecondFactorAdded,
    /// A second factor was removed by its owner.
    SecondFactorRemoved,
    /// All second factors were removed by an administrator.
    SecondFactorsReset,
    /// There are new recovery codes.
    RecoveryCodesRenewed,
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// A passkey was added to the account.
    PasskeyAdded,
    /// A passkey was removed from the account.
    PasskeyRemoved,
    /// Sign in with a link or a code.
    SignIn,
    /// An API key was made for the account.
    ApiKeyCreated,
}

impl Template {
    /// Every one there is.
    pub const ALL: [Self; 21] = [
        Self::VerifyEmail,
        Self::AccountExists,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::OwnPasswordChanged,
        Self::ConfirmNewEmail,
        Self::EmailWanted,
        Self::ConfirmEmailChange,
        Self::EmailChanged,
        Self::AccountDeletion,
        Self::AccountRestored,
        Self::Invitation,
        Self::SecondFactorAdded,
        Self::SecondFactorRemoved,
        Self::SecondFactorsReset,
        Self::RecoveryCodesRenewed,
        Self::RecoveryCodeUsed,
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::SignIn,
        Self::ApiKeyCreated,
    ];

    /// Returns the name that its files begin with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::AccountExists => "account-exists",
            Self::ResetPassword => "reset-password",
            Self::PasswordChanged => "password-changed",
            Self::OwnPasswordChanged => "own-password-changed",
            Self::ConfirmNewEmail => "confirm-new-email",
            Self::EmailWanted => "email-wanted",
            Self::ConfirmEmailChange => "confirm-email-change",
            Self::EmailChanged => "email-changed",
            Self::AccountDeletion => "account-deletion",
            Self::AccountRestored => "account-restored",
            Self::Invitation => "invitation",
            Self::SecondFactorAdded => "second-factor-added",
            Self::SecondFactorRemoved => "second-factor-removed",
            Self::SecondFactorsReset => "second-factors-reset",
            Self::RecoveryCodesRenewed => "recovery-codes-renewed",
            Self::RecoveryCodeUsed => "recovery-code-used",
            Self::PasskeyAdded => "passkey-added",
            Self::PasskeyRemoved => "passkey-removed",
            Self::SignIn => "sign-in",
            Self::ApiKeyCreated => "api-key-created",
        }
    }

    /// Returns the names of the values that its texts may hold, beside `site`.
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::VerifyEmail | Self::SignIn => &["link", "code"],
            Self::ResetPassword | Self::ConfirmNewEmail | Self::Invitation => &["link"],
            Self::ConfirmEmailChange => &["link", "cancel", "address"],
            Self::EmailChanged => &["old", "address"],
            Self::AccountDeletion => &["link", "days"],
            Self::ApiKeyCreated => &["name", "scopes", "days"],
            Self::RecoveryCodeUsed => &["left"],
            Self::AccountExists
            | Self::PasswordChanged
            | Self::OwnPasswordChanged
            | Self::EmailWanted
            | Self::AccountRestored
            | Self::SecondFactorAdded
            | Self::SecondFactorRemoved
            | Self::SecondFactorsReset
            | Self::RecoveryCodesRenewed
            | Self::PasskeyAdded
            | Self::PasskeyRemoved => &[],
        }
    }
}

/// A language that mails are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English, where nobody asks for another one.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
}

impl Language {
    /// Every one there is.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns its tag (RFC 5646), which is a part of the names of its files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Chooses by a list such as `de-CH, en;q=0.8` (RFC 9110, section 12.5.4): of those there are, the most wanted one.
    pub fn choose(accepted: &str) -> Self {
        let mut best = (0.0, Self::default());
        for range in accepted.split(',') {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let weight = match weight.trim().strip_prefix("q=") {
                Some(weight) => weight.parse().unwrap_or(0.0),
                None => 1.0,
            };
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let known = Self::ALL
                .into_iter()
                .find(|language| language.as_str().eq_ignore_ascii_case(primary));
            if let Some(known) = known
                && weight > best.0
            {
                best = (weight, known);
            }
        }
        best.1
    }
}

/// A mail to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whom it goes to.
    pub recipient: Email,
    /// What it is about.
    pub template: Template,
    /// Its language.
    pub language: Language,
    /// The values of its texts, by name: those of [`Template::values`].
    pub values: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_most_wanted_of_those_there_are() {
        for (accepted, expected) in [
            ("", Language::English),
            ("fr", Language::English),
            ("de", Language::German),
            ("DE-ch", Language::German),
            ("fr, de;q=0.5, en;q=0.4", Language::German),
            ("de;q=0.4, en", Language::English),
            ("en, de", Language::English),
            ("de;q=0", Language::English),
            ("de;q=nonsense", Language::English),
            ("de;q=NaN", Language::English),
            ("den", Language::English),
        ] {
            assert_eq!(Language::choose(accepted), expected, "{accepted}");
        }
    }
}
