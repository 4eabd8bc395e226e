//! `usher backup create`.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use clap::Args;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::task::spawn_blocking;
use tokio_postgres::Client;
use usher_domain::Clock;

use super::{
    census::{self, Census},
    file::{self, Draft},
    manifest::{Manifest, Origin, Schema, Version},
    schema, size,
};
use crate::{
    checkout::shown,
    client_tools::{ClientTool, Running},
    migrate::Direct,
    output::{say, tell},
};

/// The first `pg_dump` that can be told the extensions.
const OLDEST: u32 = 14;

/// Copies the database into a file, with a manifest of what is in it beside the file.
///
/// The file is for `pg_restore`; FILE.json is what `usher backup verify` compares it with. Both are of the same moment,
/// whatever is written meanwhile, and nobody is kept waiting. Copied is the schema that the tables of usher are in, all
/// of it, and the extensions that it uses: other schemas belong to others, and on a hosted server they could be neither
/// read nor restored. Not copied are roles and their passwords, which belong to the server.
///
/// The file holds addresses of people and hashes of passwords: only its owner may read it, and it is not encrypted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  usher backup create\n  DIRECT_URL=postgresql://… usher backup create --output /backups\n\nInto an empty database it comes back by\n  pg_restore -l FILE | grep -v 'SCHEMA - public' > LIST\n  pg_restore --no-owner --single-transaction -L LIST -d DATABASE FILE\n  usher migrate deploy"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    direct: Direct,
    /// The file, or the folder for it [default: usher-DATABASE-TIME.dump in the current folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replaces a file that is there.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (opened, client) = arguments.direct.open().await?;
    let target = &opened.target;
    let now = Clock::default().now();
    let database = target.url.driver().get_dbname().unwrap_or_default();
    let name = file::name(arguments.output.as_deref(), database, now)?;
    let manifest_name = Manifest::place(&name);
    if !arguments.force {
        file::refuse_existing(&name)?;
        file::refuse_existing(&manifest_name)?;
    }
    let server = server(&client)
        .await
        .context("cannot ask for the version of the server")?;
    let reason = format!("the server is PostgreSQL {}", server.version);
    let tool = ClientTool::find("pg_dump", server.major.max(OLDEST), &reason)?;
    let (draft, manifest_draft) = (Draft::create(&name)?, Draft::create(&manifest_name)?);

    tell(&format!("copying {} with {tool}", target.place()));
    let (schema, snapshot) = begin(&client, &target.place()).await?;
    // Before the dump: a sequence goes on while it runs.
    let sequences = census::sequences(&client).await?;
    let mut command = tool.command_for(&target.url, "")?;
    dump(&mut command, &schema, &snapshot, draft.place());
    let dumped = Running::start(command)?.end(|| size(draft.size()));
    let (census, ()) = tokio::try_join!(Census::take(&client, sequences), dumped)?;
    client
        .batch_execute("commit")
        .await
        .context("cannot end the transaction")?;

    tell(&format!(
        "  {} written, reading it again for its sum",
        size(draft.size())
    ));
    let (written, called) = (draft.place().to_path_buf(), name.clone());
    let sum = spawn_blocking(move || file::sum(&written, &called)).await??;
    let origin = Origin {
        made_at: time(now)?,
        database: database.to_owned(),
        server,
        pg_dump: Version {
            version: tool.version().to_owned(),
            major: tool.major(),
        },
    };
    let manifest = Manifest::new(origin, sum, schema, census);
    manifest_draft.fill(&manifest.to_text()?)?;
    // The manifest first: a dump that has its name is then never without one.
    manifest_draft.finish(arguments.force)?;
    draft.finish(arguments.force)?;
    for line in summary(&manifest, &name) {
        say(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Begins to look at the database as it is now; returns its schema, and what lets another session see the same.
async fn begin(client: &Client, place: &str) -> Result<(Schema, String)> {
    let begin = "begin transaction isolation level repeatable read, read only";
    client
        .batch_execute(begin)
        .await
        .context("cannot begin a transaction")?;
    census::prepare(client).await?;
    let schema = schema::read(client, place).await?;
    let row = client
        .query_typed_one("select pg_export_snapshot() as snapshot", &[])
        .await
        .context("cannot let pg_dump see the same")?;
    Ok((schema, row.try_get("snapshot")?))
}

fn dump(command: &mut Command, schema: &Schema, snapshot: &str, file: &Path) {
    command
        .env("LC_ALL", "C")
        .args(["--format=custom", "--no-password", "--strict-names"])
        .arg("--lock-wait-timeout=60s")
        .arg(format!("--snapshot={snapshot}"))
        .arg(format!("--schema={}", pattern(&schema.name)));
    for extension in schema.extensions.keys() {
        command.arg(format!("--extension={}", pattern(extension)));
    }
    command.arg("--file").arg(file);
}

/// Writes a name so that it is no pattern for others.
fn pattern(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn server(client: &Client) -> Result<Version> {
    let statement = "
        select
          split_part(current_setting('server_version'), ' ', 1) as version,
          current_setting('server_version_num')::integer / 10000 as major";
    let row = client.query_typed_one(statement, &[]).await?;
    Ok(Version {
        version: row.try_get("version")?,
        major: row.try_get::<_, i32>("major")?.unsigned_abs(),
    })
}

fn time(now: OffsetDateTime) -> Result<String> {
    Ok(now.replace_nanosecond(0)?.format(&Rfc3339)?)
}

fn summary(manifest: &Manifest, name: &Path) -> [String; 3] {
    let census = &manifest.census;
    let audited: i64 = census.audit_logs.values().map(|month| month.rows).sum();
    [
        format!("{}  {}", shown(name), size(manifest.file.size)),
        format!("SHA-256 {}", manifest.file.sha256),
        format!(
            "{} tables with {} rows, {audited} of them audit entries; `usher backup verify` proves it",
            census.tables.len(),
            census.rows(),
        ),
    ]
}
