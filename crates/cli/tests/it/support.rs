//! Folders, commands with nothing but the given variables, a running `usher dev`, and HTTP in the raw.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;
use usher_devdb::{TestDatabase, test_cluster};

/// What a command may know of the machine.
const PASSED_ON: [&str; 6] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "USHER_POSTGRES",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// A folder that is removed at the end of a test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Creates a folder with a name of its own.
    pub(crate) fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("usher-it-{}-{count}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder.canonicalize().unwrap())
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Writes a migration: its name, and the way there and back.
    pub(crate) fn migration(&self, (name, up, down): (&str, &str, &str)) {
        self.write(&format!("migrations/{name}/{name}.sql"), up);
        self.write(&format!("migrations/{name}/rollback.sql"), down);
    }

    /// Returns the command in this folder, with these variables alone.
    pub(crate) fn usher(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.env_clear().current_dir(&self.0).args(arguments);
        for name in PASSED_ON {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        Ended::from(self.usher(arguments, variables).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// An `usher dev` that serves.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it said until it was ready.
    pub(crate) said: String,
    pub(crate) port: u16,
}

impl Running {
    /// Starts the command and waits until it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Try it:") {
            if output.read_line(&mut said).unwrap() == 0 {
                let ended = Ended::from(child.wait_with_output().unwrap());
                panic!("it was never ready: {said}{}", ended.errors);
            }
        }
        let (_, rest) = said.split_once("http://127.0.0.1:").unwrap();
        let port = rest.lines().next().unwrap().parse().unwrap();
        Self {
            child,
            output,
            said,
            port,
        }
    }

    /// Returns the processes of the server that it started.
    pub(crate) fn servers(&self) -> Vec<u32> {
        let parent = self.child.id();
        let is_server =
            |process: &&Process| process.parent == parent && process.name.contains("postgres");
        processes()
            .iter()
            .filter(is_server)
            .map(|process| process.id)
            .collect()
    }

    /// Sends a signal, and returns how the command ended.
    pub(crate) fn stop(mut self, signal: &str) -> Ended {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &id])
                .status()
                .unwrap()
                .success()
        );
        let mut output = std::mem::take(&mut self.said);
        self.output.read_to_string(&mut output).unwrap();
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        let code = self.child.wait().unwrap().code();
        Ended {
            code,
            output,
            errors,
        }
    }

    /// Sends a request, and returns the status and the body.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (u16, String) {
        ask(self.port, method, path, token, body)
    }

    /// Signs in, and returns the access token.
    pub(crate) fn sign_in(&self, email: &str, password: &str) -> String {
        let body = serde_json::json!({ "email": email, "password": password }).to_string();
        let (status, body) = self.ask("POST", "/api/auth/login", None, &body);
        assert_eq!(status, 200, "{body}");
        let session: Value = serde_json::from_str(&body).unwrap();
        session["accessToken"].as_str().unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let id = self.child.id().to_string();
            let _ = Command::new("kill").args(["-s", "INT", &id]).status();
            let _ = self.child.wait();
        }
    }
}

/// Sends a request to a port of this machine, and returns the status and the body.
pub(crate) fn ask(
    port: u16,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let authorization = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{authorization}\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

struct Process {
    id: u32,
    parent: u32,
    name: String,
}

/// Returns whether a process is there.
pub(crate) fn is_alive(id: u32) -> bool {
    processes().iter().any(|process| process.id == id)
}

fn processes() -> Vec<Process> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,comm="])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        Some(Process {
            id: words.next()?.parse().ok()?,
            parent: words.next()?.parse().ok()?,
            name: words.collect::<Vec<_>>().join(" "),
        })
    };
    text.lines().filter_map(read).collect()
}

/// Creates a database with nothing in it.
pub(crate) async fn database() -> TestDatabase {
    test_cluster().blank().create().await.unwrap()
}

/// Connects to a database.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test is no function")]
    tokio::spawn(connection);
    client
}
