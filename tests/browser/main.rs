//! The pages in a real browser: Chromium without a window, with a virtual authenticator, on a server that runs as it does anywhere.
//!
//! They need Chromium on the path; `.ci/browser` installs it. The feature `browser` switches them on:
//! `cargo test -p usher-tests --features browser --test browser`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chromium;

use chromium::Chromium;
use serde_json::json;
use usher_tests::{
    PASSWORD, Person, TestApp, connect,
    processes::{
        Plain,
        process::{free_address, settings},
    },
    repository,
};

const PAGE: &str = "/account/passkeys.html";

/// A server with the pages, at an origin that browsers know passkeys at.
async fn serve(t: &TestApp) -> (Plain, String) {
    let address = free_address();
    let origin = format!("http://localhost:{}", address.port());
    let settings = [
        settings(&t.app_url()),
        vec![("USHER_ISSUER", origin.clone())],
    ]
    .concat();
    let public = repository().join("public");
    let public = public.to_str().unwrap();
    let server = Plain::start_with(address, "browser", &settings, &["--public", public]).await;
    (server, origin)
}

/// Fills the form of the password and sends it.
fn sign_in_by_password(browser: &mut Chromium) {
    browser.run(&format!(
        "const form = document.getElementById('sign-in');
        form.email.value = {:?};
        form.password.value = {PASSWORD:?};
        form.requestSubmit();",
        Person::Member.email()
    ));
    browser.wait_for("!document.getElementById('inside').hidden");
}

