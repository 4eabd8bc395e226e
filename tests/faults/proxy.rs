//! A wire that can be slow, dead, or cut at the worst moment.
//!
//! It stands between an instance and the server, or between a caller and an instance, and knows nothing of what passes,
//! except that a text can be named whose answer gets lost.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_postgres::config::Host;

/// What happens to everything on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All passes at once.
    Fair,
    /// All comes later by this much, in either direction.
    Slow(Duration),
    /// One byte after the other.
    Sliced,
    /// Nothing passes, and nobody is told. What was sent meanwhile comes when the weather changes.
    Dead,
    /// The connection is reset when this many bytes of an answer have passed.
    CutAfter(usize),
    /// The connection is reset when the answer to something that has this text in it is there: it was done, and nobody
    /// learns of it.
    LosesAnswerTo(&'static str),
}

/// The wire. Dropping it closes every connection.
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    _connections: JoinSet<()>,
}

/// Where the wire leads.
#[derive(Clone)]
enum End {
    Server(String),
    Instance(SocketAddr),
}

impl Proxy {
    /// Makes a wire to the server of a connection string.
    pub(crate) async fn to_server(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let [Host::Unix(folder)] = config.get_hosts() else {
            panic!("the server has no socket: {config:?}");
        };
        let socket = folder.join(".s.PGSQL.5432");
        Self::to(End::Server(socket.to_str().unwrap().to_owned())).await
    }

    /// Makes a wire to an instance.
    pub(crate) async fn to_instance(address: SocketAddr) -> Self {
        Self::to(End::Instance(address)).await
    }

    async fn to(end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (weather, forecast) = watch::channel(Weather::Fair);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (end, forecast) = (end.clone(), forecast.clone());
                open.spawn(async move {
                    // Whatever ends it, both ends learn that it has ended.
                    let _ = connect(near, end, forecast).await;
                });
            }
        });
        Self {
            address,
            weather,
            _connections: connections,
        }
    }

    /// Returns where the wire begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a connection string of the same database along this wire.
    pub(crate) fn along(&self, url: &str) -> String {
        let (head, database) = url.rsplit_once('/').unwrap();
        let (user, _) = head.rsplit_once('@').unwrap();
        format!("{user}@{}/{database}", self.address)
    }

    /// Changes the weather, also for connections that are open.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn connect(near: TcpStream, end: End, weather: watch::Receiver<Weather>) -> io::Result<()> {
    near.set_nodelay(true)?;
    match end {
        End::Server(socket) => pass(near, UnixStream::connect(socket).await?, weather).await,
        End::Instance(address) => {
            let far = TcpStream::connect(address).await?;
            far.set_nodelay(true)?;
            pass(near, far, weather).await
        }
    }
}

/// Passes on what comes from either side, until one of them is cut.
async fn pass<S>(
    mut near: TcpStream,
    mut far: S,
    weather: watch::Receiver<Weather>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let is_cut = {
        let (near_in, near_out) = near.split();
        let (far_in, far_out) = tokio::io::split(&mut far);
        let is_armed = AtomicBool::new(false);
        let there = flow(near_in, far_out, weather.clone(), |weather, bytes| {
            if let Weather::LosesAnswerTo(text) = weather
                && contains(bytes, text)
            {
                is_armed.store(true, Ordering::Relaxed);
            }
            None
        });
        let mut passed = 0;
        let back = flow(far_in, near_out, weather, |weather, bytes| match weather {
            Weather::CutAfter(limit) => {
                let left = limit.saturating_sub(passed);
                passed += bytes.len();
                (left < bytes.len()).then_some(left)
            }
            Weather::LosesAnswerTo(_) if is_armed.load(Ordering::Relaxed) => Some(0),
            _ => {
                passed = 0;
                None
            }
        });
        tokio::select! {
            ended = there => ended?,
            ended = back => ended?,
        }
    };
    if is_cut {
        near.set_zero_linger()?;
    }
    Ok(())
}

/// Passes on what comes from one side. `cut` sees each piece, and says after how many bytes of it the wire is cut.
/// Returns whether it was.
async fn flow<R, W>(
    mut from: R,
    mut to: W,
    weather: watch::Receiver<Weather>,
    mut cut: impl FnMut(&Weather, &[u8]) -> Option<usize>,
) -> io::Result<bool>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (pieces, mut queue) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let mut forecast = weather.clone();
    let reading = async move {
        let mut buffer = vec![0; 65_536];
        loop {
            let count = from.read(&mut buffer).await?;
            let now = weather.borrow().clone();
            let due = match now {
                Weather::Slow(delay) => Instant::now() + delay,
                _ => Instant::now(),
            };
            // No piece at all is the end.
            if pieces.send((due, buffer[..count].to_vec())).is_err() || count == 0 {
                return std::future::pending::<io::Result<bool>>().await;
            }
        }
    };
    let writing = async move {
        while let Some((due, piece)) = queue.recv().await {
            sleep_until(due).await;
            let now = forecast.wait_for(|weather| *weather != Weather::Dead).await;
            let now = now.map_err(io::Error::other)?.clone();
            if let Some(limit) = cut(&now, &piece) {
                to.write_all(&piece[..limit]).await?;
                return Ok(true);
            }
            if piece.is_empty() {
                break;
            }
            let size = if now == Weather::Sliced {
                1
            } else {
                piece.len()
            };
            for slice in piece.chunks(size) {
                to.write_all(slice).await?;
            }
        }
        Ok(false)
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
