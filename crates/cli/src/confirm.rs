//! Asks before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};

/// Asks whether to go on, unless that was said before. Where nobody can answer, it is no.
pub(crate) fn confirm(is_said: bool, what: &str) -> Result<()> {
    if is_said {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        bail!(
            "nothing was done, since nobody is there to ask: use --yes to {what} without a question"
        );
    }
    let mut terminal = io::stderr().lock();
    let asked = write!(terminal, "{what}? [y/N] ").and_then(|()| terminal.flush());
    asked.context("cannot ask")?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        bail!("nothing was done");
    }
    Ok(())
}
