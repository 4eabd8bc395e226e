//! What a dump has to hold, in a file beside it. It was taken in the same moment as the dump.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use usher_migrate::{Object, Snapshot};

use super::census::Census;
use crate::checkout::shown;

/// The form of the file, which changes when an older program would misunderstand it.
const FORMAT: u32 = 1;

/// All that is known of a dump.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    format: u32,
    /// The version of the program that made it.
    pub(super) usher: String,
    /// When it was made, by the clock of the machine that made it.
    pub(super) made_at: String,
    /// The name of the database.
    pub(super) database: String,
    /// The server that the database was on.
    pub(super) server: Version,
    /// The program that made the dump.
    pub(super) pg_dump: Version,
    /// The dump.
    pub(super) file: FileSum,
    /// The schema that was copied.
    pub(super) schema: Schema,
    /// What is in it.
    #[serde(flatten)]
    pub(super) census: Census,
}

/// A version, in full and as a number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) version: String,
    pub(super) major: u32,
}

/// What tells a file from every other one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSum {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// A schema: what it is called, what it needs, what it consists of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    pub(super) name: String,
    /// The role that migrates it.
    pub(super) owner: String,
    /// The version of the newest migration.
    pub(super) version: i64,
    /// The extensions that it uses, each with the schema that it is in.
    pub(super) extensions: BTreeMap<String, String>,
    /// The roles that its grants and policies name.
    pub(super) roles: Vec<String>,
    pub(super) objects: Objects,
}

/// All objects of a schema.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Objects(Vec<Entry>);

/// One object of a schema.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    kind: String,
    name: String,
    definition: String,
}

impl From<&Snapshot> for Objects {
    fn from(snapshot: &Snapshot) -> Self {
        let objects = snapshot.iter().map(|(object, definition)| Entry {
            kind: object.kind.clone(),
            name: object.name.clone(),
            definition: definition.to_owned(),
        });
        Self(objects.collect())
    }
}

impl From<&Objects> for Snapshot {
    fn from(objects: &Objects) -> Self {
        let objects = objects.0.iter().map(|entry| {
            let object = Object {
                kind: entry.kind.clone(),
                name: entry.name.clone(),
            };
            (object, entry.definition.clone())
        });
        objects.collect()
    }
}

/// What is said of a dump beside the dump itself.
pub(super) struct Origin {
    pub(super) made_at: String,
    pub(super) database: String,
    pub(super) server: Version,
    pub(super) pg_dump: Version,
}

impl Manifest {
    /// Puts a manifest together.
    pub(super) fn new(origin: Origin, file: FileSum, schema: Schema, census: Census) -> Self {
        let Origin {
            made_at,
            database,
            server,
            pg_dump,
        } = origin;
        Self {
            format: FORMAT,
            usher: env!("CARGO_PKG_VERSION").to_owned(),
            made_at,
            database,
            server,
            pg_dump,
            file,
            schema,
            census,
        }
    }

    /// Returns where the manifest of a dump is.
    pub(super) fn place(dump: &Path) -> PathBuf {
        let mut name = dump.as_os_str().to_owned();
        name.push(".json");
        PathBuf::from(name)
    }

    /// Reads the manifest of a dump.
    pub(super) fn read(dump: &Path) -> Result<Self> {
        let place = Self::place(dump);
        let text = fs::read_to_string(&place).with_context(|| {
            format!(
                "cannot read {}, which `usher backup create` writes beside a dump, and without which there is nothing to \
                 compare it with",
                shown(&place)
            )
        })?;
        let strange = || format!("{} is no manifest of a dump", shown(&place));
        let all: serde_json::Value = serde_json::from_str(&text).with_context(strange)?;
        let format = all.get("format").and_then(serde_json::Value::as_u64);
        if format.is_some_and(|format| format > u64::from(FORMAT)) {
            bail!("{} is of a newer usher: use that one", shown(&place));
        }
        serde_json::from_value(all).with_context(strange)
    }

    /// Returns the text of the file.
    pub(super) fn to_text(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
