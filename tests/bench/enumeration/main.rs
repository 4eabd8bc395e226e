//! Whether answers tell who has an account: the same requests for addresses that are known and unknown, in turns, compared byte
//! by byte and by their times (Welch's t-test; ASVS 5.0.0, 6.3.8).
//!
//! `cargo run --release -p usher-tests --example enumeration [-- --samples 2000] [--only register]`
//!
//! The first line is a control that must be found out: a sign-in that hashes only what it has found. A line whose |t| is 4.5 or
//! more is measured once more with other addresses, and is a leak when it is so again. Exits with 1 when an answer differs, when
//! there is a leak, or when the control stays below.

#![expect(clippy::print_stdout, reason = "a benchmark")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends by panicking")]

mod control;
mod lines;
mod times;

use std::{process::ExitCode, time::Instant};

use lines::{Desk, Line, Who};
use times::Times;
use usher_tests::TestApp;

/// So many samples of either kind, unless told otherwise.
const SAMPLES: usize = 2_000;
/// At 4.5 a difference is hardly an accident: that happens once in 150,000 times, and hardly ever twice in a row.
const LIMIT: f64 = 4.5;
/// Requests that come first and do not count.
const WARM_UP: usize = 20;
/// The control needs no more.
const SAMPLES_OF_CONTROL: usize = 100;
/// Everything comes from one address here, and goes to few.
const LIMITS: &str = "login-address=1000000/1,register-address=1000000/1,mail-address=1000000/1,mail-recipient=1000000/1,everybody=1000000/1";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let samples = argument("--samples").map_or(SAMPLES, |text| text.parse().unwrap());
    let only = argument("--only").unwrap_or_default();
    let lines: Vec<_> = lines::ALL
        .iter()
        .filter(|line| line.what().contains(&only))
        .collect();
    assert!(!lines.is_empty(), "no line has {only} in it");
    let t = TestApp::with(&[
        ("USHER_SIGN_UP", "open"),
        ("USHER_MAIL_SIGN_IN", "on"),
        ("USHER_LIMITS", LIMITS),
    ])
    .await;
    // Enough of each for every line, measured twice.
    let each = lines.iter().map(|line| line.samples(samples) + WARM_UP);
    let all = (each.sum::<usize>() * 2 + SAMPLES_OF_CONTROL).next_power_of_two();
    for who in Who::ALL {
        who.move_in(&t, all).await;
    }
    let mut numbers = Numbers { next: 0, all };
    t.execute("vacuum analyze").await;
    let control = control::measure(&t, &numbers.take(samples.min(SAMPLES_OF_CONTROL))).await;
    println!("{:36} {control}", "control: no dummy hash");
    let mut is_well = control.t().abs() >= LIMIT;
    println!("samples each, known and unknown in random turns:");
    for line in lines {
        let samples = line.samples(samples);
        let mut is_leak = true;
        for _ in 0..2 {
            let (times, is_equal) = measure(&t, line, &numbers.take(WARM_UP + samples)).await;
            let equal = if is_equal { "equal" } else { "DIFFERENT" };
            println!("{:36} {samples}, answers {equal}, {times}", line.what());
            is_leak &= !is_equal || times.t().abs() >= LIMIT;
            if !is_leak {
                break;
            }
        }
        is_well &= !is_leak;
    }
    if is_well {
        ExitCode::SUCCESS
    } else {
        println!("an answer tells who has an account, or the control was not found out");
        ExitCode::FAILURE
    }
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|given| given != name).nth(1)
}

/// Gives the numbers of accounts out, each once, from all over the table: no limit of one is reached, and nobody has registered
/// before.
struct Numbers {
    next: usize,
    /// A power of two.
    all: usize,
}

impl Numbers {
    fn take(&mut self, count: usize) -> Vec<usize> {
        let first = self.next;
        self.next += count;
        assert!(self.next <= self.all);
        let numbers = first..self.next;
        numbers.map(|number| number * 40_503 % self.all).collect()
    }
}

/// Asks for known and unknown addresses in turns, and returns the times, and whether both were answered alike.
async fn measure(t: &TestApp, line: &Line, numbers: &[usize]) -> (Times, bool) {
    const MAILS: &str = "select count(*) from mails where user_id is not null";
    let desk = Desk::open(t).await;
    let before = t.count(MAILS).await;
    let count = numbers.len();
    let mut times = Times::default();
    let mut answers = [None, None];
    for (round, number) in numbers.iter().copied().enumerate() {
        for is_known in times::turns(number) {
            let email = line.who.address(is_known, number);
            let started = Instant::now();
            let answer = desk.ask(line.ask, &email).await;
            let time = started.elapsed().as_secs_f64();
            if round >= WARM_UP {
                times.add(is_known, time);
            }
            let answer = lines::bare(answer.as_ref());
            let before = answers[usize::from(is_known)].get_or_insert_with(|| answer.clone());
            assert_eq!(
                *before,
                answer,
                "{} answers the same each time",
                line.what()
            );
        }
    }
    // Otherwise the accounts are not what they seem, and nothing was measured.
    let mails = t.count(MAILS).await - before;
    let wanted = line
        .mails
        .map(|is_mailed| if is_mailed { count } else { 0 });
    assert_eq!(mails, i64::try_from(wanted[0] + wanted[1]).unwrap());
    (times, answers[0] == answers[1])
}
