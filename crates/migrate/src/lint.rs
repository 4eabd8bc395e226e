//! Finds in the text of migrations what a deploy would trip over, or what would hold up those who use the database.
//!
//! It knows words, no grammar. What it finds wrongly can be accepted with a reason.

use self::{allowances::Allowances, rules::RULES};
use crate::{Migration, Migrations};

mod allowances;
mod locks;
mod rules;

/// Something that should not be in a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, below the folder of the migrations.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The name of the rule.
    pub rule: String,
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub advice: String,
}

/// What was found in the text of migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What has to be mended or accepted.
    pub open: Vec<Finding>,
    /// What is accepted, each with the reason.
    pub accepted: Vec<(Finding, String)>,
}

impl Migrations {
    /// The name of the file beside the migrations that accepts findings in those which cannot be changed any more.
    pub const ACCEPTED: &str = "lint.txt";

    /// Looks through the text of all migrations.
    ///
    /// `accepted` is the text of [`Migrations::ACCEPTED`]. `others` are the findings of another program, if one ran, in the
    /// names of our rules where both have one: those that are known already do not count, and the rest can be accepted in
    /// the same way.
    pub fn lint(&self, accepted: &str, others: Option<Vec<Finding>>) -> Findings {
        let mut findings: Vec<_> = self.iter().flat_map(rules::findings).collect();
        let is_whole = others.is_some();
        for other in others.unwrap_or_default() {
            let is_ours = RULES.contains(&other.rule.as_str());
            let is_known = |known: &Finding| {
                let is_same = known.rule == other.rule || (is_ours && known.line == other.line);
                known.file == other.file && is_same
            };
            if !findings.iter().any(is_known) {
                findings.push(other);
            }
        }
        let mut allowances = Allowances::read(self, accepted);
        let mut all = Findings::default();
        for finding in findings {
            match allowances.reason(&finding) {
                Some(reason) => all.accepted.push((finding, reason)),
                None => all.open.push(finding),
            }
        }
        let can_tell = |rule: &str| is_whole || RULES.contains(&rule);
        all.open.extend(allowances.faults(can_tell));
        all.open
            .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        all
    }
}

/// Returns the name of a file of a migration, below the folder of all of them.
fn place(migration: &Migration, file: &str) -> String {
    format!("{}/{file}", migration.name())
}
