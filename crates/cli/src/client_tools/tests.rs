//! Finding programs in folders made for it, and what libpq is told.

use std::{ffi::OsString, os::unix::fs::PermissionsExt};

use super::{
    libpq::{AUTHORITIES, tls, variables},
    *,
};

/// A folder with programs that only know their version.
struct Folder(PathBuf);

impl Folder {
    fn create(name: &str, versions: &[&str]) -> Self {
        let path = std::env::temp_dir().join(format!("usher-tools-{name}-{}", std::process::id()));
        for version in versions {
            let place = path.join(version);
            fs::create_dir_all(&place).unwrap();
            let program = place.join("pg_dump");
            let text = format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version} (made up)'\n");
            fs::write(&program, text).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(path)
    }

    fn places(&self) -> Vec<PathBuf> {
        let mut places = installed(&self.0);
        places.sort();
        places
            .iter()
            .map(|place| place.parent().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn told(text: &str, major: u32) -> Vec<(&'static str, String)> {
    let url = DatabaseUrl::parse(text, false).unwrap();
    let all = [variables(&url, "-c a=b"), tls(&url, major).unwrap()].concat();
    let text = |(name, value): (&'static str, OsString)| (name, value.into_string().unwrap());
    all.into_iter().map(text).collect()
}

fn value(told: &[(&'static str, String)], name: &str) -> Option<String> {
    let found = told.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.clone())
}

#[test]
fn the_oldest_program_that_is_new_enough_is_taken() {
    let folder = Folder::create("oldest", &["14.2", "18beta1", "16.3"]);
    let found = |least| ClientTool::find_in(&folder.places(), "pg_dump", least, "it is so");
    for (least, version) in [(0, "14.2"), (14, "14.2"), (15, "16.3"), (17, "18beta1")] {
        assert_eq!(found(least).unwrap().version(), version);
    }
    let error = found(19).unwrap_err().to_string();
    assert!(
        error.contains("18beta1/pg_dump is version 18beta1, and it is so: a pg_dump of version 19"),
        "{error}"
    );
}

#[test]
fn a_missing_program_is_told_with_what_to_install() {
    let places = [PathBuf::from("/nowhere"), PathBuf::from("/nowhere/else")];
    let error = ClientTool::find_in(&places, "psql", 0, "")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("psql is missing, neither in the PATH nor")
            && error.contains("apt install postgresql-client"),
        "{error}"
    );
    let error = ClientTool::find_in(&places[..1], "psql", 0, "")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("psql is missing, not in /nowhere: "),
        "{error}"
    );
}

#[test]
fn a_connection_string_becomes_variables() {
    let told = told(
        "postgres://ada:p%40ss@db.example.com:6000/app?sslmode=require&channel_binding=require&options=-c%20role%3Dx",
        16,
    );
    for (name, expected) in [
        ("PGHOST", "db.example.com"),
        ("PGPORT", "6000"),
        ("PGUSER", "ada"),
        ("PGPASSWORD", "p@ss"),
        ("PGDATABASE", "app"),
        ("PGOPTIONS", "-c role=x -c a=b"),
        ("PGCHANNELBINDING", "require"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "system"),
    ] {
        assert_eq!(value(&told, name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(value(&told, "PGHOSTADDR"), None);
}

#[test]
fn certificates_are_verified_by_the_authorities_of_the_string_or_of_the_system() {
    let own = told(
        "postgres://u@db.example.com/app?sslrootcert=/etc/ca.pem",
        15,
    );
    assert_eq!(value(&own, "PGSSLMODE").as_deref(), Some("verify-full"));
    assert_eq!(value(&own, "PGSSLROOTCERT").as_deref(), Some("/etc/ca.pem"));
    if AUTHORITIES.iter().any(|file| Path::new(file).is_file()) {
        let old = told("postgres://u@db.example.com/app", 15);
        let file = value(&old, "PGSSLROOTCERT").unwrap();
        assert!(AUTHORITIES.contains(&file.as_str()), "{file}");
    }
    for local in ["postgres://u@%2Ftmp%2Fs/app", "postgres://u@localhost/app"] {
        let local = told(local, 15);
        assert_eq!(value(&local, "PGSSLMODE").as_deref(), Some("disable"));
        assert_eq!(value(&local, "PGSSLROOTCERT"), None);
    }
}
