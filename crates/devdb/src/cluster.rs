//! A private cluster: a folder with data, a socket nobody else can reach, and a server for as long as it is needed.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use url::Url;

use crate::{
    Binaries, Error, Result, files, identity::Identity, initialize::initialize, postmaster,
    server::Server, worker::Worker,
};

/// The longest path of a socket that every system takes.
const SOCKET_LIMIT: usize = 103;

/// Settings of every server.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "port=5432",
    "shared_buffers=64MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
];

/// Settings of a server whose data may be lost: they make creating a database a hundred times faster.
const THROW_AWAY_SETTINGS: [&str; 7] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_wal_size=4GB",
    "checkpoint_timeout=1d",
    "max_connections=300",
];

/// Where a cluster lives, and how much its data matters.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the cluster: its data, its log and its lock.
    pub data_dir: PathBuf,
    /// Whether committed data must survive a crash of the machine.
    pub durable: bool,
}

/// A Postgres server that this process started, found running, or was given the address of.
///
/// Dropping it stops the server, in order, when this value started it.
#[derive(Debug)]
pub struct Cluster {
    address: Url,
    folder: Option<PathBuf>,
    server: Option<Server>,
    worker: OnceLock<Worker>,
}

impl Cluster {
    /// Starts the server of a folder, which is made into a cluster first when it is none.
    ///
    /// A server that already runs there is used, and left running. That server ends with the process that started it.
    pub fn start(binaries: &Binaries, options: &Options) -> Result<Self> {
        Self::start_with(binaries, options, &[])
    }

    /// Starts the server with further settings, which win over the usual ones.
    pub(crate) fn start_with(
        binaries: &Binaries,
        options: &Options,
        settings: &[&str],
    ) -> Result<Self> {
        let identity = Identity::choose(binaries);
        let folder = identity.place(&options.data_dir)?;
        let _lock = files::lock(&folder.join("lock"), || {})?;
        let data = folder.join("data");
        if let Some(found) = postmaster::running(&data)? {
            return Ok(Self::new(address(&found.socket)?, Some(folder), None));
        }
        initialize(binaries, identity, &folder, options.durable)?;
        let socket = socket(&folder, options, identity)?;
        let log = folder.join("server.log");
        let mut command = identity.command(&binaries.program("postgres"));
        configure(&mut command, options, &data, &socket, &log)?;
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        let server = Server::start(command, &folder, socket.clone())?;
        Ok(Self::new(address(&socket)?, Some(folder), Some(server)))
    }

    /// Removes the cluster of a folder with all its data; a server that still runs there is stopped first.
    pub fn remove(binaries: &Binaries, options: &Options) -> Result<()> {
        let folder = Identity::choose(binaries).place(&options.data_dir)?;
        let _lock = files::lock(&folder.join("lock"), || {})?;
        let data = folder.join("data");
        while let Some(found) = postmaster::running(&data)? {
            found.stop();
        }
        files::remove(&folder)
    }

    /// Returns a server that somebody else runs. `variable` says where its address came from.
    pub(crate) fn at(address: &str, variable: &'static str) -> Result<Self> {
        let address = Url::parse(address.trim()).map_err(|_| Error::Url { variable })?;
        if address.cannot_be_a_base() {
            return Err(Error::Url { variable });
        }
        Ok(Self::new(address, None, None))
    }

    fn new(address: Url, folder: Option<PathBuf>, server: Option<Server>) -> Self {
        Self {
            address,
            folder,
            server,
            worker: OnceLock::new(),
        }
    }

    /// Returns the connection string of a database of this server.
    pub fn url(&self, database: &str) -> String {
        at_database(&self.address, database)
    }

    /// Returns the connection string of a database of this server for somebody else than the owner.
    ///
    /// A private cluster takes everybody at their word. On a server of somebody else the session begins as the owner and
    /// takes the role over, so that the role needs no password.
    pub fn url_as(&self, database: &str, role: &str) -> String {
        as_role(&self.url(database), role, self.is_private())
    }

