//! What processes of this machine spend, as Linux tells it in `/proc`.

use std::{fs, time::Duration};

use anyhow::Result;
use rustix::param::clock_ticks_per_second;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::perf::times::real;

/// Processor time and memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    /// In milliseconds.
    pub(super) cpu: f64,
    pub(super) megabytes: f64,
    pub(super) processes: usize,
}

/// The process that all sessions of the database come from.
#[derive(Debug)]
pub(super) struct Postmaster(u32);

/// Fields of `/proc/<id>/stat`.
struct Stat {
    parent: u32,
    /// In ticks.
    own: u64,
    /// That of children that have ended.
    children: u64,
}

impl Spent {
    /// Returns what a process spent; of the memory it is the most it ever had.
    pub(super) fn of_server(process: u32) -> Option<Self> {
        let stat = Stat::read(process)?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        Some(Self {
            cpu: milliseconds(stat.own),
            megabytes: kilobytes(&status, "VmHWM:")? / 1000.0,
            processes: 1,
        })
    }

    /// Returns the milliseconds of the processor between two looks, for 1000 requests.
    pub(super) fn between(
        before: Option<Self>,
        after: Option<Self>,
        requests: usize,
    ) -> Option<f64> {
        let spent = after?.cpu - before?.cpu;
        (requests > 0).then(|| (spent * 1e6 / real(requests)).round() / 1e3)
    }
}

impl Postmaster {
    /// Finds it, when it runs on this machine.
    pub(super) async fn of(client: &Client) -> Result<Option<Self>> {
        let row = client
            .query_typed_one("select pg_backend_pid() as process", &[])
            .await?;
        let process = row.try_get::<_, i32>("process")?.unsigned_abs();
        let is_postgres = fs::read_to_string(format!("/proc/{process}/comm"))
            .is_ok_and(|name| name.starts_with("postgres"));
        Ok(Stat::read(process)
            .filter(|_| is_postgres)
            .map(|stat| Self(stat.parent)))
    }

    /// Returns what it and all its sessions spent so far, also those that have ended.
    pub(super) fn spent(&self) -> Option<Spent> {
        let own = Stat::read(self.0)?;
        let (mut ticks, mut megabytes, mut processes) = (own.own + own.children, 0.0, 1);
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let Some(process) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let Some(stat) = Stat::read(process).filter(|stat| stat.parent == self.0) else {
                continue;
            };
            ticks += stat.own;
            processes += 1;
            // What is shared counts in part for each process that shares it.
            let memory =
                fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            megabytes += kilobytes(&memory, "Pss:").unwrap_or_default() / 1000.0;
        }
        Some(Spent {
            cpu: milliseconds(ticks),
            megabytes: megabytes.round(),
            processes,
        })
    }

    /// Returns what was spent, once the sessions that came since have ended: until then their time is nowhere for a moment.
    pub(super) async fn spent_since(&self, before: Spent) -> Option<Spent> {
        const LOOKS: usize = 50;
        for _ in 0..LOOKS {
            sleep(Duration::from_millis(20)).await;
            if self.spent()?.processes <= before.processes {
                break;
            }
        }
        self.spent()
    }
}

impl Stat {
    fn read(process: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        // The name before it may hold anything.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split(' ').collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            children: number(13)? + number(14)?,
        })
    }
}

fn milliseconds(ticks: u64) -> f64 {
    // Whole milliseconds: a tick has ten of them.
    real(usize::try_from(ticks * 1000 / clock_ticks_per_second()).unwrap_or_default())
}

/// Finds a line such as `VmHWM:  1234 kB`.
fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_process_are_found_behind_any_name() {
        let text = "42 (a) b (c)) S 7 1 1 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 1 0 99";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.own, stat.children), (7, 23, 27));
        assert_eq!(
            kilobytes("VmPeak:\t 5 kB\nVmHWM:\t 1234 kB\n", "VmHWM:"),
            Some(1234.0)
        );
    }

    #[test]
    fn what_is_spent_is_counted_for_a_thousand_requests() {
        let spent = |cpu| {
            Some(Spent {
                cpu,
                megabytes: 0.0,
                processes: 1,
            })
        };
        assert_eq!(Spent::between(spent(100.0), spent(350.0), 500), Some(500.0));
        assert_eq!(Spent::between(None, spent(350.0), 500), None);
        assert_eq!(Spent::between(spent(1.0), spent(2.0), 0), None);
    }
}
