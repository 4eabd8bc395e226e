//! Values for development in the place of variables that are missing.

use std::{collections::HashMap, time::Instant};

use anyhow::Result;

use crate::{checkout::shown, data_folder::DataFolder, environment, output::step, secrets};

/// Variables with a default each.
#[derive(Debug, Default)]
pub(super) struct Values(HashMap<&'static str, String>);

impl Values {
    /// Sets the default of a variable, when there is one.
    pub(super) fn set(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.insert(name, value.to_owned());
        }
    }

    /// Returns the variable of the environment, or else its default.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        environment::variable(name).or_else(|| self.0.get(name).cloned())
    }
}

/// Returns the defaults of an instance on a port; secrets come from the file of the folder, which is made when needed.
pub(super) fn fill(folder: &DataFolder, port: u16) -> Result<Values> {
    let mut values = Values::default();
    values.set("USHER_ENV", Some("development"));
    // A name and not an address, since browsers know no passkeys at addresses.
    values.set("USHER_ISSUER", Some(&format!("http://localhost:{port}")));
    if secrets::NAMES
        .iter()
        .any(|name| environment::variable(name).is_none())
    {
        let (started, file) = (Instant::now(), folder.secrets());
        let made = if file.exists() {
            "read from"
        } else {
            "made and kept in"
        };
        for (name, value) in secrets::NAMES
            .into_iter()
            .zip(secrets::read_or_make(&file)?)
        {
            values.set(name, Some(&value));
        }
        step(
            "keys",
            format_args!("{made} {}", shown(&file)),
            started.elapsed(),
        );
    }
    Ok(values)
}
