//! Which function a path belongs to: what the platform reads out of `config.json`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use usher_tests::{repository, rust_files};

/// The output of a build.
pub(crate) struct Routes {
    output: PathBuf,
    /// Pattern and destination of the routes that lead to functions, in order.
    routes: Vec<(String, String)>,
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Found {
    /// A file.
    File(PathBuf),
    /// A function, with what the platform adds to the query.
    Function { name: String, query: String },
    /// Nothing.
    Nothing,
}

impl Routes {
    pub(crate) fn read(output: &Path) -> Self {
        let config = fs::read_to_string(output.join("config.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        let routes = config["routes"].as_array().unwrap().iter();
        let routes = routes
            .skip_while(|route| route["handle"] != "filesystem")
            .skip(1)
            .take_while(|route| route.get("handle").is_none() && route.get("status").is_none())
            .map(|route| (text(&route["src"]), text(&route["dest"])))
            .collect();
        Self {
            output: output.to_owned(),
            routes,
        }
    }

    /// Files come first, then functions of exactly that path, then the routes.
    pub(crate) fn find(&self, path: &str) -> Found {
        let file = self
            .output
            .join("static")
            .join(path.trim_start_matches('/'));
        if file.is_file() {
            return Found::File(file);
        }
        let direct = (path.to_owned(), String::new());
        let routed = self.routes.iter().filter_map(|(pattern, destination)| {
            let values = captures(pattern, path)?;
            let (to, query) = destination.split_once('?').unwrap_or((destination, ""));
            Some((
                to.to_owned(),
                query.replace("$1", values.first().unwrap_or(&"")),
            ))
        });
        let mut candidates = std::iter::once(direct).chain(routed);
        let found = candidates.find(|(name, _)| self.executable(name).is_file());
        found.map_or(Found::Nothing, |(name, query)| Found::Function {
            name,
            query,
        })
    }

    pub(crate) fn executable(&self, name: &str) -> PathBuf {
        self.output.join(format!("functions{name}.func/executable"))
    }
}

/// Matches the patterns that the builds write: segments that are literal, `([^/]+)`, or at the end `(.*)`.
fn captures<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    if pattern == "/(.*)" {
        return Some(vec![&path[1..]]);
    }
    let pattern = pattern
        .strip_prefix('^')?
        .strip_suffix('$')?
        .replace("[^/]", "[^]")
        .replace('\\', "");
    let (expected, given) = (pattern.split('/'), path.split('/'));
    if expected.clone().count() != given.clone().count() {
        return None;
    }
    let mut values = Vec::new();
    for (expected, given) in expected.zip(given) {
        match expected {
            "([^]+)" if !given.is_empty() => values.push(given),
            _ if expected == given => {}
            _ => return None,
        }
    }
    Some(values)
}

/// Returns the paths that the platform calls by itself.
pub(crate) fn jobs(output: &Path) -> Vec<String> {
    let config = fs::read_to_string(output.join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let crons = config["crons"].as_array().unwrap().iter();
    crons.map(|cron| text(&cron["path"])).collect()
}

/// Returns the paths of the functions of a build.
pub(crate) fn functions(output: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let root = output.join("functions");
    collect(&root, &root, &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "func")
        {
            found.insert(relative(root, &path));
        } else {
            collect(root, &path, found);
        }
    }
}

/// Returns the paths that the files below `api/` stand for.
pub(crate) fn files_of_the_api() -> BTreeSet<String> {
    let root = repository();
    rust_files("api")
        .iter()
        .map(|file| relative(&root, file))
        .collect()
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap()
        .with_extension("")
        .to_str()
        .unwrap()
        .to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
