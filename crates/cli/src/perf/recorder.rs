//! Stands between a pool and the server, and keeps every statement with its values as it was sent.
//!
//! What only reads is passed on. What writes is kept, and refused: so it can be said to the server later, bare and for the
//! first time, without a pool or a driver between. No statement is written down twice, and none gets out of date.

use std::{
    io::ErrorKind,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Mutex as Turn,
    task::JoinSet,
};
use tokio_postgres::config::SslMode;

use super::{
    address::Address,
    wire::{Answer, Message, Prepared, Request, Upstream, connect, introduce},
};

/// What a client is told that wants to write: an error, and that more may be said.
const HELD: &[u8] = b"SERROR\0VERROR\0C57000\0Mkept for later\0\0";

/// A pool that connects to [`Recorder::address`] is recorded until this is dropped.
#[derive(Debug)]
pub(super) struct Recorder {
    address: String,
    shared: Arc<Shared>,
    /// Ends with this.
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    /// The newest connection to the server.
    upstream: Turn<Option<Arc<Turn<Upstream>>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Begins to listen; returns `None` for a database that is spoken to by TLS, which nobody can stand between.
    pub(super) async fn start(address: &Address) -> Result<Option<Self>> {
        if address.driver().get_ssl_mode() != SslMode::Disable {
            return Ok(None);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("cannot listen on 127.0.0.1")?;
        let shared = Arc::new(Shared::default());
        let through = address.through(listener.local_addr()?.port(), 1);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, address.clone(), Arc::clone(&shared)));
        Ok(Some(Self {
            address: through,
            shared,
            _serving: serving,
        }))
    }

    /// Returns the connection string that leads here.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Returns what was recorded since the last look.
    pub(super) fn take(&self) -> Vec<Request> {
        std::mem::take(
            &mut *self
                .shared
                .requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Says bytes to the server on the connection that was recorded last.
    pub(super) async fn say(&self, bytes: &[u8]) -> Result<Answer> {
        let upstream = self.shared.upstream.lock().await.clone();
        let upstream = upstream.ok_or_else(|| anyhow!("nothing was recorded yet"))?;
        let answer = Answer::of(&mut *upstream.lock().await, bytes)
            .await
            .context("the bare connection failed")?;
        match answer.failure {
            Some(failure) => bail!("a statement failed that was said bare: {failure}"),
            None => Ok(answer),
        }
    }
}

async fn serve(listener: TcpListener, address: Address, shared: Arc<Shared>) {
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (address, shared) = (address.clone(), Arc::clone(&shared));
        clients.spawn(async move {
            // The client sees that the connection ends, and says what that means for it.
            let _ = attend(client, &address, &shared).await;
        });
    }
}

