//! Codes of an authenticator app of somebody else: oathtool of the OATH Toolkit, Debian package `oathtool`.

use std::process::Command;

use http::Method;
use serde_json::json;
use usher_tests::{PASSWORD, TestApp};

/// Returns the code that oathtool shows for a secret in base32, of now or of another time.
fn oathtool(arguments: &[&str]) -> String {
    let shown = Command::new("oathtool").args(arguments).output();
    let shown = shown.unwrap_or_else(|error| {
        panic!("oathtool cannot be run ({error}): install the package oathtool, as .ci/run does")
    });
    assert!(shown.status.success(), "{shown:?}");
    String::from_utf8(shown.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn an_app_of_somebody_else_shows_codes_that_are_good_here() {
    let t = TestApp::start().await;
    let member = t.member();
    let path = "/api/me/factors/totp";
    let begun = member.request_without_body(&Method::POST, path).await;
    let secret = begun.expect(200)["secret"].clone();
    let secret = secret.as_str().unwrap();
    let code = oathtool(&["--totp", "--base32", secret]);
    let (confirm, form) = (format!("{path}/confirm"), json!({ "code": code }));
    member.post(&confirm, form).await.expect(200);
    let question = t.anonymous().sign_in("member@example.com", PASSWORD).await;
    let token = question.expect(403)["challengeToken"].clone();
    // The next one, since each is good once.
    let code = oathtool(&["--totp", "--base32", "--now", "now + 30 seconds", secret]);
    let form = json!({ "challengeToken": token, "code": code });
    let session = t.anonymous().post("/api/auth/challenge", form).await;
    session.expect(200);
}
