//! A mail server and a mail service, as far as sending mails needs them: real sockets that remember what they were told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// It takes every mail.
    #[default]
    Usual,
    /// It offers STARTTLS, and goes on in plain text after it.
    FalseStartTls,
    /// It takes no mail for the recipient.
    Refusing,
    /// It takes a mail, and never says so.
    Silent,
}

/// A mail that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Whom the envelope names.
    pub to: Vec<String>,
    /// The mail itself, with quoted-printable lines joined and decoded.
    pub data: String,
}

impl Received {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.data.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap()
    }
}

#[derive(Debug, Default)]
struct Kept {
    mails: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
    manner: Mutex<Manner>,
    news: Notify,
}

/// A mail server (RFC 5321) on this machine.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    kept: Arc<Kept>,
}

impl MailServer {
    /// Starts one.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Kept::default());
        *kept.manner.lock().unwrap() = manner;
        let shared = Arc::clone(&kept);
        #[expect(clippy::disallowed_methods, reason = "a test is no function")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                #[expect(clippy::disallowed_methods, reason = "a test is no function")]
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { address, kept }
    }

    /// Returns its URL on this machine, with a sign-in.
    pub fn url(&self) -> String {
        format!("smtp://ada:pass%40word@127.0.0.1:{}", self.address.port())
    }

    /// Returns its URL by an address that is not known to be on this machine.
    pub fn url_elsewhere(&self) -> String {
        format!("smtp://ada:pass%40word@0.0.0.0:{}", self.address.port())
    }

    /// Makes it behave in another way from now on.
    pub fn behave(&self, manner: Manner) {
        *self.kept.manner.lock().unwrap() = manner;
    }

    /// Returns what it received.
    pub fn mails(&self) -> Vec<Received> {
        self.kept.mails.lock().unwrap().clone()
    }

    /// Returns the first words of the commands that it got.
    pub fn commands(&self) -> Vec<String> {
        self.kept.commands.lock().unwrap().clone()
    }

    /// Waits for a mail.
    pub async fn received(&self) {
        self.kept.news.notified().await;
    }
}

/// Has one conversation; it ends when the other end says so or hangs up.
async fn converse(stream: TcpStream, kept: Arc<Kept>) -> std::io::Result<()> {
    let manner = *kept.manner.lock().unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here ESMTP\r\n").await?;
    let mut to = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let word = line.split([' ', '\r', ':']).next().unwrap_or_default();
        let word = word.to_ascii_uppercase();
        kept.commands.lock().unwrap().push(word.clone());
        let answer = match word.as_str() {
            "EHLO" if manner == Manner::FalseStartTls => {
                "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN"
            }
            "EHLO" => "250-here\r\n250-8BITMIME\r\n250 AUTH PLAIN",
            "STARTTLS" => "220 go on",
            // `\0ada\0pass@word`, as RFC 4616 has it.
            "AUTH" if line.contains("AGFkYQBwYXNzQHdvcmQ=") => "235 welcome",
            "AUTH" => "535 who are you",
            "RCPT" if manner == Manner::Refusing => "550 no such mailbox <member@example.com>",
            "RCPT" => {
                to.push(line.trim_end().to_owned());
                "250 fine"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let data = read_data(&mut stream).await?;
                let mail = Received {
                    to: std::mem::take(&mut to),
                    data,
                };
                kept.mails.lock().unwrap().push(mail);
                kept.news.notify_one();
                if manner == Manner::Silent {
                    std::future::pending::<()>().await;
                }
                "250 taken"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

async fn read_data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line == ".\r\n" || line.is_empty() {
            return Ok(decode(&data));
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// Reads quoted-printable (RFC 2045, section 6.7); what is not encoded so stays as it is.
fn decode(data: &str) -> String {
    let joined = data.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if first == b'=' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

/// A mail service with an HTTP API on this machine.
#[derive(Debug)]
pub struct MailService {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    is_broken: Arc<AtomicBool>,
}

impl MailService {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Self {
            address,
            requests: Arc::default(),
            is_broken: Arc::default(),
        };
        let (requests, is_broken) = (
            Arc::clone(&service.requests),
            Arc::clone(&service.is_broken),
        );
        #[expect(clippy::disallowed_methods, reason = "a test is no function")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (head, body) = take_request(stream, is_broken.load(Ordering::Relaxed)).await;
                requests.lock().unwrap().push((head, body));
            }
        });
        service
    }

    /// Returns its URL, with a token.
    pub fn url(&self) -> String {
        format!("http://:a-token@{}/emails", self.address)
    }

    /// Makes it answer 500, or not any more.
    pub fn set_broken(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// Returns the heads and the bodies of the requests it got.
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }
}

async fn take_request(mut stream: TcpStream, is_broken: bool) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        bytes.extend(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            let head = head.to_ascii_lowercase();
            let status = if is_broken {
                "500 Internal Server Error"
            } else {
                "200 OK"
            };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return (head, body);
        }
        assert!(count > 0, "half a request: {text}");
    }
}
