//! The smaller commands, and what every command has in common.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::Folder;

#[test]
fn a_missing_variable_is_one_clear_line() {
    let folder = Folder::create();
    for command in [
        &["serve", "--port", "0"][..],
        &["seed"],
        &["migrate", "status"],
    ] {
        let ended = folder.run(command, &[]);
        assert_eq!(ended.code, Some(1));
        assert!(
            ended
                .errors
                .starts_with("error: DATABASE_URL is missing; set it"),
            "{}",
            ended.errors
        );
        assert_eq!(ended.errors.lines().count(), 1);
    }
}

#[test]
fn a_wrong_line_of_the_file_is_named_without_its_value() {
    let folder = Folder::create();
    folder.write(".env", "USHER_SECRET='hunter2\n");
    let ended = folder.run(&["doctor"], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.errors.contains("USHER_SECRET") && !ended.errors.contains("hunter2"),
        "{}",
        ended.errors
    );
}

#[test]
fn every_command_has_an_example() {
    let folder = Folder::create();
    let mut commands = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let arguments = [&command[..], &["--help".to_owned()]].concat();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ended = folder.run(&arguments, &[]);
        assert_eq!(ended.code, Some(0));
        let help = ended.output;
        assert!(
            help.contains("\nExample:\n  ") || help.contains("\nExamples:\n  "),
            "{command:?}: {help}"
        );
        let inner = help
            .split_once("\nCommands:\n")
            .map_or("", |(_, inner)| inner);
        let names = inner.lines().take_while(|line| line.starts_with("  "));
        let names = names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        for name in names.filter(|name| !name.is_empty() && *name != "help") {
            commands.push([&command[..], &[name.to_owned()]].concat());
        }
        seen += 1;
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn new_keys_are_new_each_time_and_fit_into_a_file() {
    let folder = Folder::create();
    let first = folder.run(&["keys"], &[]).output;
    assert_ne!(first, folder.run(&["keys"], &[]).output);
    folder.write(".env", &first);
    let ended = folder.run(&["doctor"], &[]);
    for name in ["USHER_SIGNING_KEYS", "USHER_SECRET", "signing"] {
        assert!(
            ended.output.contains(&format!("ok    {name} ")),
            "{name}: {}",
            ended.output
        );
    }
}

#[test]
fn a_rotation_prints_the_lists_of_the_next_deploy_and_writes_nowhere() {
    let folder = Folder::create();
    let first = folder.run(&["keys"], &[]).output;
    folder.write(".env", &first);
    let rotated = folder.run(&["keys", "rotate"], &[]);
    assert_eq!(rotated.code, Some(0), "{}", rotated.errors);
    assert_eq!(rotated.output.lines().count(), 2, "{}", rotated.output);
    let kept = fs::read_to_string(folder.path().join(".env")).unwrap();
    assert_eq!(kept, first);
    for line in rotated.output.lines() {
        let (name, list) = line.split_once('=').unwrap();
        let (next, present) = list.split_once(',').unwrap();
        assert!(first.contains(&format!("{name}={present}")), "{line}");
        let (key, date) = next.split_once('@').unwrap();
        assert!(!first.contains(key) && !rotated.errors.contains(key));
        assert!(rotated.errors.contains(date), "{}", rotated.errors);
    }
    // Nothing is added to a list whose next key is to come.
    folder.write(".env", &rotated.output);
    let again = folder.run(&["keys", "rotate"], &[]);
    assert_eq!(again.output, rotated.output);
    let doctor = folder.run(&["doctor"], &[]).output;
    assert!(doctor.contains("ok    age of secrets "), "{doctor}");
    assert!(doctor.contains("one of 2 keys signs"), "{doctor}");
    let only = ["keys", "rotate", "--only", "USHER_SECRET"];
    assert_eq!(folder.run(&only, &[]).output.lines().count(), 1);
}

#[test]
fn a_list_with_a_wrong_date_is_not_rotated_and_is_named() {
    let folder = Folder::create();
    let first = folder.run(&["keys"], &[]).output;
    let broken = first.replace("Z\n", "\n");
    assert_ne!(first, broken);
    folder.write(".env", &broken);
    let rotated = folder.run(&["keys", "rotate"], &[]);
    assert_eq!(rotated.code, Some(1));
    assert!(
        rotated.errors.contains("USHER_SIGNING_KEYS has a date"),
        "{}",
        rotated.errors
    );
    let doctor = folder.run(&["doctor"], &[]).output;
    assert!(doctor.contains("fail  USHER_SECRET  "), "{doctor}");
    let missing = Folder::create().run(&["keys", "rotate"], &[]);
    assert!(missing.errors.contains("USHER_SIGNING_KEYS is missing"));
}

#[test]
fn generated_files_are_written_once_and_checked() {
    let folder = Folder::create();
    let ended = folder.run(&["generate"], &[]);
    assert!(
        ended.errors.contains("this is no checkout"),
        "{}",
        ended.errors
    );
    folder.write("crates/cli/Cargo.toml", "");
    let stale = folder.run(&["generate", "--check"], &[]);
    assert_eq!(stale.code, Some(1));
    let expected = "public/openapi.json, docs/problems.md; run `cargo usher generate`\n";
    assert!(stale.errors.ends_with(expected), "{}", stale.errors);
    assert_eq!(folder.run(&["generate"], &[]).code, Some(0));
    assert_eq!(folder.run(&["generate", "--check"], &[]).code, Some(0));
    let document = fs::read_to_string(folder.path().join("public/openapi.json")).unwrap();
    assert!(document.ends_with("}\n") && document.contains("\"openapi\": \"3.1.0\""));
}

#[test]
fn every_variable_is_explained_in_the_example_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let example = fs::read_to_string(root.join(".env.example")).unwrap();
    let mut names = BTreeSet::new();
    for member in fs::read_dir(root.join("crates")).unwrap() {
        collect(&member.unwrap().path().join("src"), &mut names);
    }
    assert!(
        names.contains("USHER_SECRET") && names.contains("USHER_POSTGRES"),
        "{names:?}"
    );
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !example.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in .env.example: {missing:?}");
}

/// Collects what looks like a variable between quotes.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let quoted = text.split('"').filter(|word| word.bytes().all(is_name));
        let ours = quoted.filter(|word| {
            ["USHER_", "SEED_"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
                || word.contains("DATABASE_URL")
                || word.ends_with("_URL")
        });
        names.extend(ours.map(str::to_owned));
    }
}
