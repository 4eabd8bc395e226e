//! Findings that somebody accepted: `-- lint: allow RULE because REASON` in a file, or `MIGRATION allow RULE because
//! REASON` in the list beside the migrations.

use super::{Finding, place};
use crate::Migrations;

/// One acceptance.
struct Allowance {
    /// The file that it stands in, and the line.
    file: String,
    line: usize,
    /// How the names of the files begin that it is about.
    about: String,
    rule: String,
    reason: String,
    is_used: bool,
}

/// All acceptances, and what is wrong with others.
pub(super) struct Allowances {
    list: Vec<Allowance>,
    faults: Vec<Finding>,
}

impl Allowances {
    pub(super) fn read(migrations: &Migrations, accepted: &str) -> Self {
        let mut all = Self {
            list: Vec::new(),
            faults: Vec::new(),
        };
        for migration in migrations {
            let files = [
                (migration.file(), Some(migration.sql())),
                ("rollback.sql".to_owned(), migration.rollback()),
            ];
            for (file, sql) in files {
                let file = place(migration, &file);
                for (number, line) in (1..).zip(sql.unwrap_or_default().lines()) {
                    let comment = line.trim().strip_prefix("--").map(str::trim_start);
                    if let Some(text) = comment.and_then(|comment| comment.strip_prefix("lint:")) {
                        all.add(&file, number, &file, text);
                    }
                }
            }
        }
        for (number, line) in (1..).zip(accepted.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, text) = line.split_once(' ').unwrap_or((line, ""));
            if migrations.iter().any(|migration| migration.name() == name) {
                all.add(Migrations::ACCEPTED, number, &format!("{name}/"), text);
            } else {
                all.fault(
                    Migrations::ACCEPTED,
                    number,
                    format!("{name:?} is no migration"),
                );
            }
        }
        all
    }

    fn add(&mut self, file: &str, line: usize, about: &str, text: &str) {
        let understood = || {
            let (rule, reason) = text
                .trim()
                .strip_prefix("allow ")?
                .split_once(" because ")?;
            let (rule, reason) = (rule.trim(), reason.trim());
            (!rule.contains(' ') && !reason.is_empty())
                .then(|| (rule.to_owned(), reason.to_owned()))
        };
        match understood() {
            Some((rule, reason)) => self.list.push(Allowance {
                file: file.to_owned(),
                line,
                about: about.to_owned(),
                rule,
                reason,
                is_used: false,
            }),
            None => self.fault(file, line, "it accepts nothing".to_owned()),
        }
    }

    fn fault(&mut self, file: &str, line: usize, what: String) {
        self.faults.push(Finding {
            file: file.to_owned(),
            line,
            rule: "unclear-allow".to_owned(),
            what,
            advice: "write `-- lint: allow RULE because REASON` into a file, or `MIGRATION allow RULE because REASON` into \
                     the list beside the migrations"
                .to_owned(),
        });
    }

    /// Returns why a finding is accepted, if it is.
    pub(super) fn reason(&mut self, finding: &Finding) -> Option<String> {
        let mut fit = self.list.iter_mut().filter(|allowance| {
            allowance.rule == finding.rule && finding.file.starts_with(&allowance.about)
        });
        let allowance = fit.next()?;
        allowance.is_used = true;
        Some(allowance.reason.clone())
    }

    /// Returns what is wrong with acceptances: those that say nothing, and those that nothing was found for.
    pub(super) fn faults(self, can_tell: impl Fn(&str) -> bool) -> Vec<Finding> {
        let unused = self
            .list
            .into_iter()
            .filter(|allowance| !allowance.is_used && can_tell(&allowance.rule));
        let needless = unused.map(|allowance| Finding {
            file: allowance.file,
            line: allowance.line,
            rule: "needless-allow".to_owned(),
            what: format!("nothing breaks {}", allowance.rule),
            advice: "take it out".to_owned(),
        });
        self.faults.into_iter().chain(needless).collect()
    }
}
