//! Embeds the migrations: one folder each, with the file of the same name, a `rollback.sql`, and a `rows.sql` if it has one.

use std::{env, fmt::Write as _, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    // Asked when it runs: compiled in, it would name the checkout that shares the target folder and came first.
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let folder = here.join("../../migrations");
    let folder = folder.canonicalize()?;
    tell(&format!("rerun-if-changed={}", folder.display()));
    let mut migrations: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    migrations.retain(|path| path.is_dir());
    migrations.sort();
    let mut code = String::from("&[\n");
    for migration in migrations {
        let name = migration.file_name().unwrap_or_default().to_string_lossy();
        let mut files = Vec::new();
        for file in [format!("{name}.sql"), "rollback.sql".to_owned()] {
            let path = migration.join(file);
            if !path.is_file() {
                tell(&format!(
                    "error=a migration needs the file {}",
                    path.display()
                ));
            }
            files.push(format!("include_str!({:?})", path.to_string_lossy()));
        }
        let rows = migration.join("rows.sql");
        files.push(if rows.is_file() {
            format!("Some(include_str!({:?}))", rows.to_string_lossy())
        } else {
            "None".to_owned()
        });
        let _ = writeln!(code, "    ({name:?}, {}),", files.join(", "));
    }
    code.push_str("]\n");
    let output = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(output.join("embedded.rs"), code)
}

/// Talks to cargo.
fn tell(instruction: &str) {
    println!("cargo::{instruction}");
}
