//! Messages between a client and Postgres (protocol 3.0), as far as a statement needs them to be heard and said again.

use std::{
    collections::HashMap,
    io::{Error, ErrorKind, Result},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
};
use tokio_postgres::{Config, config::Host, types::Type};

/// A connection in both directions.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// A connection to the server, on which messages are said as they are.
pub(super) type Upstream = BufReader<Box<dyn Socket>>;

/// A message with its tag; the one that begins a connection has none.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) tag: u8,
    pub(super) body: Vec<u8>,
}

/// What was prepared under a name: the text, and the types of its parameters as they were sent.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    by_name: HashMap<Vec<u8>, (String, Vec<u8>)>,
    newest: Vec<u8>,
}

/// A statement with its values, as a client sent it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The statement.
    pub(super) text: String,
    /// The whole of what was sent for it.
    pub(super) sent: Vec<u8>,
    types: Vec<u8>,
    values: Vec<u8>,
}

/// What the server answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The whole of it.
    pub(super) said: Vec<u8>,
    /// The number of rows.
    pub(super) rows: usize,
    /// The columns of the first row, for an answer in text.
    pub(super) first: Vec<Option<String>>,
    /// The types of the parameters, when they were asked for.
    pub(super) types: Option<Vec<u8>>,
    /// Why it failed.
    pub(super) failure: Option<String>,
}

impl Message {
    pub(super) fn new(tag: u8, body: &[u8]) -> Self {
        Self {
            tag,
            body: body.to_vec(),
        }
    }

    /// Reads the next message, or returns `None` at the end.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>> {
        let mut tag = [0];
        if from.read(&mut tag).await? == 0 {
            return Ok(None);
        }
        let body = read_body(from).await?;
        Ok(Some(Self { tag: tag[0], body }))
    }

    /// Returns it as it is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 5);
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.tag);
        bytes.extend(length(self.body.len() + 4));
        bytes.extend(&self.body);
    }
}

impl Prepared {
    /// Takes the types that the server told for what was prepared last: a client need not send any.
    pub(super) fn learn(&mut self, told: Vec<u8>) {
        if let Some((_, types)) = self.by_name.get_mut(&self.newest) {
            *types = told;
        }
    }
}

impl Request {
    /// Finds the statement that a client had executed, and keeps in mind what was only prepared.
    pub(super) fn find(messages: &[Message], prepared: &mut Prepared) -> Option<Self> {
        for message in messages.iter().filter(|message| message.tag == b'P') {
            let (name, rest) = split(&message.body)?;
            let (text, types) = split(rest)?;
            let text = String::from_utf8_lossy(text).into_owned();
            prepared
                .by_name
                .insert(name.to_vec(), (text, types.to_vec()));
            prepared.newest = name.to_vec();
        }
        messages.iter().find(|message| message.tag == b'E')?;
        let bind = messages.iter().find(|message| message.tag == b'B')?;
        let (_, rest) = split(&bind.body)?;
        let (name, rest) = split(rest)?;
        let (text, types) = prepared.by_name.get(name)?.clone();
        Some(Self {
            text,
            sent: messages.iter().flat_map(Message::bytes).collect(),
            types,
            values: rest.get(..values_length(rest)?)?.to_vec(),
        })
    }

    /// Tells whether it only reads.
    pub(super) fn is_reading(&self) -> bool {
        let text = self.text.trim_start();
        text.starts_with("select") || text.starts_with("explain")
    }

    /// Returns another statement with the same parameters; its answer is text.
    pub(super) fn as_text(&self, text: &str) -> Vec<u8> {
        let parse = [b"\0", text.as_bytes(), b"\0", &self.types].concat();
        let bind = [b"\0\0", &*self.values, &[0, 0]].concat();
        let messages = [
            Message::new(b'P', &parse),
            Message::new(b'B', &bind),
            Message::new(b'E', &[0, 0, 0, 0, 0]),
            Message::new(b'S', &[]),
        ];
        messages.iter().flat_map(Message::bytes).collect()
    }

    /// Returns the types of the parameters as SQL has them, such as `int8`.
    pub(super) fn types(&self) -> Vec<String> {
        let oids = self.types.get(2..).unwrap_or_default().chunks_exact(4);
        oids.map(|oid| {
            let oid = u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]);
            Type::from_oid(oid).map_or_else(|| "text".to_owned(), |found| found.name().to_owned())
        })
        .collect()
    }
}

