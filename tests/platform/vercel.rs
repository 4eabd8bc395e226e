//! The Vercel CLI, offline: it asks nobody when it finds a project file, or when it is told `--local`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use usher_tests::{
    processes::{
        Process,
        process::{free_address, run, scratch, target},
    },
    repository,
};

/// Builds a deployment as Vercel does, and returns the folder with what would be deployed.
pub(crate) async fn build(configuration: &str) -> PathBuf {
    let output = scratch().join(configuration.trim_end_matches(".json"));
    let arguments = [
        "build",
        "--prod",
        "--standalone",
        "--yes",
        "--local-config",
        configuration,
        "--output",
    ];
    let mut command = cli();
    // The variable stands for the machine of the platform; elsewhere the builder compiles with zig.
    command
        .args(arguments)
        .arg(&output)
        .env("VERCEL_BUILD_IMAGE", "local");
    let log = format!("build-{configuration}");
    let build = tokio::task::spawn_blocking(move || {
        let _project = Project::link();
        run(&mut command, &log);
    });
    build.await.unwrap();
    output
}

/// `vercel dev`: a process per request.
pub(crate) struct Dev {
    process: Process,
    address: SocketAddr,
}

impl Dev {
    /// Compiles the functions and starts the server.
    pub(crate) async fn start(settings: &[(&'static str, String)]) -> Self {
        refuse(
            ".env",
            "`vercel dev` prefers it to the settings of the test",
        );
        refuse(
            ".vercel/project.json",
            "`vercel dev` asks the network about it",
        );
        let mut compile = Command::new("cargo");
        compile
            .args(["build", "--locked", "--bins", "-p", "usher-api"])
            .current_dir(repository());
        tokio::task::spawn_blocking(move || run(&mut compile, "dev-compile"))
            .await
            .unwrap();
        let address = free_address();
        let mut command = cli();
        command.args(["dev", "--local", "--yes", "--listen", &address.to_string()]);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start(&mut command, "dev");
        process.listens(address).await;
        Self { process, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn stop(self) {
        self.process.stop();
    }
}

fn cli() -> Command {
    let local = repository().join("tests/platform/node_modules/.bin/vercel");
    let mut command = Command::new(if local.exists() {
        local.as_path()
    } else {
        Path::new("vercel")
    });
    command
        .current_dir(repository())
        .arg("--global-config")
        .arg(scratch().join("vercel-cli"))
        .env("CARGO_TARGET_DIR", target())
        .env("CI", "1")
        .env("NO_UPDATE_NOTIFIER", "1")
        .env("VERCEL_CLI_USE_NATIVE_BINARY", "0")
        .env("VERCEL_TELEMETRY_DISABLED", "1");
    command
}

/// The link of the checkout to a project that does not exist. Dropping it removes the link.
struct Project(PathBuf);

impl Project {
    fn link() -> Self {
        refuse(".vercel/project.json", "the test needs one of its own");
        let folder = repository().join(".vercel");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("project.json");
        let project =
            r#"{"projectId":"prj_local","orgId":"team_local","settings":{"framework":null}}"#;
        fs::write(&file, project).unwrap();
        Self(file)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn refuse(file: &str, reason: &str) {
    assert!(
        !repository().join(file).exists(),
        "move {file} away: {reason}"
    );
}
