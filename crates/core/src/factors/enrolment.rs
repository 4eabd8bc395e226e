//! An authenticator app that is taken: begun with a secret that is shown once, and in force when its first code was shown.

use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, SessionId, UserId};
use zeroize::Zeroizing;

use super::{
    codes::{Tried, Used, seal},
    recovery::NewCodes,
    totp::SECRET_LENGTH,
};
use crate::{
    Attempt, Author, Connection, Result, bytes::base32, connection::Parameter,
    idempotency::Material, mails::Mail, secret::Secret,
};

/// For how long an app that was begun may be confirmed, in minutes.
const MINUTES: i32 = 30;

/// The secret of an app that was begun, for whoever is to put it there.
pub struct Begun(Zeroizing<[u8; SECRET_LENGTH]>);

impl Begun {
    fn of(material: &Material<'_>) -> Result<Self> {
        let bytes = Zeroizing::new(material.bytes("secret of an authenticator app")?);
        let mut key = Zeroizing::new([0; SECRET_LENGTH]);
        key.copy_from_slice(&bytes[..SECRET_LENGTH]);
        Ok(Self(key))
    }

    /// Returns the secret as apps take it: base32 without padding (RFC 4648, section 6).
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(base32(&*self.0))
    }
}

/// Begins with an app, in place of one that was begun and not confirmed, or returns `None` when one is in force.
pub async fn begin(
    connection: &Connection,
    author: Author<'_>,
    user: UserId,
    (secret, attempt): (&Secret, Option<&Attempt>),
) -> Result<Option<Begun>> {
    let change = "account as (
          select id
          from users
          where id = $1
            and not second_factors @> array['totp']
            and is_active
            and deleted_at is null
          for no key update
        ),
        change as (
          insert into totp_factors (
            user_id,
            sealed
          )
          select account.id, $2
          from account
          on conflict (user_id) do update
          set
            sealed = excluded.sealed,
            created_at = now(),
            tries = 0,
            tries_end_at = null
          where totp_factors.confirmed_at is null
          returning
            totp_factors.user_id as entity_id,
            totp_factors.created_at as issued_at,
            $3::uuid as nonce
        )";
    let material = Material::new(attempt)?;
    let begun = Begun::of(&material)?;
    let sealed = seal(secret, user, &*begun.0)?;
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&sealed.as_slice(), Type::BYTEA),
        (&material.nonce, Type::UUID),
    ];
    let event = Event::new(Action::FactorBegin, Entity::User)
        .with_payload(serde_json::json!({ "factor": "totp" }));
    let author = author.once(attempt);
    let changed = connection
        .change_once("begin factor", author, &event, change, parameters)
        .await?;
    changed
        .map(|changed| match attempt {
            Some(attempt) if changed.is_repeated => {
                Begun::of(&Material::of(attempt, &changed.row)?)
            }
            _ => Ok(begun),
        })
        .transpose()
}

/// The first code of an app.
pub struct Confirmation<'a> {
    /// Whose app it is.
    pub user: UserId,
    /// The session that goes on; all others end.
    pub session: SessionId,
    /// The code, if it is right; without one only an earlier attempt is looked for.
    pub code: Option<(&'a Tried, &'a Used)>,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
}

/// Puts an app in force whose code is right, with ten recovery codes, and ends all sessions but the one that goes on; or returns
/// `None` when it is too late for that. The session that goes on has two factors from then on.
pub async fn confirm(
    connection: &Connection,
    author: Author<'_>,
    confirmation: Confirmation<'_>,
    codes: NewCodes,
    mail: &Mail,
) -> Result<Option<NewCodes>> {
    let Confirmation { user, attempt, .. } = confirmation;
    let session = confirmation.session.to_string();
    let (sealed, used) = confirmation.code.unzip();
    let sealed = sealed.and_then(|tried| tried.sealed.as_deref());
    let (step, resealed, _) = used.map(Used::values).unwrap_or_default();
    let parameters: &[Parameter<'_>] = &[
        (&user.get(), Type::INT8),
        (&sealed, Type::BYTEA),
        (&step, Type::INT8),
        (&resealed, Type::BYTEA),
        (&MINUTES, Type::INT4),
        (&codes.hashes(), Type::BYTEA_ARRAY),
        (&codes.nonce, Type::UUID),
        (&session, Type::TEXT),
    ];
    let event = Event::new(Action::FactorAdd, Entity::User)
        .with_payload(serde_json::json!({ "factor": "totp" }));
    let author = author.once(attempt).mailing(mail);
    let changed = connection
        .change_once("confirm factor", author, &event, CONFIRM, parameters)
        .await?;
    changed
        .map(|changed| match attempt {
            Some(attempt) if changed.is_repeated => {
                NewCodes::of(user, &Material::of(attempt, &changed.row)?)
            }
            _ => Ok(codes),
        })
        .transpose()
}

/// The parameters are those of [`confirm`], in the order it sends them. The row has to hold the very secret that the code was
/// looked at with: another one may have been begun meanwhile.
const CONFIRM: &str = "account as (
          select id
          from users
          where id = $1
            and not second_factors @> array['totp']
            and is_active
            and deleted_at is null
          for no key update
        ),
        confirmed as (
          update totp_factors
          set
            confirmed_at = now(),
            last_step = $3,
            last_used_at = now(),
            tries = 0,
            sealed = coalesce($4, totp_factors.sealed)
          from account
          where totp_factors.user_id = account.id
            and totp_factors.confirmed_at is null
            and totp_factors.sealed = $2
            and totp_factors.created_at > now() - make_interval(mins => $5)
            and $3 > 0
          returning totp_factors.user_id
        ),
        void as (
          delete from recovery_codes
          using confirmed
          where recovery_codes.user_id = confirmed.user_id
        ),
        codes as (
          insert into recovery_codes (
            user_id,
            code_hash
          )
          select confirmed.user_id, code_hash
          from confirmed
          cross join unnest($6) as code_hash
        ),
        own as (
          update sessions
          set methods = array_append(sessions.methods, 'otp')
          from confirmed
          where sessions.id = $8::uuid
            and sessions.user_id = confirmed.user_id
            and not sessions.methods @> array['otp']
        ),
        change as (
          update users
          set
            second_factors = array_append(users.second_factors, 'totp'),
            factors_changed_at = now()
          from confirmed
          where users.id = confirmed.user_id
          returning
            users.id as entity_id,
            now() as issued_at,
            $7::uuid as nonce,
            set_config('usher.kept_session', $8, true) as kept_session
        )";
