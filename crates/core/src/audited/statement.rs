//! The statement of a change, put together from its parts.

use super::Who;

/// The numbers of parameters that not every change has.
#[derive(Clone, Copy, Default)]
pub(super) struct Tail {
    /// The hash of the request of an attempt; those of its key come before it.
    pub(super) request: Option<usize>,
    /// The roles that the author was checked with.
    pub(super) checked: Option<usize>,
    /// The hash of the secret of the API key that the author was checked with; the id of the key comes before it.
    pub(super) key: Option<usize>,
    /// The first sealed mail, and how many there are.
    pub(super) mail: Option<(usize, usize)>,
    /// Whether the mail is about the user that the change returns.
    pub(super) is_of_user: bool,
    /// The sealed mail that goes out beside.
    pub(super) beside: Option<usize>,
}

/// Writes the entry behind the change, and what not every change has: the key of the attempt, the check of the author and the
/// mail. The parameters of the entry follow the `count` ones of the change.
pub(super) fn with_entry(change: &str, who: Who, count: usize, more: Tail) -> String {
    let [
        actor,
        action,
        entity,
        payload,
        ip,
        user_agent,
        request,
        session,
    ] = std::array::from_fn(|index| count + index + 1);
    let actor = match who {
        Who::Subject => "change.entity_id".to_owned(),
        Who::User(_) | Who::Nobody => format!("${actor}"),
    };
    let remembered = more.request.map_or_else(String::new, remembered);
    let mail = more
        .mail
        .map_or_else(String::new, |letters| mail(letters, more));
    let checked = match (more.checked, more.key) {
        (None, _) => String::new(),
        (Some(checked), None) => {
            let check = format!("check_author({actor}, ${session}, ${checked})");
            format!("\n          where {check}")
        }
        (Some(checked), Some(hash)) => {
            let key = hash - 1;
            let check = format!("check_api_key_author({actor}, ${key}, ${hash}, ${checked})");
            format!("\n          where {check}")
        }
    };
    format!(
        "with {change},
        entry as (
          insert into audit_logs (
            actor_id,
            action,
            entity,
            entity_id,
            payload,
            ip,
            user_agent,
            request_id,
            session_id
          )
          select
            {actor},
            ${action},
            ${entity},
            change.entity_id,
            ${payload},
            ${ip},
            ${user_agent},
            ${request},
            ${session}
          from change{checked}
        ){remembered}{mail}
        select change.*
        from change"
    )
}

/// Writes what keeps the key of an attempt, under each secret.
fn remembered(request: usize) -> String {
    let keys = request - 1;
    format!(
        ",
        remembered as (
          insert into idempotency_keys (
            key,
            request,
            outcome
          )
          select key, ${request}, to_jsonb(change)
          from change
          cross join unnest(${keys}) as key
        )"
    )
}

/// Writes what puts a mail into the outbox; where there are two, the column `is_usual` of the change chooses.
fn mail((first, count): (usize, usize), more: Tail) -> String {
    let user = if more.is_of_user {
        "change.entity_id"
    } else {
        "null"
    };
    let sealed = if count == 1 {
        format!("${first}")
    } else {
        let otherwise = first + 1;
        format!("case when change.is_usual then ${first} else ${otherwise} end")
    };
    let beside = more.beside.map_or_else(String::new, |beside| {
        format!(
            "
          union all
          select {user}, ${beside}
          from change"
        )
    });
    format!(
        ",
        mail as (
          insert into mails (
            user_id,
            sealed
          )
          select {user}, {sealed}
          from change{beside}
        )"
    )
}
