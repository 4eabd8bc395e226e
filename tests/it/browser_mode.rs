//! Sessions of browsers: a refresh token that no script can read, and that no page of another origin can use.

use http::{Method, header};
use serde_json::json;
use usher_tests::{Answer, Caller, PASSWORD, Person, TestApp};

/// The origin of the deployment under test.
const ORIGIN: &str = "https://id.example.com";
const NAME: &str = "__Host-usher-refresh";

fn browser(t: &TestApp) -> Caller {
    t.anonymous()
        .with_header("usher-session", "cookie")
        .with_header("sec-fetch-site", "same-origin")
        .with_header("origin", ORIGIN)
}

async fn sign_in(caller: &Caller) -> Answer {
    let form = json!({ "email": Person::Member.email(), "password": PASSWORD });
    caller.post("/api/auth/login", form).await
}

/// Returns the cookie that an answer sets, with its attributes.
fn cookie(answer: &Answer) -> (String, String) {
    let (pair, attributes) = answer.header("set-cookie").split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

#[tokio::test]
async fn a_browser_keeps_the_refresh_token_where_no_script_reads_it() {
    let t = TestApp::start().await;
    let answer = sign_in(&browser(&t)).await;
    let (pair, attributes) = cookie(&answer);
    assert!(pair.starts_with(&format!("{NAME}=usher_rt_")), "{pair}");
    assert_eq!(
        attributes,
        "Path=/; Max-Age=1209600; Secure; HttpOnly; SameSite=Strict"
    );
    let session = answer.expect(200);
    assert_eq!(session["refreshToken"], json!(null));
    let token = session["accessToken"].as_str().unwrap();
    let me = t.anonymous().with_token(token).get("/api/me").await;
    me.expect(200);
}

#[tokio::test]
async fn the_cookie_prolongs_the_session_and_is_replaced_each_time() {
    let t = TestApp::start().await;
    let (first, _) = cookie(&sign_in(&browser(&t)).await);
    let refresh = |pair: String| {
        let browser = browser(&t).with_header("cookie", &format!("theme=dark; {pair}"));
        async move { browser.post("/api/auth/refresh", json!({})).await }
    };
    let renewed = refresh(first.clone()).await;
    let (second, _) = cookie(&renewed);
    assert_ne!(first, second);
    assert_eq!(renewed.expect(200)["refreshToken"], json!(null));
    refresh(second).await.expect(200);
    t.execute("update sessions set refreshed_at = now() - interval '1 minute'")
        .await;
    let stolen = refresh(first).await;
    assert_eq!(stolen.problem(401), "invalid-refresh-token");
}

#[tokio::test]
async fn who_signs_out_leaves_no_cookie_and_no_session() {
    let t = TestApp::start().await;
    let answer = sign_in(&browser(&t)).await;
    let (pair, _) = cookie(&answer);
    let token = answer.expect(200)["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let browser = browser(&t).with_header("cookie", &pair);
    let left = browser
        .request_without_body(&Method::POST, "/api/auth/logout")
        .await;
    let (pair, attributes) = cookie(&left);
    assert_eq!(pair, format!("{NAME}="));
    assert!(attributes.contains("Max-Age=0"), "{attributes}");
    left.expect(204);
    let me = t.anonymous().with_token(&token).get("/api/me").await;
    assert_eq!(me.problem(401), "unauthenticated");
    let refused = browser.post("/api/auth/refresh", json!({})).await;
    assert_eq!(refused.problem(401), "invalid-refresh-token");
}

#[tokio::test]
async fn who_signs_in_again_in_the_same_browser_gets_another_session_and_the_old_one_ends() {
    let t = TestApp::start().await;
    let before = sign_in(&browser(&t)).await;
    let (pair, _) = cookie(&before);
    let token = before.expect(200)["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let again = sign_in(&browser(&t).with_header("cookie", &pair)).await;
    assert_ne!(cookie(&again).0, pair);
    let me = t.anonymous().with_token(&token).get("/api/me").await;
    assert_eq!(me.problem(401), "unauthenticated");
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nowhere() {
    let t = TestApp::start().await;
    let (pair, _) = cookie(&sign_in(&browser(&t)).await);
    for (name, value) in [
        ("origin", "null"),
        ("origin", "https://evil.example"),
        ("origin", "https://id.example.com.evil.example"),
        ("origin", "http://id.example.com"),
        ("origin", "https://id.example.com:8443"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        for path in ["/api/auth/login", "/api/auth/refresh", "/api/auth/logout"] {
            let caller = t
                .anonymous()
                .with_header("usher-session", "cookie")
                .with_header("cookie", &pair)
                .with_header(name, value);
            let answer = caller.post(path, json!({})).await;
            assert_eq!(
                answer.problem(403),
                "foreign-origin",
                "{path} {name}: {value}"
            );
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
    browser(&t)
        .with_header("cookie", &pair)
        .post("/api/auth/refresh", json!({}))
        .await
        .expect(200);
}

#[tokio::test]
async fn the_cookie_alone_opens_nothing() {
    let t = TestApp::start().await;
    let (pair, _) = cookie(&sign_in(&browser(&t)).await);
    // Without the header that no other site can send, it is not looked at.
    let caller = t.anonymous().with_header("cookie", &pair);
    let refresh = caller.post("/api/auth/refresh", json!({})).await;
    assert_eq!(refresh.problem(400), "validation-failed");
    let simple = caller
        .request(&Method::POST, "/api/auth/refresh")
        .header(header::CONTENT_TYPE, "text/plain")
        .header("usher-session", "cookie")
        .body("{}".into());
    let simple = caller.send(simple.unwrap()).await;
    assert_eq!(simple.problem(415), "unsupported-media-type");
    for path in ["/api/me", "/api/me/sessions", "/api/users"] {
        let answer = caller.get(path).await;
        assert_eq!(answer.problem(401), "unauthenticated", "{path}");
    }
}

#[tokio::test]
async fn a_cookie_stands_alone() {
    let t = TestApp::start().await;
    let answer = sign_in(&browser(&t)).await;
    let (pair, _) = cookie(&answer);
    let (_, token) = pair.split_once('=').unwrap();
    let with_cookie = browser(&t).with_header("cookie", &pair);
    let both = json!({ "refreshToken": token });
    let answer = with_cookie.post("/api/auth/refresh", both).await;
    assert_eq!(answer.problem(400), "validation-failed");
    let twice = with_cookie
        .clone()
        .with_header("cookie", &format!("{NAME}=usher_rt_x"));
    let answer = twice.post("/api/auth/refresh", json!({})).await;
    assert_eq!(answer.problem(401), "invalid-refresh-token");
    let access = t
        .caller(Person::Member)
        .with_header("usher-session", "cookie");
    let answer = access.post("/api/auth/logout", json!({})).await;
    assert_eq!(answer.problem(400), "validation-failed");
    for mode in ["", "Cookie", "cookies", "cookie, cookie"] {
        let caller = t.anonymous().with_header("usher-session", mode);
        let answer = caller.post("/api/auth/refresh", json!({})).await;
        assert_eq!(answer.problem(400), "validation-failed", "{mode:?}");
    }
}
