//! Builds the condition of a list from the filters that were given.
//!
//! A filter that was not given is not in the statement, so that the planner sees just what is asked for.

use tokio_postgres::types::{ToSql, Type};

use crate::connection::Parameter;

/// Conditions that hold together, with their parameters.
pub(crate) struct Conditions<'a> {
    text: String,
    parameters: Vec<Parameter<'a>>,
}

impl<'a> Conditions<'a> {
    /// Starts with a condition that is always there.
    pub(crate) fn new(first: &str) -> Self {
        Self {
            text: first.to_owned(),
            parameters: Vec::new(),
        }
    }

    /// Adds `condition` for a value that is given; `?` in it stands for the value.
    pub(crate) fn and<T: ToSql + Sync>(
        &mut self,
        condition: &str,
        value: Option<&'a T>,
        kind: Type,
    ) {
        if let Some(value) = value {
            let place = self.parameter(value, kind);
            self.text.push_str("\n  and ");
            self.text.push_str(&condition.replace('?', &place));
        }
    }

    /// Adds a parameter and returns how it is written.
    pub(crate) fn parameter(&mut self, value: &'a (dyn ToSql + Sync), kind: Type) -> String {
        self.parameters.push((value, kind));
        format!("${}", self.parameters.len())
    }

    /// Adds a condition that is ready.
    pub(crate) fn and_text(&mut self, condition: &str) {
        self.text.push_str("\n  and ");
        self.text.push_str(condition);
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn parameters(&self) -> &[Parameter<'a>] {
        &self.parameters
    }
}
