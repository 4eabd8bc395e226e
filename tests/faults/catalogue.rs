//! The faults: what is done to the product, how often, and what must hold. `docs/reliability.md` is held to this list.

use std::{env, fs, path::PathBuf};

use usher_tests::repository;

/// One kind of fault.
pub(crate) struct Fault {
    /// The name; the page and the tests know the fault by it.
    pub(crate) name: &'static str,
    /// What happens.
    what: &'static str,
    /// How often, or how long: in CI, and with `USHER_FAULTS=long`.
    sizes: [usize; 2],
    unit: &'static str,
    /// What must hold.
    goal: &'static str,
    /// The variant that is known to be wrong, on which the same test must find something.
    wrong: &'static str,
    /// Which tests: `.ci/faults` runs those alone.
    tests: &'static str,
}

/// Every kind there is.
pub(crate) const ALL: [&Fault; 15] = [
    &KILLED_SERVER,
    &KILLED_BACKEND,
    &ENDED_CONNECTIONS,
    &TOO_MANY_INSTANCES,
    &SLOW_WIRE,
    &BROKEN_WIRE,
    &FROZEN_INSTANCE,
    &LOST_ANSWERS,
    &DUPLICATES,
    &RACES,
    &WRONG_CLOCKS,
    &FULL_TABLES,
    &FULL_LOG,
    &ABORTS,
    &KILLED_INSTANCE,
];

pub(crate) const KILLED_SERVER: Fault = Fault {
    name: "killed server",
    what: "kill -9 of the server and all its processes, under 8 writers on 2 instances",
    sizes: [20, 500],
    unit: "kills",
    goal: "nothing acknowledged is lost, without its audit entry, or made twice by a retry; the instances are back \
           within 10 s after the server, by themselves",
    wrong: "synchronous_commit = off",
    tests: "crash::server",
};

pub(crate) const KILLED_BACKEND: Fault = Fault {
    name: "killed backend",
    what: "kill -9 of one process of the server, which then recovers, under 8 writers on 2 instances",
    sizes: [20, 200],
    unit: "kills",
    goal: "as above",
    wrong: "synchronous_commit = off",
    tests: "crash::backend",
};

pub(crate) const ENDED_CONNECTIONS: Fault = Fault {
    name: "ended connections",
    what: "the server ends a random connection every 50 ms, under 4 writers and 4 readers on 2 instances",
    sizes: [12, 600],
    unit: "s",
    goal: "99.9 % of the reads are answered, the others put off with 503 and Retry-After, and never a 500; no change \
           is lost or made twice",
    wrong: "a reader that does not try again",
    tests: "connections::ended",
};

pub(crate) const TOO_MANY_INSTANCES: Fault = Fault {
    name: "too many instances",
    what: "instances that want three connections each, on a server that has room for a third of them",
    sizes: [12, 100],
    unit: "instances",
    goal: "every request is answered within 3 s, by success or by 503 and Retry-After; every instance serves within 5 s \
           after the load",
    wrong: "a connection for each caller",
    tests: "connections::many",
};

pub(crate) const SLOW_WIRE: Fault = Fault {
    name: "slow wire",
    what: "each way to the server takes 50, 200, 1000, 5000 ms longer, then every byte comes alone, under 4 writers and \
           4 readers on 2 instances",
    sizes: [3, 60],
    unit: "s of each",
    goal: "nobody waits longer than the deadline of 8 s, nothing is lost or made twice, and all is well within 5 s \
           afterwards",
    wrong: "a client without time limits",
    tests: "network::slow",
};

pub(crate) const BROKEN_WIRE: Fault = Fault {
    name: "broken wire",
    what: "the wire to the server is dead without a word, then answers are cut at every length by a reset",
    sizes: [6, 60],
    unit: "s of each",
    goal: "as above",
    wrong: "a client without time limits",
    tests: "network::broken",
};

pub(crate) const FROZEN_INSTANCE: Fault = Fault {
    name: "frozen instance",
    what: "an instance is stopped (SIGSTOP) in the middle of changes, and every other time its connections are ended",
    sizes: [40, 1000],
    unit: "freezes",
    goal: "others who change the same users wait 5 s at most; nothing is lost or made twice",
    wrong: "a transaction that waits for its client",
    tests: "freeze",
};

pub(crate) const LOST_ANSWERS: Fault = Fault {
    name: "lost answers",
    what: "the answer to each operation that writes gets lost after the change was made, on its way to the caller and on \
           its way to the instance",
    sizes: [4, 1000],
    unit: "times each",
    goal: "the same request with the same `Idempotency-Key` gets that answer, from any instance; one effect, one entry",
    wrong: "no `Idempotency-Key`",
    tests: "repeats::lost",
};

pub(crate) const DUPLICATES: Fault = Fault {
    name: "duplicates",
    what: "each operation that writes comes 2, 4 and 16 times at once and as often again, at 2 instances",
    sizes: [1, 50],
    unit: "rounds",
    goal: "one effect, one entry, one answer",
    wrong: "no `Idempotency-Key`",
    tests: "repeats::duplicates",
};

pub(crate) const RACES: Fault = Fault {
    name: "races",
    what: "16 at once at 2 instances: one refresh token, the last admin, an address in spellings, users who want one \
           address, sign-in and deactivation, refresh and sign-out",
    sizes: [12, 1000],
    unit: "rounds",
    goal: "what must happen once happens once, and what ended stays ended",
    wrong: "look first, write afterwards",
    tests: "races",
};

