//! The one statement that counts a request against all its limits, put together from its parts.
//!
//! One limit comes after the other, and only while all before it let the request through: who is refused by the limit of an
//! address takes no tries from an account. Every statement goes through the limits in the same order, in which their rows are
//! locked.

use super::{
    charge::{Condition, Item, Measure},
    table::LONGEST_DELAY,
};

/// Writes the statement. Each item has its parameters one after the other, those of the device come before them.
pub(super) fn counting(items: &[Item], has_device: bool) -> String {
    let mut next = 1;
    let mut parts = Vec::new();
    if has_device {
        parts.push(KNOWN.to_owned());
        next += 3;
    }
    for (index, item) in items.iter().enumerate() {
        let mut conditions: Vec<_> = (0..index)
            .map(|earlier| {
                format!("not exists (select from limit_{earlier} where not is_admitted)")
            })
            .collect();
        match item.condition {
            Condition::KnownDevice => conditions.push("(select is_known from device)".to_owned()),
            Condition::UnknownDevice if has_device => {
                conditions.push("not (select is_known from device)".to_owned());
            }
            Condition::UnknownDevice | Condition::Always => {}
        }
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!("where {}", conditions.join(" and "))
        };
        let counted = match item.measure {
            Measure::Rate(_) => rate(next, &condition),
            Measure::Tries { .. } => tries(next, &condition),
        };
        parts.push(format!("limit_{index} as ({counted})"));
        next += item.measure.parameters();
    }
    let rows = (0..items.len()).map(|index| {
        format!("select {index} as place, is_admitted, is_news, wait, remaining, reset from limit_{index}")
    });
    let rows: Vec<_> = rows.collect();
    format!("with {} {}", parts.join(", "), rows.join(" union all "))
}

/// Tells whether a device token is of the account that is signed in to, and neither old nor from before its password.
const KNOWN: &str = "device as (
          select exists (
            select from users
            where id = $1
              and email = $2
              and deleted_at is null
              and $3 > coalesce(password_changed_at, '-infinity')
              and $3 > now() - interval '180 days'
          ) as is_known
        )";

/// A refusal is written into the audit log once in this time.
const NEWS: &str = "interval '1 hour'";

/// The generic cell rate algorithm (ITU-T I.371): `full_at` is its theoretical arrival time. The parameters are key, requests, and
/// seconds for each.
fn rate(first: usize, condition: &str) -> String {
    let [key, requests, each] = [first, first + 1, first + 2];
    let open =
        format!("rate.full_at <= now() + make_interval(secs => ${each} * (${requests} - 1))");
    format!(
        "insert into request_rates as rate (key, full_at, is_admitted)
          select ${key}, now() + make_interval(secs => ${each}), true
          {condition}
          on conflict (key) do update
          set
            full_at = case
              when {open} then greatest(rate.full_at, now()) + make_interval(secs => ${each})
              else rate.full_at
            end,
            is_admitted = {open},
            told_at = case
              when {open} or rate.told_at > now() - {NEWS} then rate.told_at
              else now()
            end
          returning
            is_admitted,
            not is_admitted and told_at = now() as is_news,
            case
              when is_admitted then 0
              else extract(epoch from full_at - now())::float8 - ${each} * (${requests} - 1)
            end as wait,
            ${requests} - extract(epoch from full_at - now())::float8 / ${each} as remaining,
            extract(epoch from full_at - now())::float8 as reset"
    )
}

/// Tries that are free, then ones with a delay that doubles, then none. The parameters are key, free tries, most tries, and
/// days until it begins anew.
fn tries(first: usize, condition: &str) -> String {
    let [key, free, most, days] = [first, first + 1, first + 2, first + 3];
    let open_at = |count: &str| {
        format!(
            "case
              when {count} >= ${most} then 'infinity'
              when {count} < ${free} then '-infinity'
              else now() + make_interval(secs => least(power(2::float8, least({count} - ${free}, 20)), {LONGEST_DELAY}))
            end"
        )
    };
    let over_at = |count: &str| {
        format!(
            "case when {count} >= ${most} then 'infinity' else now() + make_interval(days => ${days}) end"
        )
    };
    let count = "(case when tried.over_at > now() then least(tried.tries + 1, 1000000) else 1 end)";
    let open = "tried.open_at <= now()";
    format!(
        "insert into credential_tries as tried (key, tries, open_at, over_at, is_admitted)
          select ${key}, 1, {first_open}, {first_over}, true
          {condition}
          on conflict (key) do update
          set
            tries = case when {open} then {count} else tried.tries end,
            open_at = case when {open} then {next_open} else tried.open_at end,
            over_at = case when {open} then {next_over} else tried.over_at end,
            is_admitted = {open},
            told_at = case
              when {open} or tried.told_at > now() - {NEWS} then tried.told_at
              else now()
            end
          returning
            is_admitted,
            not is_admitted and told_at = now() as is_news,
            case
              when is_admitted then 0
              when open_at = 'infinity' then 86400
              else extract(epoch from open_at - now())::float8
            end as wait,
            0::float8 as remaining,
            0::float8 as reset",
        first_open = open_at("1"),
        first_over = over_at("1"),
        next_open = open_at(count),
        next_over = over_at(count),
    )
}
