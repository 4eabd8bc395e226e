//! The guide of docs/guide.md, followed to the letter: what its commands print is what stands below them.

use std::{fs, path::Path, process::Command, sync::Arc};

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::header;
use serde_json::json;
use tokio::net::TcpListener;
use usher_tests::{
    MailService, TestApp,
    processes::{
        Process,
        process::{free_address, run, scratch, settings, target},
    },
    repository,
};

use crate::gateway::Gateway;

/// Where the guide says that everything is.
const ORIGIN: &str = "http://127.0.0.1:3000";
/// Where it says that mails are shown.
const MAILS: &str = "$origin/dev/mail.json";
/// Stands between what one step prints and what the next one does.
const END_OF_STEP: &str = "-- end of step --";

/// Commands, and what they print.
struct Step {
    commands: String,
    printed: String,
}

/// Follows the guide on a developer's instance.
pub(crate) async fn follow_on_a_developers_instance() {
    let mut compile = Command::new("cargo");
    compile
        .args(["build", "--locked", "-p", "usher-cli"])
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", target());
    run(&mut compile, "guide-compile");
    let address = free_address();
    let mut command = Command::new(target().join("debug/usher"));
    command
        .args(["dev", "--fresh", "--port", &address.port().to_string()])
        .arg("--data-dir")
        .arg(scratch().join("guide"))
        .current_dir(repository());
    let mut process = Process::start(&mut command, "guide-dev");
    process.listens(address).await;
    follow(format!("http://{address}"), MAILS.to_owned()).await;
    assert!(process.stop().success());
}

/// Follows the guide on the functions of a deployment.
pub(crate) async fn follow_on_functions(output: &Path) {
    let t = TestApp::start().await;
    let service = Arc::new(MailService::start().await);
    let mail = [
        ("MAIL_URL", service.url()),
        ("MAIL_FROM", "Usher <id@example.com>".to_owned()),
    ];
    let gateway = Gateway::start(output, [settings(&t.app_url()), mail.to_vec()].concat()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mails = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", get(show)).with_state(service);
    #[expect(clippy::disallowed_methods, reason = "a test is no function")]
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    follow(format!("http://{}", gateway.address()), mails).await;
    server.abort();
    gateway.stop();
}

/// Shows the mails of a service as a developer's instance does.
async fn show(State(service): State<Arc<MailService>>) -> impl IntoResponse {
    let mut requests = service.requests();
    requests.reverse();
    let mails: Vec<_> = requests.into_iter().map(|(_, mail)| mail).collect();
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, json!({ "data": mails }).to_string())
}

async fn follow(origin: String, mails: String) {
    let steps = steps(&fs::read_to_string(repository().join("docs/guide.md")).unwrap());
    assert!(steps.len() > 5, "the guide has steps");
    let mut script = "set -eu\n".to_owned();
    for step in &steps {
        script.push_str(&step.commands);
        script.push_str("\necho '");
        script.push_str(END_OF_STEP);
        script.push_str("'\n");
    }
    let script = script.replace(MAILS, &mails).replace(ORIGIN, &origin);
    let mut command = Command::new("bash");
    command.args(["-c", &script]);
    let followed = tokio::task::spawn_blocking(move || command.output().unwrap());
    let followed = followed.await.unwrap();
    let (output, errors) = (
        String::from_utf8_lossy(&followed.stdout),
        String::from_utf8_lossy(&followed.stderr),
    );
    let printed: Vec<_> = output.split(&format!("{END_OF_STEP}\n")).collect();
    for (step, printed) in steps.iter().zip(&printed) {
        assert_eq!(
            printed.trim_end(),
            step.printed.trim_end(),
            "{}\n{errors}",
            step.commands
        );
    }
    assert!(followed.status.success(), "{output}\n{errors}");
    assert_eq!(printed.len(), steps.len() + 1, "{errors}");
}

/// Returns the blocks of `sh`, each with the block of `text` that follows at once, if there is one.
fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut blocks = guide.split("```").skip(1).step_by(2);
    for block in &mut blocks {
        let (kind, content) = block.split_once('\n').unwrap();
        match (kind, steps.last_mut()) {
            ("sh", _) => steps.push(Step {
                commands: content.to_owned(),
                printed: String::new(),
            }),
            ("text", Some(step)) => content.clone_into(&mut step.printed),
            _ => {}
        }
    }
    steps
}
