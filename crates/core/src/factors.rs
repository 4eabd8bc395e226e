//! Second factors: codes of an authenticator app, the recovery codes beside them, and what they are asked for.
//!
//! Which factors an account has in force stands in its row of `users` (`second_factors`), so that a sign-in, which locks the row,
//! and a change of factors never pass each other unseen. A code is looked at only after the try was counted and committed,
//! and it is used up by the statement of whatever it allows: of several at once, one gets there.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use usher_domain::UserId;

use crate::{Connection, Error, Result, row};

mod challenge;
mod codes;
mod enrolment;
mod half;
mod proof;
mod recovery;
mod removal;
mod resealing;
pub mod totp;

pub use challenge::{Redemption, count_challenge_try, redeem};
pub use codes::{State, Tried, Used, count_try, record_refused_code};
pub use enrolment::{Begun, Confirmation, begin, confirm};
pub use half::{Ask, Challenge, ask, repeated};
pub(crate) use half::{Half, begin as begin_half};
pub(crate) use proof::proved_before;
pub use proof::{Proved, Proving, prove_again};
pub use recovery::{NewCodes, renew};
pub use removal::{remove_all, remove_totp};
pub use resealing::reseal;

/// How often codes may be tried: at one challenge, or within ten minutes in sessions of one account.
const MOST_TRIES: i32 = 5;

/// The second factors of an account as its owner sees them.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The authenticator app, if there is one in force.
    pub totp: Option<Totp>,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
}

/// An authenticator app in force.
#[derive(Clone, Copy, Debug)]
pub struct Totp {
    /// Since when.
    pub since: OffsetDateTime,
    /// When a code of it was last used.
    pub last_used_at: Option<OffsetDateTime>,
}

/// Returns the second factors of a user; never a secret.
pub async fn find(connection: &Connection, user: UserId) -> Result<Standing> {
    let statement = "select
          totp_factors.confirmed_at,
          totp_factors.last_used_at,
          (
            select count(*)
            from recovery_codes
            where recovery_codes.user_id = users.id
              and recovery_codes.used_at is null
          ) as recovery_codes
        from users
        left join totp_factors on totp_factors.user_id = users.id and totp_factors.confirmed_at is not null
        where users.id = $1";
    let row = connection
        .row("find factors", statement, &[(&user.get(), Type::INT8)])
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("user_id", "there is no such user"))?;
    let since: Option<OffsetDateTime> = row::get(&row, "confirmed_at")?;
    let last_used_at = row::get(&row, "last_used_at")?;
    Ok(Standing {
        totp: since.map(|since| Totp {
            since,
            last_used_at,
        }),
        recovery_codes: row::get(&row, "recovery_codes")?,
    })
}
