//! The pepper and the table: whose hashes can be opened.

use anyhow::Result;
use tokio_postgres::Client;
use usher_core::passwords::Pepper;

use super::report::Report;
use crate::environment::variable;

const NAME: &str = "pepper";

/// Counts the hashes by the key that sealed them; those without one are not sealed.
const COUNT: &str = "
    select
      case when password like '$usher-v1$%' then split_part(password, '$', 4) end as key,
      count(*) as number
    from users
    where password is not null
      and deleted_at is null
    group by 1
    order by 1";

/// Tells of hashes that nobody can open, and of those that are not sealed.
pub(super) async fn check(report: &mut Report, client: &Client) {
    match find(client).await {
        Ok(counts) => tell(report, &counts),
        Err(error) => report.fail(NAME, format_args!("{error:#}")),
    }
}

async fn find(client: &Client) -> Result<Vec<(Option<String>, i64)>> {
    let rows = client.query_typed(COUNT, &[]).await?;
    let pair = |row: &tokio_postgres::Row| Ok((row.try_get("key")?, row.try_get("number")?));
    rows.iter().map(pair).collect()
}

fn tell(report: &mut Report, counts: &[(Option<String>, i64)]) {
    let pepper = match variable("USHER_PEPPER").map(|text| Pepper::parse(text.trim())) {
        None => None,
        Some(Ok(pepper)) => Some(pepper),
        // The variable was pointed out already.
        Some(Err(_)) => return,
    };
    let mut found = Vec::new();
    for (key, number) in counts {
        match (key, &pepper) {
            (Some(key), Some(pepper)) if pepper.knows(key) => {
                found.push(format!("{number} sealed by {key}"));
            }
            (Some(key), _) => report.fail(
                NAME,
                format_args!(
                    "{number} hashes are sealed by the key {key}, which USHER_PEPPER lacks: put it back, or their owners \
                     need another password"
                ),
            ),
            (None, Some(_)) => found.push(format!("{number} to be sealed at the next sign-in")),
            (None, None) => {}
        }
    }
    let Some(pepper) = pepper else {
        return;
    };
    let used: Vec<_> = counts.iter().filter_map(|(key, _)| key.as_ref()).collect();
    for idle in pepper.older().filter(|id| !used.contains(&id)) {
        report.warn(
            NAME,
            format_args!("the key {idle} seals nothing any more: take it out of USHER_PEPPER"),
        );
    }
    if found.is_empty() {
        found.push("none yet".to_owned());
    }
    report.ok(NAME, format_args!("hashes: {}", found.join(", ")));
}