impl Answer {
    /// Says something, and reads the answer up to where the server is ready for more.
    pub(super) async fn of(upstream: &mut Upstream, said: &[u8]) -> Result<Self> {
        upstream.write_all(said).await?;
        upstream.flush().await?;
        let mut answer = Self::default();
        loop {
            let message = Message::read(upstream)
                .await?
                .ok_or(ErrorKind::UnexpectedEof)?;
            message.write(&mut answer.said);
            match message.tag {
                b'Z' => return Ok(answer),
                b'D' if answer.rows == 0 => {
                    answer.first = columns(&message.body);
                    answer.rows = 1;
                }
                b'D' => answer.rows += 1,
                b't' => answer.types = Some(message.body),
                b'E' => answer.failure = Some(failure(&message.body)),
                _ => {}
            }
        }
    }
}

/// Opens a connection to where a driver would.
pub(super) async fn connect(driver: &Config) -> Result<Upstream> {
    let port = driver.get_ports().first().copied().unwrap_or(5432);
    let socket: Box<dyn Socket> = match driver.get_hosts().first() {
        Some(Host::Unix(folder)) => {
            Box::new(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?)
        }
        Some(Host::Tcp(name)) => Box::new(direct(
            TcpStream::connect((name.trim_matches(['[', ']']), port)).await?,
        )?),
        None => {
            let address = driver
                .get_hostaddrs()
                .first()
                .ok_or(ErrorKind::AddrNotAvailable)?;
            Box::new(direct(TcpStream::connect((*address, port)).await?)?)
        }
    };
    Ok(BufReader::new(socket))
}

/// Lets the two sides of a new connection agree who is there, until the server is ready.
pub(super) async fn introduce(client: &mut impl Socket, upstream: &mut Upstream) -> Result<()> {
    /// The answers to these kinds of authentication need none back: done, and the last word of SCRAM.
    const ASKS_NOTHING: [u8; 2] = [0, 12];
    let startup = read_body(client).await?;
    upstream
        .write_all(&[&length(startup.len() + 4), &*startup].concat())
        .await?;
    loop {
        let message = Message::read(upstream)
            .await?
            .ok_or(ErrorKind::UnexpectedEof)?;
        client.write_all(&message.bytes()).await?;
        match message.tag {
            b'Z' => return Ok(()),
            b'E' => return Err(Error::other(failure(&message.body))),
            b'R' if message
                .body
                .get(3)
                .is_some_and(|kind| !ASKS_NOTHING.contains(kind)) =>
            {
                let answer = Message::read(client)
                    .await?
                    .ok_or(ErrorKind::UnexpectedEof)?;
                upstream.write_all(&answer.bytes()).await?;
            }
            _ => {}
        }
    }
}

fn direct(socket: TcpStream) -> Result<TcpStream> {
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn read_body(from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let length = from.read_i32().await?;
    let length = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4));
    let mut body = vec![0; length.ok_or(ErrorKind::InvalidData)?];
    from.read_exact(&mut body).await?;
    Ok(body)
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Splits a text that ends with a zero from what follows.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Returns how long the formats and the values of parameters are together.
fn values_length(bytes: &[u8]) -> Option<usize> {
    let short = |at: usize| {
        Some(usize::from(u16::from_be_bytes(
            bytes.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    let mut at = 2 + short(0)? * 2;
    let count = short(at)?;
    at += 2;
    for _ in 0..count {
        let length = i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        // No value has the length -1.
        at += 4 + usize::try_from(length).unwrap_or_default();
    }
    Some(at)
}

fn columns(body: &[u8]) -> Vec<Option<String>> {
    let mut rest = body.get(2..).unwrap_or_default();
    let mut columns = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let (value, after) = after
            .split_at_checked(length.unwrap_or_default())
            .unwrap_or_default();
        columns.push(length.map(|_| String::from_utf8_lossy(value).into_owned()));
        rest = after;
    }
    columns
}

/// Reads the message out of the fields of an error.
fn failure(body: &[u8]) -> String {
    let mut fields = body.split(|byte| *byte == 0);
    let message = fields.find_map(|field| field.strip_prefix(b"M"));
    String::from_utf8_lossy(message.unwrap_or(b"an error without a message")).into_owned()
}
