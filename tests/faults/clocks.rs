//! The clock of an instance is wrong, or is set while it serves.
//!
//! `libfaketime` (Debian: `libfaketime`) tells one process another time. The steady clock is left alone, as it is when
//! somebody sets the time of a machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tokio_postgres::Client;
use usher_domain::Clock;
use usher_tests::{
    PASSWORD, Person,
    processes::{Plain, process::scratch},
};

use crate::{
    asks::Ask, catalogue::WRONG_CLOCKS, ledger::Account, readers::Readers, stage::Stage,
    writers::Writers,
};

/// By how much the clock is wrong.
const SECONDS: [i64; 6] = [-3600, -300, -30, 30, 300, 3600];

/// Where Debian has the library, by machine.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

/// An instance whose clock can be set.
struct Odd {
    instance: Plain,
    clock: PathBuf,
}

impl Odd {
    async fn start(stage: &Stage) -> Self {
        let clock = scratch().join("clock");
        fs::write(&clock, "+0").unwrap();
        let variables = [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        Self {
            instance: stage.serve_with(&stage.app_url(), &variables).await,
            clock,
        }
    }

    /// Sets the clock to so many seconds before or after the right time.
    fn set(&self, seconds: i64) {
        fs::write(&self.clock, format!("{seconds:+}")).unwrap();
    }
}

fn library() -> &'static str {
    let found = LIBRARIES.iter().find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| panic!("libfaketime is missing: apt install libfaketime"))
}

/// A place with one instance whose clock is right and one whose clock is not.
struct Scene {
    stage: Stage,
    client: Client,
    right: Plain,
    odd: Odd,
}

impl Scene {
    async fn open() -> Self {
        let stage = Stage::start().await;
        Self {
            client: stage.client().await,
            right: stage.serve().await,
            odd: Odd::start(&stage).await,
            stage,
        }
    }

    async fn sign_in(&self, at: &Plain) -> Value {
        let credentials = json!({ "email": "member@example.com", "password": PASSWORD });
        let ask = Ask::post("/api/auth/login", credentials).with("user-agent", "clocks".to_owned());
        ask.to(at.address()).await.expect(200)
    }

    async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap();
    }
}

fn me(session: &Value) -> Ask {
    Ask::get("/api/me").with_token(session["accessToken"].as_str().unwrap())
}

fn refresh(session: &Value) -> Ask {
    let token = json!({ "refreshToken": session["refreshToken"] });
    Ask::post("/api/auth/refresh", token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_instance_with_a_wrong_clock_lets_in_who_may_come_in_and_nobody_else() {
    let scene = Scene::open().await;
    for seconds in SECONDS {
        scene.odd.set(seconds);
        good_at_both(&scene).await;
        refused_when_over(&scene).await;
    }
    let account = set_while_it_serves(&scene).await;
    WRONG_CLOCKS.saw(&format!(
        "{} clocks, every token and session right; {account}",
        SECONDS.len()
    ));
}

/// What either instance gives is good at the other one, for as long as it should be.
async fn good_at_both(scene: &Scene) {
    for (given_by, used_at) in [
        (&scene.odd.instance, &scene.right),
        (&scene.right, &scene.odd.instance),
    ] {
        let session = scene.sign_in(given_by).await;
        me(&session).to(used_at.address()).await.expect(200);
        let next = refresh(&session).to(used_at.address()).await.expect(200);
        me(&next).to(given_by.address()).await.expect(200);
        for session in [session, next] {
            assert_eq!(session["expiresIn"], 300);
        }
    }
    let dated = "select bool_and(
          created_at between now() - interval '1 minute' and now()
          and expires_at = created_at + interval '30 days'
        )
        from sessions
        where user_agent = 'clocks'
          and ended_at is null";
    let is_right: bool = scene.client.query_one(dated, &[]).await.unwrap().get(0);
    assert!(is_right, "what is stored has the time of the database");
    scene
        .execute("delete from sessions where user_agent = 'clocks'")
        .await;
}

/// A token or a session that is over is refused, and one that is not is not, whatever the instance takes the time for.
async fn refused_when_over(scene: &Scene) {
    let odd = scene.odd.instance.address();
    for (age, status) in [(320, 200), (331, 401), (-40, 401)] {
        let token = scene.stage.old_token(Person::Member, age);
        let ask = Ask::get("/api/me").with_token(&token);
        ask.to(odd).await.expect(status);
    }
    for (left, status) in [("1 minute", 200), ("-1 second", 401)] {
        let session = scene.sign_in(&scene.right).await;
        let change = format!(
            "update sessions set expires_at = now() + interval '{left}' where user_agent = 'clocks'"
        );
        scene.execute(&change).await;
        me(&session).to(odd).await.expect(status);
        refresh(&session).to(odd).await.expect(status);
    }
    scene
        .execute("delete from sessions where user_agent = 'clocks'")
        .await;
}

/// Sets the clock forth and back under callers who read and write.
async fn set_while_it_serves(scene: &Scene) -> Account {
    let odd = scene.odd.instance.address();
    let writers = Writers::start(&scene.stage, 2, &[odd]).await;
    let readers = Readers::start(&scene.stage, 2, &[odd], Duration::from_millis(5));
    for _ in 0..WRONG_CLOCKS.size() {
        for seconds in SECONDS.into_iter().rev() {
            scene.odd.set(seconds);
            writers.work(10).await;
        }
    }
    let readings = readers.finish().await;
    assert!(
        readings.put_off == 0 && readings.strange.is_empty(),
        "{readings:?}"
    );
    let account = writers.finish().await.check(&scene.client).await;
    account.assert_clean();
    account
}

#[test]
fn who_goes_by_the_clock_of_the_instance_is_wrong_with_it() {
    let mut wrong = 0;
    for seconds in SECONDS {
        let mut date = Command::new("date");
        date.arg("+%s")
            .env("LD_PRELOAD", library())
            .env("FAKETIME", format!("{seconds:+}"));
        let output = date.output().unwrap();
        let now: i64 = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let right = Clock::default().now().unix_timestamp();
        assert!(
            (now - right - seconds).abs() < 10,
            "the clock is not where it was set"
        );
        for (age, is_good) in [(0, true), (320, true), (331, false)] {
            let given = right - age;
            let is_taken_for_good = given <= now + 30 && now - 30 < given + 300;
            wrong += usize::from(is_taken_for_good != is_good);
        }
    }
    assert!(wrong > SECONDS.len());
    WRONG_CLOCKS.saw_wrong(&format!(
        "{wrong} of {} tokens judged wrongly",
        3 * SECONDS.len()
    ));
}
