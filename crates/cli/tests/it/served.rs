//! A running `usher serve` on a database of its own, with an admin and a log.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Stdio},
};

use usher_devdb::TestDatabase;

use crate::support::{Folder, database};

pub(crate) const EMAIL: &str = "canary-address@example.com";
pub(crate) const PASSWORD: &str = "canary password of some length";

/// An `usher serve` with its log.
pub(crate) struct Served {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) port: u16,
}

impl Served {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once(':').unwrap().1;
        let port = port.parse().unwrap_or_else(|_| panic!("{line}"));
        Self { child, log, port }
    }

    /// Ends it, and returns its log.
    pub(crate) fn end(mut self) -> String {
        let id = self.child.id().to_string();
        let killed = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(killed.unwrap().success());
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        text
    }
}

/// Makes a database with an admin, and returns the variables of an instance.
pub(crate) async fn prepared(folder: &Folder) -> (TestDatabase, Vec<(String, String)>) {
    let database = database().await;
    let keys = folder.run(&["keys"], &[]);
    let mut variables: Vec<_> = keys
        .output
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect();
    let more = [
        ("DATABASE_URL", database.url()),
        ("USHER_ISSUER", "https://id.example.com"),
        ("SEED_ADMIN_EMAIL", EMAIL),
        ("SEED_ADMIN_PASSWORD", PASSWORD),
    ];
    variables.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let borrowed = borrowed(&variables);
    for arguments in [&["migrate", "deploy"][..], &["seed"]] {
        let ended = folder.run(arguments, &borrowed);
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
    }
    (database, variables)
}

pub(crate) fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    let variables = variables.iter();
    variables
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
