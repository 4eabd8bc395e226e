//! Attacks with addresses and hosts: where mails lead to, and whom they reach.

use http::Method;
use serde_json::{Value, json};
use usher_domain::Template;
use usher_tests::{Answer, Authenticator, Caller, PASSWORD, Person, TestApp};

use crate::{
    accounts::{NEW, newest_token, register, verify},
    enrolled, invitations,
    operations::{self, enough, state},
    passkeys,
};

const MEMBER: &str = "member@example.com";

/// What a caller may write to lead a link elsewhere.
const LIES: [&[(&str, &str)]; 7] = [
    &[("host", "evil.example")],
    &[
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "8080"),
    ],
    &[("forwarded", "for=192.0.2.1;host=evil.example;proto=http")],
    &[
        ("x-forwarded-proto", "http"),
        ("x-forwarded-ssl", "off"),
        ("front-end-https", "off"),
    ],
    &[
        ("x-original-host", "evil.example"),
        ("x-host", "evil.example"),
        ("x-forwarded-server", "evil.example"),
        ("x-http-host-override", "evil.example"),
    ],
    &[
        ("host", "id.example.com@evil.example"),
        ("x-forwarded-host", "id.example.com, evil.example"),
    ],
    &[
        ("referer", "https://evil.example/"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "//evil.example/"),
    ],
];

/// Makes every request that mails, with the headers of a liar.
async fn mail_everything(t: &TestApp, lie: impl Fn(Caller) -> Caller) {
    let anonymous = lie(t.anonymous());
    let as_person = |person| lie(t.caller(person));
    let post = async |caller: &Caller, path: &str, form: Value| -> Answer {
        let answer = caller.post(path, form).await;
        assert!(answer.status() < 300, "{path}: {}", answer.text());
        answer
    };
    let token = async || json!({ "token": newest_token(t).await });
    for email in [NEW, MEMBER] {
        let form = json!({ "name": "Ada", "email": email, "password": PASSWORD });
        post(&anonymous, "/api/auth/register", form).await;
    }
    for (path, email) in [
        ("resend", NEW),
        ("link", MEMBER),
        ("password/forgot", "helper@example.com"),
    ] {
        post(
            &anonymous,
            &format!("/api/auth/{path}"),
            json!({ "email": email }),
        )
        .await;
    }
    let mut form = token().await;
    form["password"] = "quite another password".into();
    post(&anonymous, "/api/auth/password/reset", form).await;
    let auditor = as_person(Person::Auditor);
    let form = json!({ "currentPassword": PASSWORD, "newPassword": "quite another password" });
    post(&auditor, "/api/auth/password", form).await;
    let member = as_person(Person::Member);
    for email in ["auditor@example.com", "new@example.com"] {
        let form = json!({ "newEmail": email, "currentPassword": PASSWORD });
        post(&member, "/api/me/email", form).await;
    }
    let mails = t.mails().await;
    let tokens: Vec<_> = mails
        .iter()
        .rev()
        .take(2)
        .map(|mail| mail.text.split("#token=").nth(1).unwrap())
        .collect();
    for token in tokens {
        let form = json!({ "token": token.split_whitespace().next().unwrap() });
        post(&anonymous, "/api/auth/email/confirm", form).await;
    }
    post(
        &member,
        "/api/me/api-keys",
        json!({ "name": "x", "scopes": [] }),
    )
    .await;
    let made = passkeys::made(&member, &mut Authenticator::default(), "Key").await;
    let path = post(&member, "/api/me/passkeys", made)
        .await
        .header("location")
        .to_owned();
    let bodiless = async |caller: &Caller, method: Method, path: &str| {
        let answer = caller.request_without_body(&method, path).await;
        assert!(answer.status() < 300, "{path}: {}", answer.text());
    };
    bodiless(&member, Method::DELETE, &path).await;
    for is_own in [true, false] {
        let key = enrolled::begin(&member).await;
        let form = json!({ "code": enrolled::code_of(&key) });
        post(&member, enrolled::CONFIRM, form).await;
        if is_own {
            let codes = member.request_without_body(&Method::POST, enrolled::CODES);
            let code = codes.await.expect(200)["recoveryCodes"][0].clone();
            let form = json!({ "password": PASSWORD, "code": code });
            post(&member, "/api/auth/reauthenticate", form).await;
            bodiless(&member, Method::DELETE, enrolled::TOTP).await;
        }
    }
    let admin = as_person(Person::Admin);
    bodiless(&admin, Method::DELETE, "/api/users/4/factors").await;
    let form = json!({ "email": "invited@example.com", "roles": ["user"] });
    post(&admin, "/api/invitations", form).await;
    bodiless(&admin, Method::POST, "/api/invitations/1/resend").await;
    let session = anonymous
        .sign_in("new@example.com", PASSWORD)
        .await
        .expect(200);
    let leaving = lie(t.anonymous()).with_token(session["accessToken"].as_str().unwrap());
    let form = json!({ "currentPassword": PASSWORD });
    leaving.delete_with("/api/me", form).await.expect(204);
    post(&anonymous, "/api/auth/restore", token().await).await;
}

