//! Passwords of leaks: refused when the service lists them, and never a reason to keep anybody waiting.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use usher_tests::{Answer, Caller, PASSWORD, TestApp};

use crate::accounts::newest_token;

/// A password, and the hash that the service lists (computed with another tool).
const LEAKED: &str = "seven small lamps in a row";
const PREFIX: &str = "0DB84";
const SUFFIX: &str = "EAB3A51D1AE8F69EC361A8D31192123A46E";
const GOOD: &str = "eight small lamps in a row";
const MEMBER: &str = "member@example.com";

/// How a service answers.
#[derive(Clone, Copy)]
enum Way {
    Lists,
    Pads,
    Fails,
    Hangs,
    HangsUp,
}

/// A service on this machine that lists one password.
struct Service {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/range/", listener.local_addr().unwrap());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        #[expect(clippy::disallowed_methods, reason = "a test is no function")]
        tokio::spawn(async move {
            let mut silent = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                seen.lock().unwrap().push(head);
                let count = if matches!(way, Way::Pads) { 0 } else { 7 };
                let body = format!("{SUFFIX}:{count}\r\n0018A45C4D1DEF81644B54AB7F969B88D65:21");
                let length = body.len();
                let answer = match way {
                    Way::Lists | Way::Pads => {
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
                    }
                    Way::Fails => {
                        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned()
                    }
                    Way::Hangs => {
                        silent.push(stream);
                        continue;
                    }
                    Way::HangsUp => continue,
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    async fn asked_by(&self) -> TestApp {
        TestApp::with(&[("USHER_PWNED_PASSWORDS", &self.url)]).await
    }
}

async fn register(caller: &Caller, password: &str) -> Answer {
    let form = json!({ "name": "Ada", "email": "ada@example.com", "password": password });
    caller.post("/api/auth/register", form).await
}

fn assert_leaked(answer: &Answer, member: &str) {
    assert_eq!(answer.problem(400), "validation-failed");
    let error = &answer.body()["errors"][0];
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (&json!(member), &json!("leaked"))
    );
}

#[tokio::test]
async fn a_password_of_a_leak_is_refused_wherever_one_is_chosen() {
    let service = Service::start(Way::Lists).await;
    let t = service.asked_by().await;
    assert_leaked(&register(&t.anonymous(), LEAKED).await, "/password");
    let form = json!({ "currentPassword": PASSWORD, "newPassword": LEAKED });
    let changed = t.member().post("/api/auth/password", form).await;
    assert_leaked(&changed, "/newPassword");
    let form = json!({ "name": "Ada", "email": "ada@example.com", "password": LEAKED });
    assert_leaked(&t.admin().post("/api/users", form).await, "/password");
    let form = json!({ "email": MEMBER });
    let asked = t.anonymous().post("/api/auth/password/forgot", form).await;
    asked.expect(202);
    let token = newest_token(&t).await;
    let reset = async |password: &str| {
        let form = json!({ "token": token, "password": password });
        t.anonymous().post("/api/auth/password/reset", form).await
    };
    assert_leaked(&reset(LEAKED).await, "/password");
    // The link is still good, for another one.
    reset(GOOD).await.expect(204);
    register(&t.anonymous(), GOOD).await.expect(202);
    assert_eq!(service.heads().len(), 6);
}

#[tokio::test]
async fn the_service_learns_five_digits_of_a_hash_and_nothing_else() {
    let service = Service::start(Way::Lists).await;
    let t = service.asked_by().await;
    register(&t.anonymous(), LEAKED).await.problem(400);
    let heads = service.heads();
    let lines: Vec<_> = heads[0].lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], format!("GET /range/{PREFIX} HTTP/1.1"));
    let mut names: Vec<_> = lines[1..]
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["add-padding", "host", "user-agent"]);
    assert!(lines.contains(&"add-padding: true"));
}

#[tokio::test]
async fn padding_is_no_leak() {
    let service = Service::start(Way::Pads).await;
    let t = service.asked_by().await;
    register(&t.anonymous(), LEAKED).await.expect(202);
    assert_eq!(service.heads().len(), 1);
}

#[tokio::test]
async fn a_service_that_is_away_keeps_nobody_from_a_password() {
    for way in [Way::Fails, Way::HangsUp] {
        let service = Service::start(way).await;
        let t = service.asked_by().await;
        register(&t.anonymous(), LEAKED).await.expect(202);
        assert_eq!(service.heads().len(), 1);
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/range/", closed.local_addr().unwrap());
    drop(closed);
    let t = TestApp::with(&[("USHER_PWNED_PASSWORDS", &url)]).await;
    register(&t.anonymous(), LEAKED).await.expect(202);
}

#[tokio::test]
async fn a_service_that_hangs_is_waited_for_one_second_without_a_connection() {
    let service = Service::start(Way::Hangs).await;
    let t = service.asked_by().await;
    let caller = t.anonymous();
    let begun = Instant::now();
    let watch = async {
        while service.heads().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        t.app.connections()
    };
    let (answer, connections) = tokio::join!(register(&caller, LEAKED), watch);
    answer.expect(202);
    assert!(connections.contains(&("used", 0)), "{connections:?}");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let form = json!({ "currentPassword": PASSWORD, "newPassword": LEAKED });
    let member = t.member();
    let seen = service.heads().len();
    let watch = async {
        while service.heads().len() == seen {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        t.app.connections()
    };
    let (answer, connections) = tokio::join!(member.post("/api/auth/password", form), watch);
    answer.expect(204);
    assert!(connections.contains(&("used", 0)), "{connections:?}");
}

#[tokio::test]
async fn who_has_the_wrong_link_or_password_asks_no_service() {
    let service = Service::start(Way::Lists).await;
    let t = service.asked_by().await;
    let form = json!({ "token": "A".repeat(43), "password": LEAKED });
    let reset = t.anonymous().post("/api/auth/password/reset", form).await;
    assert_eq!(reset.problem(400), "invalid-secret");
    let form = json!({ "currentPassword": GOOD, "newPassword": LEAKED });
    let changed = t.member().post("/api/auth/password", form).await;
    assert_eq!(changed.problem(403), "wrong-password");
    assert!(service.heads().is_empty());
}

#[tokio::test]
async fn nothing_is_asked_unless_told() {
    let t = TestApp::start().await;
    register(&t.anonymous(), LEAKED).await.expect(202);
    let t = TestApp::with(&[("USHER_PWNED_PASSWORDS", "off")]).await;
    register(&t.anonymous(), LEAKED).await.expect(202);
}
