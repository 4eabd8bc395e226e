//! The outbox: what is written with a change is sent once, in both parts, safely, and says nothing in the database.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use usher_domain::{Origin, RequestId};
use usher_http::routes;
use usher_mail::{Drained, Pace};
use usher_tests::{CRON_SECRET, MailServer, MailService, Manner, TestApp, repository};

async fn sending_to(url: &str) -> TestApp {
    TestApp::with(&[("MAIL_URL", url), ("CRON_SECRET", CRON_SECRET)]).await
}

async fn forget(t: &TestApp, email: &str) {
    let form = json!({ "email": email });
    let answer = t.anonymous().post("/api/auth/password/forgot", form).await;
    answer.expect(202);
}

async fn drain(t: &TestApp) -> Value {
    t.scheduler().get("/api/cron/mails").await.expect(200)
}

/// Makes every mail due now, as time does.
async fn make_due(t: &TestApp) {
    t.execute("update mails set due_at = now() - interval '1 second'")
        .await;
}

async fn waiting(t: &TestApp) -> i64 {
    t.count("select count(*) from mails").await
}

#[tokio::test]
async fn a_mail_goes_to_the_mail_server_in_both_parts_and_is_gone() {
    let server = MailServer::start(Manner::Usual).await;
    let t = sending_to(&server.url()).await;
    forget(&t, "member@example.com").await;
    assert!(
        server.mails().is_empty(),
        "nothing is sent before the answer"
    );
    assert_eq!(
        drain(&t).await,
        json!({ "sent": 1, "putOff": 0, "givenUp": 0 })
    );
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["RCPT TO:<member@example.com>"]);
    assert_eq!(mails[0].header("Subject"), "Choose another password");
    assert_eq!(mails[0].header("From"), "Example <no-reply@example.com>");
    assert_eq!(mails[0].header("Auto-Submitted"), "auto-generated");
    assert!(mails[0].header("Message-ID").ends_with("@id.example.com>"));
    let data = &mails[0].data;
    let link = "https://id.example.com/account/reset.html#token=";
    assert_eq!(data.matches(link).count(), 2, "{data}");
    assert!(
        data.contains("text/plain") && data.contains("text/html"),
        "{data}"
    );
    assert!(server.commands().contains(&"AUTH".to_owned()));
    assert_eq!(waiting(&t).await, 0);
    assert_eq!(drain(&t).await["sent"], 0);
}

#[tokio::test]
async fn a_server_elsewhere_without_tls_gets_neither_the_password_nor_a_mail() {
    for manner in [Manner::Usual, Manner::FalseStartTls] {
        let server = MailServer::start(manner).await;
        let t = sending_to(&server.url_elsewhere()).await;
        forget(&t, "member@example.com").await;
        assert_eq!(
            drain(&t).await,
            json!({ "sent": 0, "putOff": 1, "givenUp": 0 })
        );
        let commands = server.commands();
        assert!(commands.contains(&"EHLO".to_owned()), "{commands:?}");
        for command in ["AUTH", "MAIL", "RCPT", "DATA"] {
            assert!(
                !commands.contains(&command.to_owned()),
                "{manner:?}: {commands:?}"
            );
        }
        assert_eq!(waiting(&t).await, 1, "it waits for a better server");
    }
}

#[tokio::test]
async fn a_mail_service_gets_json_with_the_token_and_a_key() {
    let service = MailService::start().await;
    let t = sending_to(&service.url()).await;
    service.set_broken(true);
    forget(&t, "member@example.com").await;
    assert_eq!(drain(&t).await["putOff"], 1);
    assert_eq!(drain(&t).await["putOff"], 0, "it is not due yet");
    let ahead = "select extract(epoch from due_at - now())::bigint from mails";
    assert!((50..=60).contains(&t.count(ahead).await));
    service.set_broken(false);
    make_due(&t).await;
    assert_eq!(drain(&t).await["sent"], 1);
    let requests = service.requests();
    let [(first, _), (second, body)] = &requests[..] else {
        panic!("{requests:?}");
    };
    let line = |head: &str, name: &str| {
        let mut lines = head.lines();
        lines
            .find_map(|line| line.strip_prefix(name).map(str::to_owned))
            .unwrap()
    };
    assert!(second.starts_with("post /emails http/1.1"), "{second}");
    assert_eq!(line(second, "authorization: "), "bearer a-token");
    assert_eq!(
        line(first, "idempotency-key: "),
        line(second, "idempotency-key: ")
    );
    assert_eq!(body["from"], "\"Example\" <no-reply@example.com>");
    assert_eq!(body["to"], "member@example.com");
    assert_eq!(body["subject"], "Choose another password");
    for part in ["text", "html"] {
        assert!(body[part].as_str().unwrap().contains("#token="), "{body}");
    }
    assert_eq!(waiting(&t).await, 0);
}

