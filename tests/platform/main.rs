//! The product on its platforms: what `vercel build` makes, `vercel dev`, and AWS Lambda, each offline and each
//! through the same main flow.
//!
//! They need the Vercel CLI (`npm install` in this folder) and cargo-lambda on the path; `.ci/run` installs both. The
//! feature `platform` switches them on: `cargo test -p usher-tests --features platform --test platform`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gateway;
mod guide;
mod lambda;
mod routes;
mod upload;
mod vercel;

use gateway::Gateway;
use tokio::sync::Mutex;
use usher_tests::{
    CRON_SECRET, TestApp,
    processes::{Client, client::CALLER, flow, process::settings},
};

/// The builds share the processors and the folders of the checkout, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn the_deployment_with_one_function_per_path_does_its_work() {
    let _alone = ALONE.lock().await;
    let output = vercel::build("vercel.json").await;
    let functions = routes::functions(&output);
    assert_eq!(
        functions,
        routes::files_of_the_api(),
        "one function per file below api/"
    );
    serve_and_check(&output).await;
    guide::follow_on_functions(&output).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployment_with_one_function_for_all_does_its_work() {
    let _alone = ALONE.lock().await;
    let output = vercel::build("vercel.hobby.json").await;
    assert_eq!(routes::functions(&output).len(), 1);
    serve_and_check(&output).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_leads_through_a_developers_instance() {
    let _alone = ALONE.lock().await;
    guide::follow_on_a_developers_instance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vercel_dev_does_its_work() {
    let _alone = ALONE.lock().await;
    let t = TestApp::start().await;
    let server = vercel::Dev::start(&settings(&t.app_url())).await;
    let client = Client::new(server.address(), "");
    flow::run(&client, "127.0.0.1").await;
    flow::ignores_a_parameter_of_the_platform(&client).await;
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_lambda_does_its_work() {
    let _alone = ALONE.lock().await;
    let t = TestApp::start().await;
    let lambda = lambda::Lambda::start(&settings(&t.app_url())).await;
    flow::run(&lambda.client(), "127.0.0.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_its_settings_answers_with_a_problem() {
    let _alone = ALONE.lock().await;
    let output = vercel::build("vercel.hobby.json").await;
    let gateway = Gateway::start(&output, Vec::new()).await;
    let answer = Client::new(gateway.address(), "")
        .get("/api/users", "")
        .await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.json()["code"], "misconfigured");
    gateway.stop();
}

#[test]
fn what_is_uploaded_can_be_built() {
    upload::check();
}

async fn serve_and_check(output: &std::path::Path) {
    let jobs = routes::jobs(output);
    assert_eq!(jobs, ["/api/cron/maintain", "/api/cron/mails"]);
    let t = TestApp::start().await;
    let gateway = Gateway::start(output, settings(&t.app_url())).await;
    let client = Client::new(gateway.address(), "");
    flow::run(&client, CALLER).await;
    flow::ignores_a_parameter_of_the_platform(&client).await;
    let robots = client.get("/robots.txt", "").await;
    assert!(
        robots.text().starts_with("User-agent: *"),
        "{}",
        robots.text()
    );
    // The scheduler is let in by its secret alone.
    let calls = [("", 401), (CRON_SECRET, 200)];
    for (job, (token, status)) in jobs.iter().flat_map(|job| calls.map(|call| (job, call))) {
        let answer = client.get(job, token).await;
        assert_eq!(answer.status, status, "{job}: {}", answer.text());
    }
    let sources = client.get("/Cargo.toml", "").await;
    assert_eq!(sources.status, 404, "the sources are not published");
    gateway.stop();
}