/// Stands between one client and the server.
async fn attend(mut client: TcpStream, address: &Address, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut upstream = connect(address.driver()).await?;
    introduce(&mut client, &mut upstream).await?;
    let upstream = Arc::new(Turn::new(upstream));
    *shared.upstream.lock().await = Some(Arc::clone(&upstream));
    let mut prepared = Prepared::default();
    let mut messages = Vec::new();
    while let Some(message) = Message::read(&mut client).await? {
        let is_last = matches!(message.tag, b'S' | b'Q');
        if message.tag == b'X' {
            break;
        }
        messages.push(message);
        if !is_last {
            continue;
        }
        let request = Request::find(&messages, &mut prepared);
        let is_held = request
            .as_ref()
            .is_some_and(|request| !request.is_reading());
        let sent: Vec<u8> = messages
            .drain(..)
            .flat_map(|message| message.bytes())
            .collect();
        if let Some(request) = request {
            shared
                .requests
                .lock()
                .map_err(|_| ErrorKind::Other)?
                .push(request);
        }
        if is_held {
            let answer = [
                Message::new(b'E', HELD).bytes(),
                Message::new(b'Z', b"I").bytes(),
            ]
            .concat();
            client.write_all(&answer).await?;
        } else {
            let answer = Answer::of(&mut *upstream.lock().await, &sent).await?;
            client.write_all(&answer.said).await?;
            answer
                .types
                .into_iter()
                .for_each(|types| prepared.learn(types));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_postgres::NoTls;
    use usher_core::{Author, DatabaseUrl, users};
    use usher_domain::{Email, Name, NewUser, Origin, Permission, RequestId, RoleSet};

    use super::*;
    use crate::{
        migrate,
        output::tell,
        perf::address,
        scratch::{Scratch, ShadowChoice},
    };

    fn newcomer() -> NewUser {
        NewUser {
            name: Name::parse("Ada \u{17b}").unwrap(),
            email: Email::parse("ada@post.example").unwrap(),
            roles: RoleSet::default(),
            is_active: true,
            avatar_url: None,
        }
    }

    #[tokio::test]
    async fn what_writes_is_kept_back_and_can_be_said_once() {
        let scratch = Scratch::create(&ShadowChoice::default()).await.unwrap();
        migrate::deploy(scratch.target(), &tell).await.unwrap();
        let address = Address::new(scratch.target().url.clone(), Some("usher_app"));
        let recorder = Recorder::start(&address).await.unwrap().unwrap();
        let database = address::open(recorder.address()).unwrap();
        let connection = database.connection().await.unwrap();
        let origin = Origin {
            ip: None,
            user_agent: None,
            request_id: RequestId::unknown(),
        };
        let new = newcomer();
        let everything = Permission::ALL
            .iter()
            .map(|permission| permission.as_str())
            .collect();
        let made = users::insert(
            &connection,
            Author::nobody(&origin),
            &new,
            None,
            &everything,
        )
        .await;
        assert!(made.is_err());
        let found = async || {
            users::find_credentials(&connection, &new.email)
                .await
                .unwrap()
        };
        assert!(found().await.is_none());

        let kept = recorder.take();
        assert_eq!(
            kept.iter().map(Request::is_reading).collect::<Vec<_>>(),
            [false, true]
        );
        let types = kept[0].types();
        assert_eq!(types[..5], ["text", "text", "text", "_text", "bool"]);
        let values = kept[0].as_text("select $1::text, $2::text, $3::text, $4::text, $5::text");
        let values = recorder.say(&values).await.unwrap().first;
        let expected = [
            Some("Ada \u{17b}"),
            Some("ada@post.example"),
            None,
            Some("{user}"),
            Some("true"),
        ];
        assert_eq!(
            values.iter().map(Option::as_deref).collect::<Vec<_>>(),
            expected
        );

        assert_eq!(recorder.say(&kept[0].sent).await.unwrap().rows, 1);
        assert!(found().await.is_some());
        let again = recorder.say(&kept[0].sent).await.unwrap_err().to_string();
        assert!(again.contains("users_email_key"), "{again}");
        // The connection goes on after that.
        assert_eq!(recorder.say(&kept[1].sent).await.unwrap().rows, 1);
    }

    #[tokio::test]
    async fn a_statement_under_a_name_is_kept_with_its_types() {
        let scratch = Scratch::create(&ShadowChoice::default()).await.unwrap();
        let address = Address::new(scratch.target().url.clone(), None);
        let recorder = Recorder::start(&address).await.unwrap().unwrap();
        let url = DatabaseUrl::parse(recorder.address(), true).unwrap();
        let (client, connection) = url.driver().connect(NoTls).await.unwrap();
        let ask = async {
            let statement = client.prepare("select 1 where 7 = $1").await.unwrap();
            assert_eq!(recorder.take().len(), 0);
            assert_eq!(client.query(&statement, &[&7]).await.unwrap().len(), 1);
            let kept = recorder.take();
            assert_eq!(kept[0].types(), ["int4"]);
            let value = recorder
                .say(&kept[0].as_text("select $1::text"))
                .await
                .unwrap();
            assert_eq!(value.first, [Some("7".to_owned())]);
            assert_eq!(recorder.say(&kept[0].sent).await.unwrap().rows, 1);
            drop((statement, client));
        };
        tokio::join!(ask, connection).1.unwrap();
    }
}
