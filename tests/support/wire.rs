//! A wire between an instance and the server: it counts how often the instance waits for an answer, and can go dead.
//!
//! Each answer is held back for a moment, as a network does it: what the instance sends without having it is then known
//! not to have waited for it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixStream},
    task::{JoinHandle, JoinSet},
};
use tokio_postgres::config::Host;

mod conversation;

use conversation::{Conversation, Progress};

pub use conversation::Asked;

/// How long an answer is held back.
const DELAY: Duration = Duration::from_millis(5);

/// A way to a server. Dropping it closes every connection.
pub struct Wire {
    address: String,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

struct Shared {
    server: tokio_postgres::Config,
    progress: Mutex<Progress>,
    /// How many connections there were.
    opened: AtomicUsize,
    /// The connections before the one with this number are dead.
    alive_from: AtomicUsize,
}

impl Wire {
    /// Makes a way to the server of a connection string.
    pub async fn to(url: &str) -> Self {
        Self::from("127.0.0.1:0", url).await
    }

    /// Makes a way from an address to the server of a connection string.
    pub async fn from(address: &str, url: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            server: url.parse().unwrap(),
            progress: Mutex::default(),
            opened: AtomicUsize::new(0),
            alive_from: AtomicUsize::new(0),
        });
        #[expect(clippy::disallowed_methods, reason = "a test is no function")]
        let listener = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            listener,
        }
    }

    /// Returns the address that it begins at.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns a connection string of the same server that leads along this way.
    pub fn along(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, database) = rest.split_once('/').unwrap();
        let user = authority.rsplit_once('@');
        let user = user.map_or(String::new(), |(user, _)| format!("{user}@"));
        format!("{scheme}://{user}{}/{database}", self.address)
    }

    /// Returns what was asked for since the last look; nothing may be on its way.
    pub fn take(&self) -> Asked {
        std::mem::take(&mut *self.shared.progress.lock().unwrap()).asked
    }

    /// Swallows whatever is sent from now on, in both directions, and tells neither end.
    pub fn die(&self) {
        self.shared.alive_from.store(usize::MAX, Ordering::Relaxed);
    }

    /// Lets new connections pass again. Those that were open stay dead.
    pub fn revive(&self) {
        let opened = self.shared.opened.load(Ordering::Relaxed);
        self.shared.alive_from.store(opened, Ordering::Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Shared {
    fn read(&self, read: impl FnOnce(&mut Progress)) {
        read(&mut self.progress.lock().unwrap());
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    // The connections end together with this.
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let number = shared.opened.fetch_add(1, Ordering::Relaxed);
        connections.spawn(connect(client, number, Arc::clone(&shared)));
    }
}

async fn connect(client: TcpStream, number: usize, shared: Arc<Shared>) {
    client.set_nodelay(true).unwrap();
    let port = shared.server.get_ports().first().copied().unwrap_or(5432);
    match &shared.server.get_hosts()[0] {
        Host::Unix(folder) => {
            let socket: PathBuf = folder.join(format!(".s.PGSQL.{port}"));
            if let Ok(server) = UnixStream::connect(socket).await {
                carry(client, server, number, &shared).await;
            }
        }
        Host::Tcp(name) => {
            if let Ok(server) = TcpStream::connect((name.as_str(), port)).await {
                carry(client, server, number, &shared).await;
            }
        }
    }
}

/// Carries bytes both ways until one end hangs up.
async fn carry<C, S>(client: C, server: S, number: usize, shared: &Shared)
where
    C: AsyncRead + AsyncWrite,
    S: AsyncRead + AsyncWrite,
{
    let is_alive = || number >= shared.alive_from.load(Ordering::Relaxed);
    let conversation = Mutex::new(Conversation::default());
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let asks = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            if is_alive() {
                let asked = &bytes[..count];
                shared.read(|progress| conversation.lock().unwrap().asks(asked, progress));
                if to_server.write_all(asked).await.is_err() {
                    break;
                }
            }
        }
    };
    let answers = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            tokio::time::sleep(DELAY).await;
            if is_alive() {
                let answered = &bytes[..count];
                shared.read(|progress| conversation.lock().unwrap().answers(answered, progress));
                if to_client.write_all(answered).await.is_err() {
                    break;
                }
            }
        }
        if !is_alive() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = asks => {}
        () = answers => {}
    }
}
