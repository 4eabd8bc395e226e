//! `/dev/mail`: what a developer's instance would have sent, as a page and as JSON.

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use usher_mail::Catcher;

/// Where the page is.
pub(super) const PAGE: &str = "/dev/mail";
const JSON: &str = "/dev/mail.json";
/// The page shows texts that somebody else may have written a part of.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Adds both to an API.
pub(super) fn with_mails(router: Router, catcher: Catcher) -> Router {
    let mails = Router::new()
        .route(PAGE, get(page))
        .route(JSON, get(list))
        .with_state(catcher);
    mails.fallback_service(router)
}

async fn list(State(catcher): State<Catcher>) -> Response {
    let mails = catcher.mails().into_iter().map(|mail| {
        json!({
            "to": mail.to,
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
        })
    });
    let body = json!({ "data": mails.collect::<Value>() }).to_string();
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

async fn page(State(catcher): State<Catcher>) -> Response {
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>Mail</title><style>body{font-family:sans-serif;margin:2em}\
         pre{white-space:pre-wrap;border:1px solid #ccc;padding:1em;max-width:50em}</style><h1>Mail</h1>\
         <p>The newest first; reload for more. Nothing here was sent. As JSON: <a href=/dev/mail.json>/dev/mail.json</a></p>",
    );
    let mails = catcher.mails();
    if mails.is_empty() {
        page.push_str("<p>None yet.</p>");
    }
    for mail in mails {
        let (to, subject, text) = (escape(&mail.to), escape(&mail.subject), linked(&mail.text));
        let texts = [
            "<h2>",
            &subject,
            "</h2><p>to ",
            &to,
            "</p><pre>",
            &text,
            "</pre>",
        ];
        page.extend(texts);
    }
    let policy = HeaderValue::from_static(POLICY);
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

/// Makes the addresses in a text clickable.
fn linked(text: &str) -> String {
    let word = |word: &str| {
        let escaped = escape(word);
        if word.starts_with("http://") || word.starts_with("https://") {
            format!("<a href=\"{escaped}\">{escaped}</a>")
        } else {
            escaped
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
