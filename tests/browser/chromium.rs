//! Chromium, driven by its protocol for developers over a pair of pipes: JSON with a zero byte behind each message.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long the page may take for what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one page.
pub(crate) struct Chromium {
    process: Child,
    folder: PathBuf,
    to: File,
    from: BufReader<File>,
    number: u64,
    session: Option<String>,
    authenticator: String,
}

impl Chromium {
    /// Starts a browser with a profile of its own.
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("usher-browser-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let (to, from) = (folder.join("to"), folder.join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status().unwrap();
        assert!(made.success());
        // The browser reads from the third descriptor and writes to the fourth.
        let process = Command::new("sh")
            .args([
                "-c",
                r#"to="$1" from="$2"; shift 2; exec chromium "$@" 3<"$to" 4>"$from""#,
                "sh",
            ])
            .args([&to, &from])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args(["--no-first-run", "--remote-debugging-pipe"])
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let mut browser = Self {
            process,
            folder,
            to,
            from,
            number: 0,
            session: None,
            authenticator: String::new(),
        };
        let page = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &target);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", &json!({}));
        browser
    }

    /// Sends a command and returns its result.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).unwrap();
            answer.pop();
            assert!(!answer.is_empty(), "the browser has ended");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            // What has another number, or none, is an event.
            if answer["id"] == self.number {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
        }
    }

    /// Follows a link, of which the page may take something out of the address.
    pub(crate) fn follow(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait_for("document.readyState === 'complete'");
    }

    /// Opens a page and waits until it is there.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait_for(&format!(
            "location.href === {url:?} && document.readyState === 'complete'"
        ));
    }

    /// Gives it an authenticator that is part of the device; it does what is asked without waiting for anybody.
    pub(crate) fn add_authenticator(&mut self, verifies: bool) {
        self.call("WebAuthn.enable", &json!({ "enableUI": false }));
        let options = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": verifies,
            "automaticPresenceSimulation": true,
        });
        let added = self.call(
            "WebAuthn.addVirtualAuthenticator",
            &json!({ "options": options }),
        );
        let id = added["authenticatorId"].as_str().unwrap();
        id.clone_into(&mut self.authenticator);
    }

    /// Returns the passkeys of the authenticator.
    pub(crate) fn credentials(&mut self) -> Vec<Value> {
        let which = json!({ "authenticatorId": self.authenticator });
        let answer = self.call("WebAuthn.getCredentials", &which);
        answer["credentials"].as_array().unwrap().clone()
    }

    /// Makes pages believe that the browser offers no passkeys in fields.
    pub(crate) fn hide_conditional(&mut self) {
        let source = "PublicKeyCredential.isConditionalMediationAvailable = async () => false";
        self.call(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": source }),
        );
    }

    /// Runs statements in the page, as if its user did something.
    pub(crate) fn run(&mut self, statements: &str) {
        self.value(&format!("(() => {{ {statements} }})()"));
    }

    /// Returns what an expression in the page is, once it is there.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.call("Runtime.evaluate", &parameters);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression in the page is true.
    pub(crate) fn wait_for(&mut self, condition: &str) {
        let started = Instant::now();
        while self.value(condition) != true {
            if started.elapsed() > PATIENCE {
                let text = self.value("document.body.innerText");
                panic!("{condition} did not become true; the page says {text}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Told to close, it ends its own processes; what writes into the profile is gone then.
        let close = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        let ended = self.to.write_all(close).and_then(|()| self.process.wait());
        if let Err(error) = ended {
            eprintln!("the browser did not end: {error}");
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}
