//! The repository is laid out as it says: files of `api/` = binaries = routes = paths of the API description.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use usher_http::{openapi, problems, routes};
use usher_tests::{repository, rust_files};

/// Returns what stands between quotes behind a key, for every line that begins with it.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let prefix = format!("{key} = \"");
    text.lines()
        .filter_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"'))
        .collect()
}

fn routes_as_files() -> BTreeSet<String> {
    let file = |path: &str| {
        format!(
            "{}.rs",
            path.trim_start_matches('/')
                .replace('{', "[")
                .replace('}', "]")
        )
    };
    routes::ALL
        .iter()
        .map(|endpoint| file(endpoint.path))
        .collect()
}

#[test]
fn every_route_has_its_file_and_every_file_its_route() {
    let root = repository();
    let files: BTreeSet<_> = rust_files("api")
        .iter()
        .map(|file| {
            file.strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let routes = routes_as_files();
    let (missing, orphans): (Vec<_>, Vec<_>) = (
        routes.difference(&files).collect(),
        files.difference(&routes).collect(),
    );
    assert!(
        missing.is_empty() && orphans.is_empty(),
        "add these files: {missing:?}; add these to routes::ALL: {orphans:?}"
    );
}

#[test]
fn every_file_is_a_binary_of_its_own_name() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let binaries = manifest.split("[[bin]]").skip(1);
    let mut paths = BTreeSet::new();
    for binary in binaries {
        let (name, path) = (values(binary, "name")[0], values(binary, "path")[0]);
        let expected = path
            .trim_end_matches(".rs")
            .replace(['/', '_'], "-")
            .replace(['[', ']'], "");
        assert_eq!(
            name, expected,
            "the platform finds a binary by its path; its name must be its own"
        );
        assert!(
            binary.contains("test = false"),
            "{name}: write `test = false`, so that tests do not link it"
        );
        paths.insert(path.to_owned());
    }
    let missing: Vec<_> = routes_as_files().difference(&paths).cloned().collect();
    assert!(
        missing.is_empty(),
        "add a [[bin]] for each of {missing:?} to Cargo.toml"
    );
    assert_eq!(paths, routes_as_files());
}

#[test]
fn a_file_of_a_function_only_names_its_route() {
    for file in rust_files("api") {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.lines().count() <= 15,
            "{}: what a function does belongs into crates/",
            file.display()
        );
        let (_, constant) = text
            .split_once("usher_function::serve(usher_http::routes::")
            .unwrap();
        let constant = constant.split(')').next().unwrap();
        let path = file
            .strip_prefix(repository().join("api"))
            .unwrap()
            .to_str()
            .unwrap();
        let expected = match path {
            "users/[user_id].rs" => "USER".to_owned(),
            "users/[user_id]/roles.rs" => "USER_ROLES".to_owned(),
            "users/[user_id]/sessions.rs" => "USER_SESSIONS".to_owned(),
            "users/[user_id]/factors.rs" => "USER_FACTORS".to_owned(),
            "me/passkeys/[passkey_id].rs" => "ME_PASSKEY".to_owned(),
            "me/sessions/[session_id].rs" => "ME_SESSION".to_owned(),
            "me/api-keys/[key_id].rs" => "ME_API_KEY".to_owned(),
            "me/api-keys/[key_id]/rotate.rs" => "ME_API_KEY_ROTATE".to_owned(),
            "invitations/[invitation_id].rs" => "INVITATION".to_owned(),
            "invitations/[invitation_id]/resend.rs" => "INVITATION_RESEND".to_owned(),
            other => other
                .trim_end_matches(".rs")
                .replace(['/', '-'], "_")
                .to_uppercase(),
        };
        assert_eq!(constant, expected, "{path}");
    }
}

#[test]
fn the_jobs_of_the_scheduler_are_paths_of_the_api() {
    let jobs: BTreeSet<_> = routes::ALL
        .iter()
        .map(|endpoint| endpoint.path.to_owned())
        .filter(|path| path.starts_with("/api/cron/"))
        .collect();
    assert!(!jobs.is_empty());
    for file in ["vercel.json", "vercel.hobby.json"] {
        let text = fs::read_to_string(repository().join(file)).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let crons = config["crons"].as_array().unwrap().iter();
        let paths: BTreeSet<_> = crons
            .map(|cron| cron["path"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(paths, jobs, "{file}");
    }
}

#[test]
fn the_same_parameter_stands_at_the_same_place_everywhere() {
    let mut names = BTreeSet::new();
    for endpoint in routes::ALL {
        let mut own = BTreeSet::new();
        let segments: Vec<_> = endpoint.path.split('/').collect();
        for (place, segment) in segments.iter().enumerate() {
            if segment.starts_with('{') {
                assert!(
                    own.insert(*segment),
                    "{}: a name stands twice",
                    endpoint.path
                );
                names.insert((segments[..place].join("/"), *segment));
            }
        }
    }
    let places: BTreeSet<_> = names.iter().map(|(place, _)| place).collect();
    assert_eq!(
        places.len(),
        names.len(),
        "the platform knows one name for each place in a folder: {names:?}"
    );
}

#[test]
fn the_description_of_the_api_names_every_route() {
    let document = openapi::document();
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let routes: BTreeSet<_> = routes::ALL
        .iter()
        .flat_map(|endpoint| endpoint.aliases.iter().chain([&endpoint.path]))
        .map(|path| (*path).to_owned())
        .collect();
    assert_eq!(described, routes);
    let mut ids = BTreeSet::new();
    for endpoint in routes::ALL {
        for operation in endpoint.operations().list() {
            let described =
                &document["paths"][endpoint.path][operation.method.as_str().to_lowercase()];
            assert!(ids.insert(described["operationId"].as_str().unwrap().to_owned()));
            assert!(!described["summary"].as_str().unwrap().is_empty());
            assert!(
                described["responses"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .any(|status| status.starts_with('2'))
            );
        }
    }
}

#[test]
fn the_generated_files_are_fresh() {
    let root = repository();
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let document = serde_json::to_string_pretty(&openapi::document()).unwrap() + "\n";
    assert!(
        read("public/openapi.json") == document,
        "public/openapi.json is stale: run `cargo usher generate`"
    );
    assert!(
        read("docs/problems.md") == problems::page(),
        "docs/problems.md is stale: run `cargo usher generate`"
    );
}

#[test]
fn the_readme_lists_every_endpoint_and_the_example_every_variable() {
    let root = repository();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    for endpoint in routes::ALL {
        assert!(
            readme.contains(&format!("`{}`", endpoint.path)),
            "README.md does not list {}",
            endpoint.path
        );
    }
    let example = fs::read_to_string(root.join(".env.example")).unwrap();
    let sources = ["config.rs", "mail_options.rs"];
    let sources = sources.map(|file| root.join("crates/core/src").join(file));
    let config = sources
        .map(|file| fs::read_to_string(file).unwrap())
        .concat();
    for variable in config.split('"').filter(|word| {
        let families = ["USHER_", "DATABASE_", "MAIL_"];
        families.iter().any(|family| word.starts_with(family))
    }) {
        assert!(
            example.contains(&format!("{variable}=")),
            ".env.example does not explain {variable}"
        );
    }
}
