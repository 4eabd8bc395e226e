//! Times of both kinds, and what they tell.

/// Times as Welch's test needs them: by number, mean and sum of squares (Welford).
#[derive(Default)]
pub(crate) struct Times([Kind; 2]);

#[derive(Default)]
struct Kind {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Times {
    /// Adds a time in seconds.
    pub(crate) fn add(&mut self, is_known: bool, time: f64) {
        let kind = &mut self.0[usize::from(is_known)];
        kind.count += 1.0;
        let distance = time - kind.mean;
        kind.mean += distance / kind.count;
        kind.squares += distance * (time - kind.mean);
    }

    /// Returns Welch's t of known against unknown.
    pub(crate) fn t(&self) -> f64 {
        let [unknown, known] = &self.0;
        let error = |kind: &Kind| kind.squares / (kind.count - 1.0) / kind.count;
        (known.mean - unknown.mean) / (error(known) + error(unknown)).sqrt()
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [unknown, known] = &self.0;
        write!(
            formatter,
            "known {:.3} ms, unknown {:.3} ms, t = {:.2}",
            known.mean * 1000.0,
            unknown.mean * 1000.0,
            self.t()
        )
    }
}

/// Returns which of the two comes first, by a coin that falls the same way each time the benchmark runs.
pub(crate) fn turns(number: usize) -> [bool; 2] {
    let mut coin = number as u64 ^ 0x9E37_79B9_7F4A_7C15;
    coin ^= coin >> 33;
    coin = coin.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    coin ^= coin >> 33;
    let is_first = coin & 1 == 0;
    [is_first, !is_first]
}