#[tokio::test]
async fn many_who_send_at_once_send_each_mail_once() {
    let server = MailServer::start(Manner::Usual).await;
    let t = sending_to(&server.url()).await;
    for person in ["admin", "auditor", "helper", "member"]
        .iter()
        .cycle()
        .take(24)
    {
        forget(&t, &format!("{person}@example.com")).await;
    }
    assert_eq!(waiting(&t).await, 24);
    // Who only looks sees what everybody sees.
    let look = "select count(*) from mails where due_at <= now()";
    assert_eq!((t.count(look).await, t.count(look).await), (24, 24));
    let origin = Origin {
        ip: None,
        user_agent: None,
        request_id: RequestId::unknown(),
    };
    let one = || t.app.mailer.drain(&t.app.database, &origin, Pace::ANSWERED);
    let drained = tokio::join!(one(), one(), one(), one());
    let drained: [_; 4] = drained.into();
    let drained = drained.map(Result::unwrap);
    let sent: u32 = drained.iter().map(|drained| drained.sent).sum();
    let busy = drained.iter().filter(|drained| drained.sent > 0).count();
    assert_eq!(sent, 24);
    assert!(busy > 1, "they did not race: {drained:?}");
    let mails = server.mails();
    let names: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((mails.len(), names.len()), (24, 24));
    assert_eq!(one().await.unwrap(), Drained::default());
}

#[tokio::test]
async fn a_crash_after_sending_sends_the_same_mail_once_more() {
    let server = MailServer::start(Manner::Silent).await;
    let t = sending_to(&server.url()).await;
    forget(&t, "member@example.com").await;
    let scheduler = t.scheduler();
    tokio::select! {
        answer = scheduler.get("/api/cron/mails") => panic!("{}", answer.text()),
        // The server has the mail; whoever sent it is gone before hearing so.
        () = server.received() => {}
    }
    server.behave(Manner::Usual);
    assert_eq!(
        drain(&t).await["sent"],
        0,
        "it may be on its way for two minutes"
    );
    make_due(&t).await;
    assert_eq!(drain(&t).await["sent"], 1);
    make_due(&t).await;
    assert_eq!(drain(&t).await["sent"], 0);
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
}

#[tokio::test]
async fn a_mail_that_nobody_takes_for_a_day_is_given_up_with_an_entry() {
    let server = MailServer::start(Manner::Refusing).await;
    let t = sending_to(&server.url()).await;
    forget(&t, "member@example.com").await;
    for expected in [60, 120, 240] {
        make_due(&t).await;
        assert_eq!(drain(&t).await["putOff"], 1);
        let ahead = "select extract(epoch from due_at - now())::bigint from mails";
        let ahead = t.count(ahead).await;
        assert!((expected - 10..=expected).contains(&ahead), "{ahead}");
    }
    t.execute("update mails set created_at = now() - interval '25 hours'")
        .await;
    make_due(&t).await;
    assert_eq!(
        drain(&t).await,
        json!({ "sent": 0, "putOff": 0, "givenUp": 1 })
    );
    assert_eq!(waiting(&t).await, 0);
    let audit = t.audit().await;
    let entry = audit
        .iter()
        .find(|entry| entry["action"] == "MAIL_FAILED")
        .unwrap();
    assert_eq!(
        (&entry["entity_id"], &entry["payload"]),
        (&json!(4), &json!({ "attempts": 4 }))
    );
    assert!(
        !Value::from(audit)
            .to_string()
            .contains("member@example.com")
    );
}

