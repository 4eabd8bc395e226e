//! The codes of problems: one table, from which answers, documentation and the API description are made.

use http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $slug:literal, $title:literal, $remedy:literal;)+) => {
        /// Names what went wrong; a code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the status of an answer with this code.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            /// Returns the code as answers spell it.
            pub fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)+
                }
            }

            /// Returns what it means, in one sentence.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                }
            }

            /// Returns what the caller can do about it.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)+
                }
            }
        }
    };
}

codes! {
    MalformedJson = BAD_REQUEST, "malformed-json",
        "The body is not acceptable JSON.",
        "Send one JSON object in UTF-8, without duplicate members, at most 32 levels deep.";
    MalformedQuery = BAD_REQUEST, "malformed-query",
        "The query of the URL cannot be decoded.",
        "Percent-encode the parameters as UTF-8 (RFC 3986, section 2.1).";
    ValidationFailed = BAD_REQUEST, "validation-failed",
        "Some values break their rules.",
        "Correct every value listed in `errors`.";
    InvalidSecret = BAD_REQUEST, "invalid-secret",
        "The link or the code is not good, or not any more.",
        "Each is good once, for a while, and only the newest one; ask for another mail.";
    PasskeyRefused = BAD_REQUEST, "passkey-refused",
        "The passkey is not the one that was asked for, or was asked for too long ago.",
        "Ask for options again where you did, and send the answer of the authenticator within 5 minutes, once, in the session that asked. It has to verify its user.";
    Unauthenticated = UNAUTHORIZED, "unauthenticated",
        "The request needs a valid access token.",
        "Send `Authorization: Bearer` with an access token that is not older than 5 minutes. Sign in at /api/auth/login, or get a new access token at /api/auth/refresh.";
    InvalidCredentials = UNAUTHORIZED, "invalid-credentials",
        "The e-mail address or the password is wrong.",
        "Check both; we do not say which.";
    InvalidPasskey = UNAUTHORIZED, "invalid-passkey",
        "Nobody can be signed in with this passkey.",
        "Ask /api/auth/passkey/options again, and send the answer of the authenticator within 5 minutes, once; or sign in with the password.";
    InvalidRefreshToken = UNAUTHORIZED, "invalid-refresh-token",
        "The refresh token is not valid, or not any more.",
        "Sign in again.";
    InvalidChallenge = UNAUTHORIZED, "invalid-challenge",
        "The sign-in that waits for a code is not there any more.",
        "It is good once, for 10 minutes and 5 codes, and while the account stays as it is: sign in again at /api/auth/login.";
    InvalidCode = UNAUTHORIZED, "invalid-code",
        "The code is wrong, or was used before.",
        "Send the code that the authenticator app shows now, which is good once, or a recovery code that was not used. Look at the clock of the device.";
    ReauthenticationRequired = UNAUTHORIZED, "reauthentication-required",
        "The request needs a proof of the last 10 minutes that it is you.",
        "Send what `methods` names to /api/auth/reauthenticate, then the request again: your password, with a code where it names a second factor, or the answer of a passkey. Where it names nothing, sign in again.";
    Forbidden = FORBIDDEN, "forbidden",
        "The account may not do this.",
        "Ask an administrator for a role with the permission named in `detail`.";
    SessionRequired = FORBIDDEN, "session-required",
        "An API key does not open this.",
        "Sign in at /api/auth/login, and send the access token of that session.";
    AccountInactive = FORBIDDEN, "account-inactive",
        "The account may not sign in.",
        "Ask an administrator to activate it.";
    DeletionPending = FORBIDDEN, "deletion-pending",
        "The account is about to be deleted.",
        "Open the link of the mail that told so: it undoes the deletion until its day has come.";
    EmailUnverified = FORBIDDEN, "email-unverified",
        "The address of the account is not verified yet.",
        "Open the link that was mailed to the address; /api/auth/resend sends another one.";
    SecondFactorRequired = FORBIDDEN, "second-factor-required",
        "The first step of the sign-in was right, and the account has a second factor.",
        "Send `challengeToken` and a code to /api/auth/challenge within 10 minutes; `methods` names what the code may be of.";
    WrongPassword = FORBIDDEN, "wrong-password",
        "The current password is wrong.",
        "Send the password that you sign in with. If you do not know it any more, /api/auth/password/forgot mails a link to choose another one.";
    PasswordMissing = FORBIDDEN, "password-missing",
        "The account has no password to be asked for.",
        "Choose one first: /api/auth/password/forgot mails a link to do so. Who is to prove once more who they are can do so with a passkey, or sign in again.";
    SignUpClosed = FORBIDDEN, "sign-up-closed",
        "Nobody may register with this address.",
        "Ask an administrator for an account.";
    ForeignOrigin = FORBIDDEN, "foreign-origin",
        "A page of another origin may not do this.",
        "Serve the page under the origin of the API, and send `Usher-Session: cookie` from there alone.";
    RoleEscalation = FORBIDDEN, "role-escalation",
        "A role allows more than the caller may do.",
        "Nobody gives away, or acts on, permissions they do not hold; ask somebody who holds them.";
    NotFound = NOT_FOUND, "not-found",
        "There is nothing at this path.",
        "/openapi.json lists the paths.";
    UserNotFound = NOT_FOUND, "user-not-found",
        "There is no such user.",
        "Look the id up in the list of users.";
    SessionNotFound = NOT_FOUND, "session-not-found",
        "There is no such session of yours, or it is over.",
        "/api/me/sessions lists those that are alive.";
    InvitationNotFound = NOT_FOUND, "invitation-not-found",
        "There is no such invitation that is open.",
        "/api/invitations lists them; one that was accepted or taken back is over.";
    FactorNotFound = NOT_FOUND, "factor-not-found",
        "There is no such second factor.",
        "/api/me/factors lists those in force. An authenticator app that was begun waits for 30 minutes and 5 codes: begin anew at /api/me/factors/totp.";
    PasskeyNotFound = NOT_FOUND, "passkey-not-found",
        "There is no such passkey of yours.",
        "/api/me/passkeys lists those that there are.";
    ApiKeyNotFound = NOT_FOUND, "api-key-not-found",
        "There is no such API key of yours, or it is over.",
        "/api/me/api-keys lists those that are good.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed",
        "The path does not know this method.",
        "Use one of the methods in the header `Allow`.";
    EmailTaken = CONFLICT, "email-taken",
        "Another user has the e-mail address.",
        "Use another address, or change the user who has it.";
    InvitationExists = CONFLICT, "invitation-exists",
        "The address is invited already.",
        "Send that invitation again, or take it back first.";
    FactorExists = CONFLICT, "factor-exists",
        "The account has an authenticator app already.",
        "Remove it first, at /api/me/factors/totp.";
    ShortPassword = CONFLICT, "short-password",
        "The password is too short to stand alone.",
        "Choose one of 15 characters at least, at /api/auth/password; then remove the second factor.";
    TooManyApiKeys = CONFLICT, "too-many-api-keys",
        "You have 50 API keys, which is the most.",
        "Revoke one that is not used any more; /api/me/api-keys lists them.";
    ApiKeyRotated = CONFLICT, "api-key-rotated",
        "The API key got another secret at the same time.",
        "Use the secret of that request, or send this one again for yet another one.";
    LastAdmin = CONFLICT, "last-admin",
        "The last active admin must stay one.",
        "Make somebody else an active admin first.";
    PasskeyTaken = CONFLICT, "passkey-taken",
        "The passkey was added before.",
        "Sign in with it, or let the authenticator make another one.";
    TooManyPasskeys = CONFLICT, "too-many-passkeys",
        "An account has 20 passkeys at most.",
        "Remove one that is not used any more.";
    LastPasskey = CONFLICT, "last-passkey",
        "The account has no password, so its last passkey stays.",
        "Add another passkey first, or choose a password with a mail from /api/auth/password/forgot.";
    EditConflict = CONFLICT, "edit-conflict",
        "The user was changed by others again and again.",
        "Read the user again and repeat the change.";
    VersionMismatch = PRECONDITION_FAILED, "version-mismatch",
        "The user is no longer at the version named in `If-Match`.",
        "Read the user again, and repeat the change with its new `ETag`.";
    BodyTimeout = REQUEST_TIMEOUT, "body-timeout",
        "The body took longer than 5 seconds to arrive.",
        "Send it at once; nothing was done.";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body-too-large",
        "The body is larger than 64 KiB.",
        "Send less.";
    KeyReused = UNPROCESSABLE_ENTITY, "idempotency-key-reused",
        "The `Idempotency-Key` belongs to another request.",
        "Use a new key for a new request, and the same key only for the very same one.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type",
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json` and no `Content-Encoding`.";
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests",
        "There were too many requests or tries.",
        "Wait for the seconds in `Retry-After`; nothing was looked at. A password that was tried too often is chosen anew with a mail from /api/auth/password/forgot.";
    TooManyCodes = TOO_MANY_REQUESTS, "too-many-codes",
        "Five codes were tried within ten minutes.",
        "Wait for the seconds in `Retry-After`, or sign in again.";
    Internal = INTERNAL_SERVER_ERROR, "internal",
        "Something went wrong here.",
        "Report the `requestId`; nothing more is told.";
    DatabaseUnavailable = SERVICE_UNAVAILABLE, "database-unavailable",
        "The database does not answer.",
        "Repeat the request after the seconds in `Retry-After`.";
    SchemaOutdated = SERVICE_UNAVAILABLE, "schema-outdated",
        "The database lacks migrations that this build needs.",
        "Deploy the migrations with `usher migrate deploy`.";
    Misconfigured = SERVICE_UNAVAILABLE, "misconfigured",
        "The service is not configured.",
        "Its log says which variable to set.";
    Busy = SERVICE_UNAVAILABLE, "busy",
        "Too many requests are waiting already.",
        "Repeat the request after the seconds in `Retry-After`.";
    DeadlineExceeded = SERVICE_UNAVAILABLE, "deadline-exceeded",
        "The request took longer than 8 seconds.",
        "Read the state first: a change may have been made. Then repeat the request.";
}