pub(crate) const WRONG_CLOCKS: Fault = Fault {
    name: "wrong clocks",
    what: "the clock of one instance is off by 30 s, 5 min, 1 h either way, and is set while it serves",
    sizes: [1, 10],
    unit: "rounds",
    goal: "tokens and sessions are good everywhere until they run out by the clock of the database, and nowhere \
           afterwards",
    wrong: "expiry by the clock of the instance",
    tests: "clocks",
};

pub(crate) const FULL_TABLES: Fault = Fault {
    name: "full disk",
    what: "the disk of the tables is filled to the last byte, under 4 writers and 4 readers on 2 instances",
    sizes: [2, 50],
    unit: "times",
    goal: "changes are put off, every read is answered, changes go on when there is room; nothing is lost or made twice",
    wrong: "change and entry in two transactions",
    tests: "disk::tables",
};

pub(crate) const FULL_LOG: Fault = Fault {
    name: "full log",
    what: "the disk of the log is filled to the last byte, at which the server breaks down, under 8 writers",
    sizes: [3, 50],
    unit: "times",
    goal: "nothing is lost or made twice; the instances are back by themselves after the server",
    wrong: "synchronous_commit = off",
    tests: "disk::log",
};

pub(crate) const ABORTS: Fault = Fault {
    name: "aborts",
    what: "the work on each operation that writes is dropped, or panics, at every point where it waits",
    sizes: [1, 20],
    unit: "rounds",
    goal: "each change is made whole or not at all; no lock, transaction or place in the pool is left over; the same \
           request again is fine",
    wrong: "begin, change, entry, commit on a shared connection",
    tests: "aborts",
};

pub(crate) const KILLED_INSTANCE: Fault = Fault {
    name: "killed instance",
    what: "kill -9 of an instance, and another one in its place, under 8 writers",
    sizes: [10, 200],
    unit: "kills",
    goal: "nothing is lost, without its audit entry, or made twice",
    wrong: "change and entry in two transactions",
    tests: "aborts::instances",
};

const PAGE: &str = "docs/reliability.md";

/// A table of the page, by its head.
#[derive(Clone, Copy)]
struct Table(&'static str);

const SEEN: Table = Table("| fault | what happens | size | what must hold | tests | seen |");
const WRONG: Table = Table("| fault | variant | what it did |");

impl Table {
    /// Returns the line of a fault up to what was seen.
    fn row(self, fault: &Fault) -> String {
        let Fault {
            name,
            what,
            sizes: [short, long],
            unit,
            goal,
            wrong,
            tests,
        } = fault;
        if self.0 == SEEN.0 {
            format!("| {name} | {what} | {short}, {long} {unit} | {goal} | `{tests}` |")
        } else {
            format!("| {name} | {wrong} |")
        }
    }

    /// Returns what the page says was seen of a fault.
    fn seen<'a>(self, page: &'a str, fault: &Fault) -> Option<&'a str> {
        let (_, table) = page.split_once(self.0)?;
        let start = format!("| {} |", fault.name);
        let line = table.lines().find(|line| line.starts_with(&start))?;
        let (_, seen) = line.trim_end_matches(" |").rsplit_once("| ")?;
        Some(seen)
    }

    /// Returns the page with this table written anew, and with what was seen of one fault.
    fn renew(self, page: &str, fault: &Fault, what: &str) -> String {
        let (before, rest) = page.split_once(self.0).unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        let rule = "|---".repeat(self.0.matches(" | ").count() + 1);
        let rows = ALL.map(|other| {
            let is_it = other.name == fault.name;
            let seen = if is_it {
                what
            } else {
                self.seen(page, other).unwrap_or_default()
            };
            format!("\n{} {seen} |", self.row(other))
        });
        format!("{before}{}\n{rule}|{}\n\n{after}", self.0, rows.concat())
    }
}

impl Fault {
    /// Returns how often, or how long.
    pub(crate) fn size(&self) -> usize {
        let is_long = env::var_os("USHER_FAULTS").is_some_and(|size| size == "long");
        self.sizes[usize::from(is_long)]
    }

    /// Reports what was seen.
    pub(crate) fn saw(&self, what: &str) {
        self.report(SEEN, what);
    }

    /// Reports what the wrong variant did.
    pub(crate) fn saw_wrong(&self, what: &str) {
        self.report(WRONG, what);
    }

    fn report(&self, table: Table, what: &str) {
        eprintln!("{}: {what}", self.name);
        if env::var_os("USHER_FAULTS_RECORD").is_some() {
            let text = fs::read_to_string(page()).unwrap();
            fs::write(page(), table.renew(&text, self, what)).unwrap();
        }
    }
}

fn page() -> PathBuf {
    repository().join(PAGE)
}

#[test]
fn the_page_describes_every_fault_and_what_was_seen() {
    let text = fs::read_to_string(page()).unwrap();
    for (fault, table) in ALL.iter().flat_map(|fault| [(fault, SEEN), (fault, WRONG)]) {
        let seen = table.seen(&text, fault).unwrap_or_default();
        assert!(
            !seen.is_empty() && text.contains(&format!("\n{} {seen} |\n", table.row(fault))),
            "{PAGE} is stale: run .ci/faults with USHER_FAULTS_RECORD=1 for {}",
            fault.name
        );
    }
}
