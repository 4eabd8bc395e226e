//! The same statements by `pgbench`: what the database can give without anything before it.

use std::{
    fmt::{self, Write as _},
    fs,
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::task::spawn_blocking;
use usher_core::secret::Secret;

use super::{
    TURN,
    processes::{Postmaster, Spent},
};
use crate::{
    client_tools::ClientTool,
    perf::{address::Address, recorder::Recorder, wire::Request, world::World},
};

/// The first version that sends several statements in one round trip, as the server does.
const OLDEST: u32 = 14;

/// What the change of a user has in it, and the look at the user before.
const CHANGE: &str = "update users";
const LOOK_UP: &str = "from users where id = $1";

/// The program.
#[derive(Debug)]
pub(super) struct Pgbench(ClientTool);

/// What it reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::perf) struct Ran {
    pub(in crate::perf) clients: usize,
    pub(in crate::perf) per_second: f64,
    /// Milliseconds of processor time of the database for 1000 of them.
    pub(in crate::perf) database_cpu: Option<f64>,
}

impl Ran {
    /// Returns the middle of several runs.
    pub(super) fn middle(mut runs: Vec<Self>) -> Option<Self> {
        runs.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        runs.get(runs.len() / 2).copied()
    }
}

/// The statements of one request.
#[derive(Debug)]
pub(super) struct Script {
    text: String,
    /// Variables with their values.
    values: Vec<(String, String)>,
}

impl Pgbench {
    /// Finds it, or says what to install.
    pub(super) fn find() -> Result<Self> {
        let reason = "the statements of a request are sent in one round trip";
        let found = ClientTool::find("pgbench", OLDEST, reason);
        found
            .map(Self)
            .context("there is nothing to compare with (Debian: `apt install postgresql`)")
    }

    /// Runs the scripts, one after another in no order.
    pub(super) async fn run(
        &self,
        address: &Address,
        scripts: &[Script],
        plan_mode: &str,
        clients: usize,
        postmaster: Option<&Postmaster>,
    ) -> Result<Ran> {
        let folder = std::env::temp_dir().join(format!("usher-pgbench-{}", Secret::generate()?));
        fs::create_dir_all(&folder)?;
        let options = format!("{} -c plan_cache_mode={plan_mode}", address.options());
        let mut command = self.0.command_for(address.url(), options.trim())?;
        command.args(["--no-vacuum", "--protocol=prepared"]);
        command.arg(format!("--client={clients}"));
        command.arg(format!("--time={}", TURN.as_secs()));
        for (number, script) in scripts.iter().enumerate() {
            let file = folder.join(format!("{number}.sql"));
            fs::write(&file, &script.text)?;
            command.arg("--file").arg(file);
            command.args(
                script
                    .values
                    .iter()
                    .map(|(name, value)| format!("--define={name}={value}")),
            );
        }
        let before = postmaster.and_then(Postmaster::spent);
        let output = spawn_blocking(move || command.output()).await?;
        let after = match postmaster.zip(before) {
            Some((postmaster, before)) => postmaster.spent_since(before).await,
            None => None,
        };
        fs::remove_dir_all(&folder)?;
        let output = output.context("cannot run pgbench")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let Some((per_second, calls)) = read(&said).filter(|_| output.status.success()) else {
            bail!(
                "pgbench failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        };
        Ok(Ran {
            clients,
            per_second,
            database_cpu: Spent::between(before, after, calls),
        })
    }
}

impl fmt::Display for Pgbench {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Script {
    /// Writes the statements of a request so that pgbench sends their values as parameters too, and waits as often: a
    /// change follows on the answers before it.
    ///
    /// What would happen only once is done to another user each time, as requests do it.
    pub(super) async fn of(
        recorder: &Recorder,
        requests: &[Request],
        script: usize,
        world: &World,
    ) -> Result<Self> {
        let (first, last) = world.bounds();
        let changes = requests.iter().any(|request| request.text.contains(CHANGE));
        let mut own = Self {
            text: format!(
                "\\set user random({first}, {last})\n\\set number random(1, 1000000000)\n\\startpipeline\n"
            ),
            values: Vec::new(),
        };
        for (number, request) in requests.iter().enumerate() {
            let types = request.types();
            let values = match types.len() {
                0 => Vec::new(),
                count => {
                    let columns: Vec<_> =
                        (1..=count).map(|place| format!("${place}::text")).collect();
                    let asked = request.as_text(&format!("select {}", columns.join(", ")));
                    recorder.say(&asked).await?.first
                }
            };
            let mut text = request.text.trim().to_owned();
            // From the last on: `$1` is also the beginning of `$10`.
            for (place, (value, kind)) in values.into_iter().zip(&types).enumerate().rev() {
                let another = another(&request.text, place).filter(|_| changes);
                let written = match value {
                    _ if let Some(another) = another => another.to_owned(),
                    None => format!("null::{kind}"),
                    Some(value) => {
                        let name = format!("v{script}_{number}_{place}");
                        let written = format!(":{name}::{kind}");
                        own.values.push((name, value));
                        written
                    }
                };
                text = text.replace(&format!("${}", place + 1), &written);
            }
            if !request.is_reading() {
                own.text.push_str("\\endpipeline\n\\startpipeline\n");
            }
            let _ = writeln!(own.text, "{text};");
        }
        own.text.push_str("\\endpipeline\n");
        Ok(own)
    }
}

/// Returns what stands for a value so that a change can be made to any user at any version.
fn another(statement: &str, place: usize) -> Option<&'static str> {
    let is_change = statement.contains(CHANGE);
    match place {
        0 if is_change || statement.contains(LOOK_UP) => Some(":user::int8"),
        1 if is_change => Some("users.version"),
        2 if is_change => Some("(split_part(users.name, ' ', 1) || ' ' || :number::int8)"),
        3 if is_change => Some("users.email"),
        4 if is_change => Some("users.roles"),
        5 if is_change => Some("users.is_active"),
        6 if is_change => Some("users.avatar_url"),
        _ => None,
    }
}

/// Reads transactions per second, and how many there were.
fn read(said: &str) -> Option<(f64, usize)> {
    let after = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(name))?
            .split_whitespace()
            .next()
    };
    let calls = after("number of transactions actually processed:")?;
    // A limited number of them is written with the limit.
    let calls = calls.split('/').next()?;
    Some((after("tps =")?.parse().ok()?, calls.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says_is_understood() {
        let said = "number of transactions actually processed: 4321\nnumber of failed transactions: 0 (0.000%)\n\
                    latency average = 0.4 ms\ntps = 2160.5 (without initial connection time)\n";
        assert_eq!(read(said), Some((2160.5, 4321)));
        assert_eq!(read("tps = x"), None);
    }
}
