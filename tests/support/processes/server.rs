//! Private servers that can be reached over TCP as well, with a password.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;
use usher_devdb::{Cluster, TestDatabase, throw_away_cluster_with};

use super::authority::Authority;
use crate::{TestApp, database};

/// What the machine of a server is called, as if it were another one than this.
pub const NAME: &str = "db.internal";
/// The password of the role that the product runs as.
pub const PASSWORD: &str = "a-password-of-the-tests";
/// The port of every one of them.
pub const PORT: u16 = 5432;

/// What a client sends that wants TLS (`SSLRequest` in the protocol).
const ASKS_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server that ends with the tests.
pub struct Server {
    cluster: Cluster,
    /// The address that it listens on.
    pub address: Ipv4Addr,
}

/// Returns the server that knows no TLS.
pub async fn plain() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(|| Server::start(1)).await
}

/// Returns the server whose certificate says that it is [`NAME`], with the authority that says so.
pub async fn with_tls() -> &'static (Server, Authority) {
    static SERVER: OnceCell<(Server, Authority)> = OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let (server, authority) = (Server::start(2).await, Authority::create("private"));
            server.install(&authority.certificate(NAME)).await;
            (server, authority)
        })
        .await
}

impl Server {
    /// Starts a server at an address of this machine that no other run has.
    async fn start(number: u8) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, number, high, low.max(1));
        let setting = format!("listen_addresses={address}");
        let cluster = throw_away_cluster_with(&[&setting], &|message| eprintln!("{message}"));
        let server = Self {
            cluster: cluster.unwrap(),
            address,
        };
        // The migrations of the first database make the role.
        drop(server.database().await);
        let owner = server.cluster.admin().await.unwrap();
        let password = format!("alter role usher_app password '{PASSWORD}'");
        owner.batch_execute(&password).await.unwrap();
        server
    }

    /// Returns a database with everybody in it.
    pub async fn database(&self) -> TestDatabase {
        database::create_on(&self.cluster).await
    }

    /// Returns the connection string by which the server is another machine, with further parameters: `a=b`.
    pub fn remote_url(&self, database: &TestDatabase, host: &str, more: &str) -> String {
        let (address, name) = (self.address, database.name());
        format!("postgres://usher_app:{PASSWORD}@{host}:{PORT}/{name}?hostaddr={address}&{more}")
    }

    /// Starts an instance on a database of this server by the connection string that `url` makes of it.
    pub async fn instance(
        &self,
        url: impl FnOnce(&TestDatabase) -> String,
        variables: &[(&str, &str)],
    ) -> TestApp {
        let database = self.database().await;
        let url = url(&database);
        // In development the report tells why the database is away.
        let usual = [("DATABASE_URL", url.as_str()), ("USHER_ENV", "development")];
        TestApp::on(database, &[variables, &usual].concat()).await
    }

    /// Gives the server a certificate with its key, and waits until it speaks TLS.
    async fn install(&self, (certificate, key): &(String, String)) {
        let owner = self.cluster.admin().await.unwrap();
        for (file, text) in [("server.crt", certificate), ("server.key", key)] {
            // The server writes the files, so that they are its own and closed to others, as it wants them.
            let write = format!(
                "copy (select unnest(string_to_array('{}', e'\\n'))) to program 'umask 077 && cat > {file}'",
                text.trim_end()
            );
            owner.batch_execute(&write).await.unwrap();
        }
        owner
            .batch_execute("alter system set ssl = on")
            .await
            .unwrap();
        owner
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        let start = Instant::now();
        while !self.speaks_tls() {
            assert!(start.elapsed() < Duration::from_secs(10), "no TLS");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn speaks_tls(&self) -> bool {
        let mut stream = TcpStream::connect((self.address, PORT)).unwrap();
        stream.write_all(&ASKS_FOR_TLS).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        answer == *b"S"
    }
}