#[tokio::test]
async fn attack_03_no_header_leads_a_link_of_any_mail_elsewhere() {
    let mut cases = 0;
    for headers in LIES {
        let t = operations::start().await;
        let lie = |caller: Caller| {
            headers.iter().fold(caller, |caller, (name, value)| {
                caller.with_header(name, value)
            })
        };
        mail_everything(&t, lie).await;
        let mails = t.mails().await;
        let mut subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        // Two say that the password was changed.
        let kinds = subjects.len() + 1;
        assert_eq!(kinds, Template::ALL.len(), "{subjects:#?}");
        for mail in &mails {
            let both = format!("{} {} {}", mail.subject, mail.text, mail.html);
            for lie in ["evil", "http://", ":8080", "192.0.2.1"] {
                assert!(!both.contains(lie), "{headers:?}: {both}");
            }
            for link in both.split("https://").skip(1) {
                assert!(link.starts_with("id.example.com"), "{headers:?}: {link}");
            }
            cases += 1;
        }
    }
    enough(cases, 150);
}

/// Addresses that some software takes for that of the member, or for one beside it.
const NEARLY: [&str; 26] = [
    "mem\u{131}er@example.com",
    "member@example.com\u{0}",
    "MEMBER@EXAMPLE.COM\u{200b}",
    "\u{ff4d}ember@example.com",
    "member@\u{ff45}xample.com",
    "member@ex\u{430}mple.com",
    "memb\u{435}r@example.com",
    "member\u{200d}@example.com",
    "member@example\u{3002}com",
    "member@example.com.",
    "member@example.c\u{43e}m",
    "mem\u{fb00}ber@example.com",
    "member\u{301}@example.com",
    "\u{202e}member@example.com",
    "member@ex\u{ad}ample.com",
    "member@example.\u{212a}om",
    "member@\u{130}xample.com",
    "member@example\u{ff0e}com",
    "member@\u{17f}xample.com",
    "member@example.com\r\nBcc: eve@example.com",
    "member@example.com,eve@example.com",
    "member@example.com eve@example.com",
    "<member@example.com>",
    "Member <member@example.com>",
    "member@example.com%00",
    "\"member\"@example.com",
];

