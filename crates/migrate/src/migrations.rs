//! A set of migrations, in the order of their versions.

use std::{fs, io::ErrorKind, path::Path};

use crate::{Error, Migration, Result};

/// Name, SQL, rollback and rows of each migration of this product.
const EMBEDDED: &[(&str, &str, &str, Option<&str>)] =
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A set of migrations, in the order of their versions.
#[derive(Debug, Clone)]
pub struct Migrations {
    list: Vec<Migration>,
}

impl Migrations {
    /// Returns the migrations of this product.
    pub fn embedded() -> Result<Self> {
        let list = EMBEDDED.iter().map(|(name, sql, rollback, rows)| {
            Ok(Migration::new(name, sql, Some(rollback))?.with_rows(*rows))
        });
        Self::from_list(list.collect::<Result<_>>()?)
    }

    /// Reads a folder that has one folder for each migration, with the file of the same name and a `rollback.sql`. A file
    /// `rows.sql` may be there; and where the rollback is missing, the migration cannot be undone.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let mut list = Vec::new();
        let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
        for entry in entries {
            let place = entry.map_err(Error::file(folder))?.path();
            if !place.is_dir() {
                continue;
            }
            let name = place.file_name().unwrap_or_default().to_string_lossy();
            let file = place.join(format!("{name}.sql"));
            let sql = fs::read_to_string(&file).map_err(Error::file(&file))?;
            let rollback = read_if_there(&place.join("rollback.sql"))?;
            let rows = read_if_there(&place.join("rows.sql"))?;
            let migration = Migration::new(&name, &sql, rollback.as_deref())?;
            list.push(migration.with_rows(rows.as_deref()));
        }
        Self::from_list(list)
    }

    /// Makes a set from names, SQL and rollbacks.
    pub fn from_parts(parts: &[(&str, &str, &str)]) -> Result<Self> {
        let list = parts
            .iter()
            .map(|(name, sql, rollback)| Migration::new(name, sql, Some(rollback)));
        Self::from_list(list.collect::<Result<_>>()?)
    }

    /// Adds one more, from its name, SQL and rollback.
    pub fn and(mut self, name: &str, sql: &str, rollback: &str) -> Result<Self> {
        self.list.push(Migration::new(name, sql, Some(rollback))?);
        Self::from_list(self.list)
    }

    /// Returns a set of the migrations up to a version.
    #[must_use]
    pub fn up_to(&self, version: i64) -> Self {
        self.only(|each| each <= version)
    }

    /// Returns a set of the migrations whose versions are wanted.
    pub(crate) fn only(&self, is_wanted: impl Fn(i64) -> bool) -> Self {
        let list = self
            .iter()
            .filter(|migration| is_wanted(migration.version()));
        Self {
            list: list.cloned().collect(),
        }
    }

    fn from_list(mut list: Vec<Migration>) -> Result<Self> {
        list.sort_by_key(Migration::version);
        for pair in list.windows(2) {
            if let [first, second] = pair
                && first.version() == second.version()
            {
                return Err(Error::Repeated {
                    first: first.name().to_owned(),
                    second: second.name().to_owned(),
                });
            }
        }
        Ok(Self { list })
    }

    /// Returns the migrations, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Migration> {
        self.list.iter()
    }

    /// Returns the version of the newest migration, or 0 when there is none.
    pub fn latest(&self) -> i64 {
        self.list.last().map_or(0, Migration::version)
    }

    /// Returns sixteen letters that change with any name or statement, for the name of a template of tests.
    pub fn fingerprint(&self) -> String {
        // FNV-1a over the checksums, which are the same in every build.
        let bytes = self
            .list
            .iter()
            .flat_map(|migration| migration.checksum().to_be_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

fn read_if_there(file: &Path) -> Result<Option<String>> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(Error::file(file)),
    }
}

impl<'a> IntoIterator for &'a Migrations {
    type Item = &'a Migration;
    type IntoIter = std::slice::Iter<'a, Migration>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_migrations_are_in_order_and_can_be_undone() {
        let migrations = Migrations::embedded().unwrap();
        let versions: Vec<i64> = migrations.iter().map(Migration::version).collect();
        assert!(versions.is_sorted() && !versions.is_empty());
        assert_eq!(migrations.latest(), *versions.last().unwrap());
        assert!(
            migrations
                .iter()
                .all(|migration| migration.rollback().is_some())
        );
    }

    #[test]
    fn a_name_has_a_version_and_a_label() {
        for name in [
            "1__a",
            "V__a",
            "V1_a",
            "V1.2__a",
            "U1__a",
            "|1__a",
            "V1__a b",
            "V99999999999999999999__a",
        ] {
            assert!(Migrations::from_parts(&[(name, "", "")]).is_err(), "{name}");
        }
        assert_eq!(
            Migrations::from_parts(&[("V2__b", "", ""), ("V1__a", "", "")])
                .unwrap()
                .latest(),
            2
        );
    }

    #[test]
    fn a_version_stands_once() {
        let error = Migrations::from_parts(&[("V1__a", "", ""), ("V1__b", "", "")]).unwrap_err();
        assert!(error.to_string().contains("V1__a and V1__b"));
    }

    #[test]
    fn a_fingerprint_follows_names_and_statements() {
        let fingerprint = |name, sql| {
            Migrations::from_parts(&[(name, sql, "")])
                .unwrap()
                .fingerprint()
        };
        assert_eq!(fingerprint("V1__a", "x"), fingerprint("V1__a", "x"));
        assert_ne!(fingerprint("V1__a", "x"), fingerprint("V1__b", "x"));
        assert_ne!(fingerprint("V1__a", "x"), fingerprint("V1__a", "y"));
    }

    #[test]
    fn checksums_stay_those_that_databases_have() {
        let migrations = Migrations::from_parts(&[("V1__a", "select 1", "")]).unwrap();
        assert_eq!(migrations.fingerprint(), "9f84aecde9a32a53");
    }
}