    /// Returns whether nobody else reaches this server, which then asks for no passwords.
    pub(crate) fn is_private(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns the folder of the cluster, with `data` and `server.log` in it; `None` for a server somebody else runs.
    ///
    /// It is another one than was asked for when root starts a server that could not reach into that one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Returns whether this value started the server, and stops it when dropped.
    pub fn is_started_here(&self) -> bool {
        self.server.is_some()
    }

    /// Stops the server when this value started it, and returns when it has ended.
    pub fn stop(self) {
        drop(self);
    }

    /// Returns the connection string of the database that others are created from.
    pub(crate) fn admin_url(&self) -> String {
        match self.address.path() {
            "" | "/" => self.url("postgres"),
            _ => self.address.to_string(),
        }
    }

    pub(crate) fn address(&self) -> &Url {
        &self.address
    }

    /// Hands over the server, which then lives as long as what is returned.
    pub(crate) fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    pub(crate) fn worker(&self) -> &Worker {
        self.worker.get_or_init(|| Worker::start(self.admin_url()))
    }
}

/// Returns the connection string of another database of the same server.
pub(crate) fn at_database(address: &Url, database: &str) -> String {
    let mut address = address.clone();
    address.set_path(database);
    address.into()
}

/// Returns a connection string for another role.
pub(crate) fn as_role(url: &str, role: &str, is_private: bool) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return url.to_owned();
    };
    // A socket is no host that may have a user before it, so far as `Url` knows; ours always has one.
    if !is_private || url.set_username(role).is_err() {
        url.query_pairs_mut()
            .append_pair("options", &format!("-c role={role}"));
    }
    url.into()
}

fn configure(
    command: &mut Command,
    options: &Options,
    data: &Path,
    socket: &Path,
    log: &Path,
) -> Result<()> {
    let output = File::create(log).map_err(Error::file("create", log))?;
    let errors = output.try_clone().map_err(Error::file("open", log))?;
    command.stdout(output).stderr(errors).arg("-D").arg(data);
    let more: &[&str] = if options.durable {
        &[]
    } else {
        &THROW_AWAY_SETTINGS
    };
    for setting in SETTINGS.iter().chain(more) {
        command.args(["-c", setting]);
    }
    command
        .arg("-c")
        .arg(format!("unix_socket_directories={}", socket.display()));
    // Out of the group of the terminal: Ctrl-C reaches the parent alone, which ends the server after its last use.
    #[cfg(target_os = "linux")]
    std::os::unix::process::CommandExt::process_group(command, 0);
    Ok(())
}

/// Makes the folder of the socket. A throw-away cluster has it inside. The path of another may be too long, so its
/// socket is elsewhere, but always at the same place, so that a connection string stays good.
fn socket(folder: &Path, options: &Options, identity: Identity) -> Result<PathBuf> {
    let name = format!(
        "usher-{:016x}",
        files::hash(folder.as_os_str().as_encoded_bytes())
    );
    let inside = (!options.durable).then(|| folder.join("socket"));
    let session = env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|_| identity == Identity::Own);
    let outside = session
        .into_iter()
        .chain([env::temp_dir(), PathBuf::from("/tmp")]);
    for socket in inside
        .into_iter()
        .chain(outside.map(|base| base.join(&name)))
    {
        let is_short = socket.join(".s.PGSQL.5432").as_os_str().len() <= SOCKET_LIMIT;
        // A comma would begin another folder.
        let is_plain = socket.is_absolute()
            && socket
                .to_str()
                .is_some_and(|path| !path.contains([',', '"']));
        let has_base = socket.parent().is_some_and(Path::is_dir);
        let is_usable = is_short && is_plain && has_base && identity.reaches(&socket);
        if is_usable && matches!(files::create_private(&socket, &identity.owners()), Ok(true)) {
            identity.give(&socket)?;
            return Ok(socket);
        }
    }
    Err(Error::Socket(env::temp_dir().join(name)))
}

fn address(socket: &Path) -> Result<Url> {
    let host: String = socket.to_string_lossy().bytes().map(escape).collect();
    Url::parse(&format!("postgres://postgres@{host}"))
        .map_err(|_| Error::Socket(socket.to_path_buf()))
}

/// Writes a byte of a path as it has to stand in the place of a host.
fn escape(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    }
}
