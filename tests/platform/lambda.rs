//! AWS Lambda, as cargo-lambda imitates it: its runtime API, and a function URL in front.

use std::{net::SocketAddr, process::Command};

use usher_tests::{
    processes::{
        Client, Process,
        process::{free_address, run, target},
    },
    repository,
};

const FUNCTION: &str = "usher-all";

/// The runtime API and one function.
pub(crate) struct Lambda {
    address: SocketAddr,
    _function: Process,
    _runtime_api: Process,
}

impl Lambda {
    /// Compiles the function and starts it.
    pub(crate) async fn start(settings: &[(&'static str, String)]) -> Self {
        let mut compile = Command::new("cargo");
        compile.args([
            "build",
            "--locked",
            "-p",
            "usher-function",
            "--bins",
            "--features",
            "lambda",
        ]);
        compile
            .current_dir(repository())
            .env("CARGO_TARGET_DIR", target());
        tokio::task::spawn_blocking(move || run(&mut compile, "lambda-compile"))
            .await
            .unwrap();

        let address = free_address();
        let mut watch = Command::new("cargo-lambda");
        watch.args([
            "lambda",
            "watch",
            "--only-lambda-apis",
            "--invoke-address",
            "127.0.0.1",
            "--invoke-port",
        ]);
        watch
            .arg(address.port().to_string())
            .current_dir(repository());
        let mut runtime_api = Process::start(&mut watch, "lambda-api");
        runtime_api.listens(address).await;

        let mut program = Command::new(target().join("debug").join(FUNCTION));
        program
            .env_clear()
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                format!("http://{address}/.rt/{FUNCTION}"),
            )
            .env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
            .envs(settings.iter().map(|(name, value)| (name, value)));
        let function = Process::start(&mut program, "lambda-function");
        Self {
            address,
            _function: function,
            _runtime_api: runtime_api,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, &format!("/lambda-url/{FUNCTION}"))
    }
}
