//! Starts and stops a cluster and says how long that took: `cargo run -p usher-devdb --example cluster -- <folder>`.
//!
//! With `USHER_POSTGRES=npm` it proves the way of a machine that has no Postgres.

use std::{
    env,
    io::{self, Write},
    time::Instant,
};

use usher_devdb::{Binaries, Cluster, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = env::args_os()
        .nth(1)
        .ok_or("name a folder for the cluster")?;
    let options = Options {
        data_dir: folder.into(),
        durable: true,
    };
    let mut output = io::stdout();
    let begun = Instant::now();
    let binaries = Binaries::find_or_fetch(&|message| {
        let _ = writeln!(io::stderr(), "{message}");
    })?;
    let (major, directory) = (binaries.major(), binaries.directory().display());
    writeln!(
        output,
        "PostgreSQL {major} in {directory}: {} ms",
        begun.elapsed().as_millis()
    )?;
    for turn in ["first", "second"] {
        let begun = Instant::now();
        let cluster = Cluster::start(&binaries, &options)?;
        writeln!(
            output,
            "{turn} start: {} ms, {}",
            begun.elapsed().as_millis(),
            cluster.url("postgres")
        )?;
        let begun = Instant::now();
        cluster.stop();
        writeln!(output, "{turn} stop: {} ms", begun.elapsed().as_millis())?;
    }
    Ok(())
}
