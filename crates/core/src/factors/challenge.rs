//! The second step of a sign-in: a challenge is good once, for ten minutes and five codes.
//!
//! Between the two steps the account may change, so everything is asked again at the second one: the challenge is void when the
//! account was deactivated or removed, or has another password, another address or no second factor by then.

use tokio_postgres::types::Type;
use usher_domain::{Action, Entity, Event, Method, Origin, SessionId};
use uuid::Builder;

use super::{
    MOST_TRIES,
    codes::{Tried, Used, told, used},
    half::proved,
};
use crate::{
    Attempt, Author, Connection, Result,
    bytes::random,
    connection::Parameter,
    mails::Mail,
    one_time::Token,
    refresh::RefreshToken,
    row::USER_COLUMNS,
    secret::Secret,
    sessions::{LIFETIME_DAYS, Session},
    users::MUST_VERIFY,
};

/// Counts a try at a challenge, before the code is looked at, or returns `None` when the challenge is no good any more: it was
/// used, its time or its tries are over, or the account was changed.
///
/// A request that comes again with its key shows the same code, and is the same try.
pub async fn count_challenge_try(
    connection: &Connection,
    token: &Token,
    attempt: Option<&Attempt>,
) -> Result<Option<Tried>> {
    let statement = format!(
        "update challenges
        set
          tries = case when last_request = $3 then tries else tries + 1 end,
          last_request = $3
        where secret_hash = $1
          and used_at is null
          and expires_at > now()
          and (tries < $2 or last_request = $3)
          and exists (
            select
            from users
            where users.id = challenges.user_id
              and users.is_active
              and users.deleted_at is null
              and challenges.proved = {proved}
          )
        returning
          user_id,
          (
            select totp_factors.sealed
            from totp_factors
            where totp_factors.user_id = challenges.user_id
              and totp_factors.confirmed_at is not null
          ) as sealed,
          {told}",
        told = told("challenges"),
        proved = proved("users.password", "users.email", "challenges.methods"),
    );
    let request = attempt.and_then(Attempt::request);
    let hash = token.hash();
    let parameters: &[Parameter<'_>] = &[
        (&hash.as_slice(), Type::BYTEA),
        (&MOST_TRIES, Type::INT4),
        (&request, Type::BYTEA),
    ];
    let rows = connection
        .settle("count challenge", &statement, parameters)
        .await?;
    rows.first().map(Tried::read).transpose()
}

/// A challenge with a second factor that is right as far as can be told.
pub struct Redemption<'a> {
    /// The challenge.
    pub token: &'a Token,
    /// The code; with an empty one only an earlier attempt is waited for.
    pub used: &'a Used,
    /// The request, when it may be sent again.
    pub attempt: Option<&'a Attempt>,
    /// What the owner is told of the code.
    pub mail: Option<&'a Mail>,
}

/// Begins a session, or returns `None` when the code or the challenge was used before, or the account was changed meanwhile.
pub async fn redeem(
    connection: &Connection,
    origin: &Origin,
    secret: &Secret,
    redemption: &Redemption<'_>,
) -> Result<Option<Session>> {
    let attempt = redemption.attempt;
    let id = SessionId::new(Builder::from_random_bytes(random()?).into_uuid());
    let refresh = match attempt.and_then(Attempt::seed) {
        Some(seed) => RefreshToken::first_of(id, seed),
        None => RefreshToken::first(id, secret)?,
    };
    let user_agent = origin.user_agent.as_ref();
    let user_agent = user_agent.map(usher_domain::UserAgent::as_str);
    let (step, resealed, recovery) = redemption.used.values();
    let (challenge_hash, refresh_hash) = (redemption.token.hash(), refresh.hash());
    let parameters: &[Parameter<'_>] = &[
        (&challenge_hash.as_slice(), Type::BYTEA),
        (&step, Type::INT8),
        (&resealed, Type::BYTEA),
        (&recovery, Type::BYTEA),
        (&id.get(), Type::UUID),
        (&refresh_hash.as_slice(), Type::BYTEA),
        (&LIFETIME_DAYS, Type::INT4),
        (&origin.ip, Type::INET),
        (&user_agent, Type::TEXT),
        (&Method::OneTimeCode.as_str(), Type::TEXT),
    ];
    let event = Event::new(Action::Login, Entity::User).with_session(id);
    let author = Author::subject(id, origin).once(attempt);
    let author = redemption.mail.map_or(author, |mail| author.mailing(mail));
    let changed = connection
        .change_once(
            "redeem challenge",
            author,
            &event,
            &redeem_statement(),
            parameters,
        )
        .await?;
    let Some(changed) = changed else {
        return Ok(None);
    };
    Session::begun(&changed, refresh, attempt).map(Some)
}

/// Marks the challenge `$1` as used.
const DONE: &str = "done as (
          update challenges
          set used_at = now()
          from proven
          where challenges.secret_hash = $1
        )";

/// Takes the try at the password back that began the challenge.
const FORGIVEN: &str = "forgiven as (
          delete from credential_tries
          where exists (select from change)
            and key in (
              select credential_tries.key
              from challenge
              join credential_tries on credential_tries.key = any (challenge.tried)
              order by array_position(challenge.tried, credential_tries.key)
              for update of credential_tries
            )
        )";

/// The parameters are those of [`redeem`], in the order it sends them.
///
/// The row of the challenge is locked before the code is used, and marked after: who shows another code at the same challenge at
/// the same time waits, and keeps that code.
fn redeem_statement() -> String {
    format!(
        "account as (
          select
            {USER_COLUMNS},
            users.password
          from users
          where id = (select user_id from challenges where secret_hash = $1)
            and cardinality(second_factors) > 0
            and is_active
            and deleted_at is null
            and not {MUST_VERIFY}
          for no key update
        ),
        challenge as (
          select
            account.id,
            challenges.tried,
            challenges.methods
          from challenges
          join account on account.id = challenges.user_id
          where challenges.secret_hash = $1
            and challenges.proved = {proved}
            and challenges.used_at is null
            and challenges.expires_at > now()
          for update of challenges
        ),
        {used},
        {DONE},
        session as (
          insert into sessions (
            id,
            user_id,
            refresh_hash,
            expires_at,
            ip,
            user_agent,
            methods
          )
          select $5, proven.user_id, $6, now() + make_interval(days => $7), $8, $9, array_append(challenge.methods, $10)
          from proven
          cross join challenge
          returning id as session_id, created_at, methods
        ),
        change as (
          select
            {columns},
            account.id as entity_id,
            session.session_id,
            session.methods,
            session.created_at as authenticated_at,
            session.created_at as issued_at
          from account
          cross join session
        ),
        {FORGIVEN}",
        used = used(2, "challenge"),
        proved = proved("account.password", "account.email", "challenges.methods"),
        columns = USER_COLUMNS.replace("users.", "account."),
    )
}
