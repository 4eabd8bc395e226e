//! For how long the audit log is kept: whole months are dropped, with an entry that tells which they were.
//!
//! The variable is for this command alone. It writes the number into the database, where the owner of the tables can and
//! the role of the functions cannot change it; the calls of the scheduler go by that.

use anyhow::{Context, Error, Result, anyhow};
use serde_json::{Value, json};
use tokio_postgres::{Client, Row, Transaction, error::SqlState, types::Type};
use usher_core::secret;
use usher_domain::{Action, Entity};

use super::report::Report;
use crate::{confirm::confirm, output::tell};

const VARIABLE: &str = "USHER_AUDIT_RETENTION_MONTHS";
const CHECK: &str = "retention";

/// The bounds that the schema has too.
const LEAST: i32 = 3;
const MOST: i32 = 1200;

/// For how many months the audit log is kept, beside the current one; for ever unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention(Option<i32>);

/// A month that is old enough to go.
struct Month {
    partition: String,
    name: String,
    estimate: i64,
}

impl Retention {
    /// Reads the variable.
    pub(super) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let parse = |text: String| {
            let months = text.trim().parse().ok();
            months
                .filter(|months| (LEAST..=MOST).contains(months))
                .ok_or_else(|| {
                    anyhow!(
                        "{VARIABLE} must be a whole number from {LEAST} to {MOST}; unset it to keep the audit log for ever"
                    )
                })
        };
        get(VARIABLE).map(parse).transpose().map(Self)
    }

    /// Tells what would be dropped.
    pub(super) async fn preview(self, client: &Client, report: &mut Report) -> Result<()> {
        let (stored, due) = (stored(client).await?, self.due(client).await?);
        if stored != self {
            report.found(
                CHECK,
                "audit_logs".to_owned(),
                format!("{self}; the scheduler still goes by {stored}"),
                Some("`usher maintain` lets it know".to_owned()),
            );
        } else if due.is_empty() {
            report.ok(CHECK, format!("the audit log is {self}"));
        }
        for month in due {
            let what = format!("{} with about {} rows is older", month.name, month.estimate);
            let advice = "`usher maintain` drops it, after a question".to_owned();
            report.found(CHECK, month.partition, what, Some(advice));
        }
        Ok(())
    }

    /// Drops the months that are old enough, after a question, and lets the scheduler know how many are kept.
    pub(super) async fn apply(
        self,
        client: &mut Client,
        is_agreed: bool,
        report: &mut Report,
    ) -> Result<()> {
        let (stored, due) = (stored(client).await?, self.due(client).await?);
        if due.is_empty() && stored == self {
            report.ok(CHECK, format!("the audit log is {self}"));
            return Ok(());
        }
        if !due.is_empty() {
            tell(&format!(
                "the audit log is {self}; these months would be dropped:"
            ));
            for month in &due {
                tell(&format!("  {} (about {} rows)", month.name, month.estimate));
            }
            confirm(is_agreed, "drop them")?;
            tell("dropping them");
        }
        let dropped = self.write(client, stored).await.map_err(explain)?;
        if stored != self {
            report.done(CHECK, "audit_logs", format!("{self}; before: {stored}"));
        }
        for (month, rows) in dropped {
            report.done(CHECK, &month, format!("dropped with {rows} rows"));
        }
        Ok(())
    }

    /// Writes the number, drops the months and writes the entry in one transaction.
    async fn write(self, client: &mut Client, stored: Self) -> Result<Vec<(String, i64)>> {
        let transaction = client.transaction().await?;
        // Requests wait behind whoever waits for the whole table.
        transaction
            .batch_execute("set local lock_timeout to '2s'")
            .await?;
        let mut details = json!({});
        if stored != self {
            self.store(&transaction).await?;
            details["retentionMonths"] = json!({ "before": stored.0, "after": self.0 });
        }
        let dropped = self.drop_due(&transaction).await?;
        details["dropped"] = dropped
            .iter()
            .map(|(month, rows)| json!({ "month": month, "rows": rows }))
            .collect();
        write_entry(&transaction, &details).await?;
        transaction.commit().await?;
        Ok(dropped)
    }

    async fn store(self, transaction: &Transaction<'_>) -> Result<()> {
        let Some(months) = self.0 else {
            let statement = "delete from audit_retention";
            transaction.execute_typed(statement, &[]).await?;
            return Ok(());
        };
        let statement = "
            insert into audit_retention (months)
            values ($1)
            on conflict (is_only) do update
            set
              months = excluded.months,
              set_at = now()";
        transaction
            .execute_typed(statement, &[(&months, Type::INT4)])
            .await?;
        Ok(())
    }

    async fn drop_due(self, transaction: &Transaction<'_>) -> Result<Vec<(String, i64)>> {
        let statement = "select month, rows from audit_logs_drop_old_months($1, null)";
        let rows = transaction
            .query_typed(statement, &[(&self.0, Type::INT4)])
            .await?;
        let read = |row: &Row| Ok((row.try_get("month")?, row.try_get("rows")?));
        rows.iter().map(read).collect()
    }

    async fn due(self, client: &Client) -> Result<Vec<Month>> {
        let statement = "
            select partition::text as partition, month, estimate
            from audit_logs_old_months($1)";
        let rows = client
            .query_typed(statement, &[(&self.0, Type::INT4)])
            .await
            .context("cannot look for old months")?;
        let read = |row: &Row| {
            Ok(Month {
                partition: row.try_get("partition")?,
                name: row.try_get("month")?,
                estimate: row.try_get("estimate")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

impl std::fmt::Display for Retention {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(months) => write!(formatter, "kept for {months} months"),
            None => formatter.write_str("kept for ever"),
        }
    }
}

/// Returns what the scheduler goes by.
async fn stored(client: &Client) -> Result<Retention> {
    let rows = client
        .query_typed("select months from audit_retention", &[])
        .await
        .context("cannot read for how long the audit log is kept")?;
    let months = rows.first().map(|row| row.try_get("months"));
    Ok(Retention(months.transpose()?))
}

async fn write_entry(transaction: &Transaction<'_>, details: &Value) -> Result<()> {
    let statement = "
        insert into audit_logs (
          action,
          entity,
          payload,
          user_agent,
          request_id
        )
        values ($1, $2, $3, 'usher maintain', $4)";
    let request = secret::request_id();
    transaction
        .execute_typed(
            statement,
            &[
                (&Action::Maintain.as_str(), Type::TEXT),
                (&Entity::Database.as_str(), Type::TEXT),
                (details, Type::JSONB),
                (&request.as_str(), Type::TEXT),
            ],
        )
        .await?;
    Ok(())
}

fn explain(error: Error) -> Error {
    let driver = error.downcast_ref::<tokio_postgres::Error>();
    let is_locked =
        driver.and_then(tokio_postgres::Error::code) == Some(&SqlState::LOCK_NOT_AVAILABLE);
    error.context(if is_locked {
        "nothing was dropped, since the audit log was in use for 2 s without a pause: run it again when no backup or long \
         query reads it"
    } else {
        "nothing was dropped"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Option<&str>) -> Result<Retention, String> {
        let get = |name: &str| text.filter(|_| name == VARIABLE).map(str::to_owned);
        Retention::read(get).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_of_months_has_bounds() {
        assert_eq!(read(None), Ok(Retention(None)));
        for (text, months) in [("3", 3), (" 24 ", 24), ("1200", 1200)] {
            assert_eq!(read(Some(text)), Ok(Retention(Some(months))));
        }
        for text in ["0", "2", "-24", "1201", "2y", "1e3", "99999999999"] {
            let error = read(Some(text)).unwrap_err();
            assert!(
                error.contains("from 3 to 1200; unset it"),
                "{text}: {error}"
            );
        }
    }
}
