//! A running `PgBouncer` in transaction mode, which keeps no prepared statements.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use usher_devdb::TestDatabase;
use usher_tests::processes::{
    Process,
    process::free_address,
    server::{PASSWORD, PORT, Server},
};

/// Where the program is; on Debian not everybody has it on the path.
const PROGRAMS: [&str; 2] = ["pgbouncer", "/usr/sbin/pgbouncer"];
/// From here on it keeps prepared statements unless it is told not to.
const KEEPS_STATEMENTS: (u32, u32) = (1, 21);
/// Whom it becomes when root starts it: it refuses to be root.
const ACCOUNT: &str = "nobody";

/// A pooler with two connections to a server.
pub(crate) struct Bouncer {
    pub(crate) address: SocketAddr,
    _process: Process,
    folder: PathBuf,
}

impl Bouncer {
    /// Starts a pooler that takes this many clients.
    pub(crate) async fn start(server: &Server, clients: usize) -> Self {
        let (program, version) = program();
        let address = free_address();
        let folder =
            std::env::temp_dir().join(format!("usher-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let users = folder.join("users.txt");
        fs::write(&users, format!("\"usher_app\" \"{PASSWORD}\"\n")).unwrap();
        let mut settings = vec![
            "[databases]".to_owned(),
            format!("* = host={} port={PORT}", server.address),
            "[pgbouncer]".to_owned(),
            "listen_addr = 127.0.0.1".to_owned(),
            format!("listen_port = {}", address.port()),
            "unix_socket_dir =".to_owned(),
            "auth_type = scram-sha-256".to_owned(),
            format!("auth_file = {}", users.display()),
            "pool_mode = transaction".to_owned(),
            "default_pool_size = 2".to_owned(),
            format!("max_client_conn = {clients}"),
        ];
        if version >= KEEPS_STATEMENTS {
            settings.push("max_prepared_statements = 0".to_owned());
        }
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings.join("\n") + "\n").unwrap();
        let mut command = Command::new(program);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", ACCOUNT]);
        }
        command.arg(&file);
        let mut process = Process::start(&mut command, &format!("pgbouncer-{clients}"));
        process.listens(address).await;
        Self {
            address,
            _process: process,
            folder,
        }
    }

    /// Returns the connection string of a database behind the pooler, with further parameters: `a=b`.
    pub(crate) fn url(&self, database: &TestDatabase, more: &str) -> String {
        let name = database.name();
        format!(
            "postgres://usher_app:{PASSWORD}@{}/{name}?{more}",
            self.address
        )
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the program and its version.
fn program() -> (&'static Path, (u32, u32)) {
    let found = PROGRAMS.iter().find_map(|program| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.lines().next()?.strip_prefix("PgBouncer ")?;
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        Some((Path::new(*program), (numbers.next()??, numbers.next()??)))
    });
    found.unwrap_or_else(|| {
        panic!("pgbouncer is missing: `apt-get install pgbouncer`, as .ci/run does")
    })
}