#[tokio::test]
async fn the_database_holds_neither_an_address_nor_a_link_nor_a_code_to_be_mailed() {
    let t = TestApp::start().await;
    let new =
        json!({ "name": "Ada", "email": "ada@example.com", "password": "a long enough password" });
    t.anonymous()
        .post("/api/auth/register", new)
        .await
        .expect(202);
    forget(&t, "member@example.com").await;
    forget(&t, "nobody@example.com").await;
    let dump = "select string_agg(encode(sealed, 'escape'), ' ') || (
        select string_agg(one_time_secrets::text, ' ') from one_time_secrets) from mails";
    let dump = t.sql(dump, &[]).await.to_string();
    let lengths = "select count(distinct octet_length(sealed)) from mails where id > 1";
    assert_eq!(
        t.count(lengths).await,
        1,
        "one for nobody looks like one for somebody"
    );
    let sealed = "select string_agg(encode(sealed, 'escape'), ' ') from mails";
    let sealed = t.sql(sealed, &[]).await.to_string();
    let mails = t.mails().await;
    assert_eq!(mails.len(), 2, "nobody gets none");
    for mail in &mails {
        let token = mail.text.split("#token=").nth(1).unwrap();
        let token = token.split_whitespace().next().unwrap();
        assert!(!dump.contains(token) && !sealed.contains(&mail.to));
    }
    let code = mails[0]
        .text
        .lines()
        .find(|line| line.len() == 8 && line.parse::<u32>().is_ok());
    assert!(!dump.contains(code.unwrap()));
    for word in ["example.com", "verify", "token", "recipient"] {
        assert!(!sealed.contains(word), "{word}");
    }
}

#[tokio::test]
async fn without_a_server_mails_wait_and_the_health_report_says_so() {
    let t = sending_to("").await;
    forget(&t, "member@example.com").await;
    assert_eq!(
        drain(&t).await,
        json!({ "sent": 0, "putOff": 0, "givenUp": 0 })
    );
    assert_eq!(waiting(&t).await, 1);
    let t = TestApp::with(&[("MAIL_URL", ""), ("USHER_ENV", "development")]).await;
    forget(&t, "member@example.com").await;
    let report = t.anonymous().get("/api/health").await.expect(200);
    let mail = &report["details"]["mail"];
    assert_eq!((&mail["way"], &mail["waiting"]), (&Value::Null, &json!(1)));
    assert!(mail["oldestSeconds"].is_number());
}

#[test]
fn every_link_leads_to_a_page_that_posts_when_a_button_is_pressed() {
    let folder = repository().join("public/account");
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    for (page, path) in [
        ("verify", "/api/auth/verify-email"),
        ("reset", "/api/auth/password/reset"),
    ] {
        let text = read(&format!("{page}.html"));
        assert!(text.contains(&format!("data-path=\"{path}\"")), "{page}");
        assert!(routes::ALL.iter().any(|endpoint| endpoint.path == path));
        assert!(text.contains("default-src 'none'") && text.contains("<button>"));
        let scripts: Vec<_> = text.split("<script").skip(1).collect();
        assert!(
            scripts.len() == 1 && scripts[0].starts_with(" src=\"account.js\"></script>"),
            "{page} has a script of its own"
        );
    }
    let script = read("account.js");
    assert!(script.contains("\"submit\"") && script.contains("history.replaceState"));
}

#[tokio::test]
async fn a_mail_is_written_in_the_language_that_was_asked_for() {
    let t = TestApp::start().await;
    let german = t
        .anonymous()
        .with_header("accept-language", "fr, de-AT;q=0.9");
    let form = json!({ "email": "member@example.com" });
    german
        .post("/api/auth/password/forgot", form)
        .await
        .expect(202);
    assert_eq!(t.mails().await[0].subject, "Wählen Sie ein neues Passwort");
}
