//! The table of contents: every path of the API. Each has a file of the same path under `api/`.

use crate::{Endpoint, endpoints};

/// Every path there is.
pub const ALL: &[Endpoint] = &[
    HEALTH,
    HEALTH_LIVE,
    HEALTH_READY,
    AUTH_LOGIN,
    AUTH_CHALLENGE,
    AUTH_REFRESH,
    AUTH_LOGOUT,
    AUTH_JWKS,
    AUTH_LINK,
    AUTH_LINK_CONFIRM,
    AUTH_REGISTER,
    AUTH_VERIFY_EMAIL,
    AUTH_RESEND,
    AUTH_REAUTHENTICATE,
    AUTH_REAUTHENTICATE_OPTIONS,
    AUTH_PASSWORD,
    AUTH_PASSWORD_FORGOT,
    AUTH_PASSWORD_RESET,
    AUTH_EMAIL_CONFIRM,
    AUTH_EMAIL_CANCEL,
    AUTH_RESTORE,
    AUTH_INVITATION,
    AUTH_PASSKEY,
    AUTH_PASSKEY_OPTIONS,
    ME,
    ME_EMAIL,
    ME_EXPORT,
    ME_AUDIT_LOGS,
    ME_FACTORS,
    ME_FACTORS_TOTP,
    ME_FACTORS_TOTP_CONFIRM,
    ME_FACTORS_RECOVERY_CODES,
    ME_PASSKEYS,
    ME_PASSKEYS_OPTIONS,
    ME_PASSKEY,
    ME_SESSIONS,
    ME_SESSION,
    ME_API_KEYS,
    ME_API_KEY,
    ME_API_KEY_ROTATE,
    USERS,
    USER,
    USER_ROLES,
    USER_SESSIONS,
    INVITATIONS,
    INVITATION,
    INVITATION_RESEND,
    USER_FACTORS,
    ROLES,
    AUDIT_LOGS,
    CRON_MAINTAIN,
    CRON_MAILS,
];

/// Defines one path.
macro_rules! endpoint {
    ($name:ident, $path:literal $(or $alias:literal)?, $($module:ident)::+) => {
        #[doc = concat!("`", $path, "`")]
        pub const $name: Endpoint = Endpoint {
            path: $path,
            aliases: &[$($alias)?],
            operations: endpoints::$($module)::+,
        };
    };
}

endpoint!(HEALTH, "/api/health", health::report);
endpoint!(HEALTH_LIVE, "/api/health/live", health::liveness);
endpoint!(HEALTH_READY, "/api/health/ready", health::readiness);
endpoint!(AUTH_LOGIN, "/api/auth/login", sign_in::login);
endpoint!(AUTH_CHALLENGE, "/api/auth/challenge", challenge::challenge);
endpoint!(AUTH_REFRESH, "/api/auth/refresh", auth::refresh);
endpoint!(AUTH_LOGOUT, "/api/auth/logout", auth::logout);
endpoint!(AUTH_JWKS, "/api/auth/jwks" or "/.well-known/jwks.json", auth::jwks);
endpoint!(AUTH_LINK, "/api/auth/link", mail_sign_in::link);
endpoint!(
    AUTH_LINK_CONFIRM,
    "/api/auth/link/confirm",
    mail_sign_in::confirm
);
endpoint!(AUTH_REGISTER, "/api/auth/register", accounts::register);
endpoint!(
    AUTH_VERIFY_EMAIL,
    "/api/auth/verify-email",
    accounts::verify_email
);
endpoint!(AUTH_RESEND, "/api/auth/resend", accounts::resend);
endpoint!(
    AUTH_REAUTHENTICATE,
    "/api/auth/reauthenticate",
    reauthenticate::reauthenticate
);
endpoint!(
    AUTH_REAUTHENTICATE_OPTIONS,
    "/api/auth/reauthenticate/options",
    reauthenticate::options
);
endpoint!(AUTH_PASSWORD, "/api/auth/password", passwords::own);
endpoint!(
    AUTH_PASSWORD_FORGOT,
    "/api/auth/password/forgot",
    passwords::forgot
);
endpoint!(
    AUTH_PASSWORD_RESET,
    "/api/auth/password/reset",
    passwords::reset
);
endpoint!(
    AUTH_EMAIL_CONFIRM,
    "/api/auth/email/confirm",
    email_changes::confirm
);
endpoint!(
    AUTH_EMAIL_CANCEL,
    "/api/auth/email/cancel",
    email_changes::cancel
);
endpoint!(AUTH_RESTORE, "/api/auth/restore", deletion::restore);
endpoint!(
    AUTH_INVITATION,
    "/api/auth/invitation",
    invitations::acceptance
);
endpoint!(AUTH_PASSKEY, "/api/auth/passkey", passkey_sign_in::sign_in);
endpoint!(
    AUTH_PASSKEY_OPTIONS,
    "/api/auth/passkey/options",
    passkey_sign_in::options
);
endpoint!(ME, "/api/me", me::profile);
endpoint!(ME_EXPORT, "/api/me/export", export::export);
endpoint!(ME_EMAIL, "/api/me/email", email_changes::own);
endpoint!(ME_AUDIT_LOGS, "/api/me/audit-logs", audit_logs::own);
endpoint!(ME_FACTORS, "/api/me/factors", factors::own);
endpoint!(ME_FACTORS_TOTP, "/api/me/factors/totp", factors::own_totp);
endpoint!(
    ME_FACTORS_TOTP_CONFIRM,
    "/api/me/factors/totp/confirm",
    factors::own_totp_confirm
);
endpoint!(
    ME_FACTORS_RECOVERY_CODES,
    "/api/me/factors/recovery-codes",
    factors::own_recovery_codes
);
endpoint!(ME_PASSKEYS, "/api/me/passkeys", passkeys::own);
endpoint!(
    ME_PASSKEYS_OPTIONS,
    "/api/me/passkeys/options",
    passkeys::options
);
endpoint!(
    ME_PASSKEY,
    "/api/me/passkeys/{passkey_id}",
    passkeys::own_one
);
endpoint!(ME_SESSIONS, "/api/me/sessions", sessions::own);
endpoint!(
    ME_SESSION,
    "/api/me/sessions/{session_id}",
    sessions::own_one
);
endpoint!(ME_API_KEYS, "/api/me/api-keys", api_keys::collection);
endpoint!(ME_API_KEY, "/api/me/api-keys/{key_id}", api_keys::single);
endpoint!(
    ME_API_KEY_ROTATE,
    "/api/me/api-keys/{key_id}/rotate",
    api_keys::rotation
);
endpoint!(USERS, "/api/users", users::collection);
endpoint!(USER, "/api/users/{user_id}", users::single);
endpoint!(USER_ROLES, "/api/users/{user_id}/roles", user_roles::roles);
endpoint!(
    USER_SESSIONS,
    "/api/users/{user_id}/sessions",
    sessions::of_user
);
endpoint!(INVITATIONS, "/api/invitations", invitations::collection);
endpoint!(
    INVITATION,
    "/api/invitations/{invitation_id}",
    invitations::single
);
endpoint!(
    INVITATION_RESEND,
    "/api/invitations/{invitation_id}/resend",
    invitations::resend
);
endpoint!(
    USER_FACTORS,
    "/api/users/{user_id}/factors",
    factors::of_user
);
endpoint!(ROLES, "/api/roles", roles::collection);
endpoint!(AUDIT_LOGS, "/api/audit-logs", audit_logs::collection);
endpoint!(CRON_MAINTAIN, "/api/cron/maintain", cron::maintain);
endpoint!(CRON_MAILS, "/api/cron/mails", cron::mails);
