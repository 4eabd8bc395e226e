//! A model of the platform: it serves the output of a build on this machine.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use http_body_util::{BodyExt, Full};
use tokio::{net::TcpListener, task::JoinHandle};

use usher_tests::processes::{Instance, client};

use crate::routes::{Found, Routes};

/// Keeps one warm process for each function that was asked for.
pub(crate) struct Gateway {
    platform: Arc<Platform>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Platform {
    routes: Routes,
    settings: Vec<(&'static str, String)>,
    instances: Mutex<HashMap<String, Instance>>,
}

impl Gateway {
    pub(crate) async fn start(output: &Path, settings: Vec<(&'static str, String)>) -> Self {
        let instances = Mutex::default();
        let platform = Arc::new(Platform {
            routes: Routes::read(output),
            settings,
            instances,
        });
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&platform));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test is no function")]
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            platform,
            address,
            server,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops every function.
    pub(crate) fn stop(self) {
        self.server.abort();
        for (_, instance) in self.platform.instances.lock().unwrap().drain() {
            instance.stop();
        }
    }
}

async fn serve(State(platform): State<Arc<Platform>>, request: Request) -> Response {
    match platform.routes.find(request.uri().path()) {
        Found::File(file) => std::fs::read(file).unwrap().into_response(),
        Found::Function { name, query } => platform.invoke(&name, &query, request).await,
        Found::Nothing => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Platform {
    async fn invoke(&self, name: &str, added: &str, request: Request) -> Response {
        let (address, number) = self.instance(name);
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        parts.uri = with_query(&parts.uri, added).parse().unwrap();
        parts.headers.remove(header::CONNECTION);
        client::pass_on(&mut parts.headers, number);
        let request = Request::from_parts(parts, Full::new(body));
        let answer = client::send(address, request).await.unwrap();
        let mut response = Response::new(Body::from(answer.body));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
        *response.headers_mut() = answer.headers;
        response
    }

    fn instance(&self, name: &str) -> (SocketAddr, u64) {
        let mut instances = self.instances.lock().unwrap();
        let instance = instances.entry(name.to_owned()).or_insert_with(|| {
            Instance::start(
                &self.routes.executable(name),
                name.trim_matches('/'),
                &self.settings,
            )
        });
        instance.next_request()
    }
}

/// Adds the parameters of the path; they replace what the caller has put there.
fn with_query(uri: &http::Uri, added: &str) -> String {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let added_names: Vec<_> = added
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(name)
        .collect();
    let given = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    let kept = given.filter(|pair| !added_names.contains(&name(pair)));
    let pairs: Vec<_> = kept
        .chain(added.split('&').filter(|pair| !pair.is_empty()))
        .collect();
    if pairs.is_empty() {
        uri.path().to_owned()
    } else {
        format!("{}?{}", uri.path(), pairs.join("&"))
    }
}