/// Requests of anybody that name an address.
fn naming(email: &str) -> [(&'static str, Value); 5] {
    [
        ("/api/auth/password/forgot", json!({ "email": email })),
        ("/api/auth/link", json!({ "email": email })),
        ("/api/auth/resend", json!({ "email": email })),
        (
            "/api/auth/register",
            json!({ "name": "Eve", "email": email, "password": PASSWORD }),
        ),
        (
            "/api/auth/login",
            json!({ "email": email, "password": PASSWORD }),
        ),
    ]
}

#[tokio::test]
async fn attack_41_an_address_that_only_looks_like_another_reaches_nobody() {
    let t = operations::start().await;
    let before = state(&t).await;
    let mut cases = 0;
    for email in NEARLY {
        for (path, form) in naming(email) {
            let answer = t.anonymous().post(path, form).await;
            let is_other = answer.status() < 300 || answer.status() == 401;
            assert!(
                is_other || answer.faults() == ["/email email"],
                "{path} {email:?}: {}",
                answer.text()
            );
            cases += 1;
        }
        let own = json!({ "newEmail": email, "currentPassword": PASSWORD });
        assert_eq!(
            t.member().post("/api/me/email", own).await.faults(),
            ["/newEmail email"],
            "{email:?}"
        );
        let new = json!({ "name": "Eve", "email": email });
        assert_eq!(
            t.admin().post("/api/users", new).await.faults(),
            ["/email email"],
            "{email:?}"
        );
        let invited = json!({ "email": email, "roles": ["user"] });
        assert_eq!(
            t.admin().post("/api/invitations", invited).await.faults(),
            ["/email email"],
            "{email:?}"
        );
        cases += 3;
    }
    assert_eq!(state(&t).await, before);
    assert!(t.mails().await.is_empty());
    // The address itself is one in every case, and the mail goes to it as it is stored.
    for email in ["MEMBER@EXAMPLE.COM", " Member@Example.com"] {
        t.anonymous()
            .post("/api/auth/password/forgot", json!({ "email": email }))
            .await
            .expect(202);
    }
    let mails = t.mails().await;
    assert!(
        mails.len() == 2 && mails.iter().all(|mail| mail.to == MEMBER),
        "{mails:?}"
    );
    enough(cases, 200);
}

#[tokio::test]
async fn attack_42_a_label_of_ascii_in_punycode_is_no_other_name() {
    let t = operations::start().await;
    for email in [
        "ada@xn--example-.org",
        "ada@xn--example.org",
        "ada@xn--.org",
        "ada@xn--exmple-cua.org",
        "ada@example.org",
    ] {
        t.execute("truncate request_rates").await;
        let (known, sent) = (
            t.count("select count(*) from users").await,
            t.mails().await.len(),
        );
        let form = json!({ "name": "Eve", "email": email, "password": PASSWORD });
        let answer = t.anonymous().post("/api/auth/register", form).await;
        if answer.status() == 202 {
            assert_eq!(
                t.count("select count(*) from users").await,
                known + 1,
                "{email} is an account of its own"
            );
            assert_eq!(t.mails().await[sent].to, email);
        } else {
            assert_eq!(answer.faults(), ["/email email"], "{email}");
        }
    }
}

/// Whoever registered and verified has been in the account: another address by an administrator leaves it nobody's to register.
#[tokio::test]
async fn attack_by_registering_the_address_that_an_administrator_gave_to_somebody() {
    let t = operations::start().await;
    register(&t, NEW).await.expect(202);
    verify(&t, json!({ "token": newest_token(&t).await }))
        .await
        .expect(204);
    let user = t
        .sql("select id from users where email = $1", &[&NEW])
        .await;
    let given = "given@example.com";
    let form = json!({ "email": given });
    t.admin()
        .patch(&format!("/api/users/{user}"), form)
        .await
        .expect(200);
    let state = "select jsonb_build_array(name, password, roles, version) from users where email = 'given@example.com'";
    let before = t.sql(state, &[]).await;

    let form = json!({ "name": "Mallory", "email": given, "password": "quite another password" });
    t.anonymous()
        .post("/api/auth/register", form)
        .await
        .expect(202);
    let mails = t.mails().await;
    assert_eq!(mails.last().unwrap().subject, "You have an account already");
    let admin = t.admin();
    let invited = invitations::invite(&admin, given, &["user"]).await;
    assert_eq!(invited.problem(409), "email-taken");
    assert_eq!(t.sql(state, &[]).await, before);
    t.anonymous()
        .sign_in(given, "quite another password")
        .await
        .problem(401);
    // The owner verifies it by a mail of the own.
    let form = json!({ "email": given });
    t.anonymous()
        .post("/api/auth/resend", form)
        .await
        .expect(202);
    verify(&t, json!({ "token": newest_token(&t).await }))
        .await
        .expect(204);
    t.anonymous().sign_in(given, PASSWORD).await.expect(200);
}