/// Adds a passkey by the page.
fn add(browser: &mut Chromium, name: &str) {
    browser.run(&format!(
        "const form = document.getElementById('add');
        form.name.value = {name:?};
        form.requestSubmit();"
    ));
    browser.wait_for(&format!(
        "document.getElementById('passkeys').textContent.includes({name:?})"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_and_signs_in_and_is_gone_when_it_is_removed() {
    let t = TestApp::start().await;
    let (server, origin) = serve(&t).await;
    let page = format!("{origin}{PAGE}");
    let mut browser = Chromium::start();
    browser.open("about:blank");
    browser.add_authenticator(true);
    // Nothing waits in the field of the address, so that the button alone signs in.
    browser.hide_conditional();
    browser.open(&page);
    sign_in_by_password(&mut browser);
    add(&mut browser, "Virtual key");
    let credentials = browser.credentials();
    assert_eq!(credentials.len(), 1);
    assert_eq!(credentials[0]["isResidentCredential"], true);
    assert_eq!(credentials[0]["rpId"], "localhost");

    browser.open(&page);
    browser.run("document.getElementById('with-passkey').click()");
    browser.wait_for("!document.getElementById('inside').hidden");
    let who = browser.value("document.getElementById('who').textContent");
    assert_eq!(who, Person::Member.email());
    let counted = "select sign_count > 0 and last_used_at is not null from passkeys";
    assert_eq!(t.sql(counted, &[]).await, true);

    browser.wait_for("document.querySelector('#passkeys button') !== null");
    browser.run("document.querySelector('#passkeys button').click()");
    browser.wait_for("document.getElementById('passkeys').textContent === ''");
    browser.open(&page);
    browser.run("document.getElementById('with-passkey').click()");
    browser.wait_for("document.getElementById('outcome').textContent !== ''");
    let outcome = browser.value("document.getElementById('outcome').textContent");
    assert_eq!(outcome, "Nobody can be signed in with this passkey.");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_offers_the_passkey_in_the_field_of_the_address() {
    let t = TestApp::start().await;
    let (server, origin) = serve(&t).await;
    let page = format!("{origin}{PAGE}");
    let mut browser = Chromium::start();
    browser.open("about:blank");
    browser.add_authenticator(true);
    browser.open(&page);
    assert_eq!(
        browser.value("PublicKeyCredential.isConditionalMediationAvailable()"),
        json!(true)
    );
    sign_in_by_password(&mut browser);
    add(&mut browser, "Virtual key");
    // Nobody presses anything: the question that waits is answered by itself.
    browser.open(&page);
    browser.wait_for("!document.getElementById('inside').hidden");
    let logins = "select count(*) from audit_logs where action = 'LOGIN' and payload ? 'passkeyId'";
    assert_eq!(t.count(logins).await, 1);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_does_not_verify_its_user_makes_no_passkey() {
    let t = TestApp::start().await;
    let (server, origin) = serve(&t).await;
    let mut browser = Chromium::start();
    browser.open("about:blank");
    browser.add_authenticator(false);
    browser.hide_conditional();
    browser.open(&format!("{origin}{PAGE}"));
    sign_in_by_password(&mut browser);
    browser.run(
        "const form = document.getElementById('add');
        form.name.value = 'None';
        form.requestSubmit();",
    );
    browser.wait_for("document.getElementById('outcome').textContent !== ''");
    assert_eq!(t.count("select count(*) from passkeys").await, 0);
    drop(server);
}

/// Asks for a mail by the page of the sign-in, puts a known link in the place of the mailed one, and returns that.
async fn ask_for_link(t: &TestApp, browser: &mut Chromium, page: &str) -> String {
    browser.open(page);
    browser.run(&format!(
        "const form = document.getElementById('begin');
        form.email.value = {:?};
        form.requestSubmit();",
        Person::Member.email()
    ));
    browser.wait_for("!document.getElementById('code').hidden");
    let request = browser.value("JSON.parse(localStorage.getItem('usher.signIn')).requestToken");
    let known = "update one_time_secrets
        set secret_hash = sha256(sha256('a link') || decode(translate($1, '-_', '+/') || '=', 'base64'))
        where purpose = 'sign-in'
        returning translate(encode(sha256('a link'), 'base64'), '+/=', '-_')";
    let request = request.as_str().unwrap();
    let client = connect(t.url()).await;
    let row = client.query_one(known, &[&request]).await.unwrap();
    format!("{page}#token={}", row.get::<_, &str>(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_and_a_recovery_code_sign_in_where_the_mail_was_asked_for() {
    let t = TestApp::start().await;
    t.execute(
        "update users set second_factors = '{totp}' where id = 4;
        insert into totp_factors (user_id, sealed, confirmed_at) values (4, sha256('x') || sha256('y'), now());
        insert into recovery_codes (user_id, code_hash)
        values (4, sha256('usher recovery code v1' || int8send(4) || decode(repeat('00', 10), 'hex')))",
    )
    .await;
    let (server, origin) = serve(&t).await;
    let page = format!("{origin}/account/sign-in.html");
    let mut browser = Chromium::start();
    let link = ask_for_link(&t, &mut browser, &page).await;
    // Another browser does not even ask for it.
    let mut elsewhere = Chromium::start();
    elsewhere.follow(&link);
    elsewhere.wait_for("!document.getElementById('elsewhere').hidden");

    browser.open("about:blank");
    browser.follow(&link);
    browser.wait_for("!document.getElementById('link').hidden");
    assert_eq!(browser.value("location.hash"), "");
    browser.run("document.querySelector('#link button').click()");
    browser.wait_for("!document.getElementById('factor').hidden");
    let begun = "select count(*) from sessions where methods = '{email,otp}'";
    assert_eq!(t.count(begun).await, 0);
    let enter = |code: &str| {
        format!(
            "const form = document.getElementById('factor');
            form.code.value = {code:?};
            form.requestSubmit();"
        )
    };
    browser.run(&enter("bbbb-bbbb-bbbb-bbbb"));
    browser.wait_for("document.getElementById('outcome').textContent !== ''");
    assert_eq!(t.count(begun).await, 0);
    browser.run(&enter("aaaa-aaaa-aaaa-aaaa"));
    browser
        .wait_for("document.getElementById('outcome').textContent.startsWith('You are signed in')");
    assert_eq!(t.count(begun).await, 1);
    drop(server);
}
