//! What a process takes, as `/proc` has it.

use std::{fs, path::Path};

/// What Linux tells the time of processors in, in milliseconds.
const TICK: f64 = 10.0;

/// Memory in MiB.
pub(crate) struct Memory {
    /// Resident, with what other processes have as well.
    pub(crate) resident: f64,
    /// The most that ever was resident.
    pub(crate) peak: f64,
    /// What is of no file: heap and stacks.
    pub(crate) anonymous: f64,
    /// Resident, where what others have as well is divided by how many have it.
    pub(crate) share: f64,
    /// What nobody else has.
    pub(crate) private: f64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        Self {
            resident: kibibytes(&status, "VmRSS:") / 1024.0,
            peak: kibibytes(&status, "VmHWM:") / 1024.0,
            anonymous: kibibytes(&status, "RssAnon:") / 1024.0,
            share: kibibytes(&maps, "Pss:") / 1024.0,
            private: (kibibytes(&maps, "Private_Clean:") + kibibytes(&maps, "Private_Dirty:"))
                / 1024.0,
        }
    }
}

fn kibibytes(text: &str, name: &str) -> f64 {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
    let value = values.next().unwrap().trim().trim_end_matches(" kB");
    value.parse().unwrap()
}

/// Returns for how many milliseconds a process had a processor, its ended children included.
pub(crate) fn processor_time(process: u32) -> f64 {
    // One that has ended meanwhile is among the children of its parent.
    let fields = stat(process).unwrap_or_default();
    let times = fields.iter().skip(11).take(4);
    TICK * times.map(|time| time.parse::<f64>().unwrap()).sum::<f64>()
}

/// Returns for how many milliseconds a process and its children had a processor.
pub(crate) fn processor_time_of_all(process: u32) -> f64 {
    let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let child = entry.unwrap().file_name().to_str()?.parse().ok()?;
        (parent(child)? == process).then(|| processor_time(child))
    });
    processor_time(process) + children.sum::<f64>()
}

/// Returns the process that started this one, unless it has ended meanwhile.
pub(crate) fn parent(process: u32) -> Option<u32> {
    stat(process)?.get(1)?.parse().ok()
}

/// Returns what stands behind the name of the program in `stat`, which may hold spaces itself.
fn stat(process: u32) -> Option<Vec<String>> {
    let text =
        fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
