//! What a call may take.

use serde::Serialize;

use super::times::Times;

/// The most rows and the most pages that a list or a search may read, however large the table is.
pub(super) const MOST_READ: u64 = 10_000;

/// What a call may take, in milliseconds where nothing else is said. The 99th percentile counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Budget {
    /// What the product has promised since its first day.
    pub(super) promised: Option<f64>,
    /// What it is held to with a million users.
    pub(super) held: Option<f64>,
    /// So many times what the bare statement takes, both in the lower quartile, on a durable server.
    pub(super) ratio: Option<f64>,
}

pub(super) const LOOKUP: Budget = Budget {
    promised: Some(10.0),
    held: Some(2.0),
    ratio: None,
};
pub(super) const PAGE: Budget = Budget {
    promised: Some(50.0),
    held: Some(5.0),
    ratio: None,
};
pub(super) const SEARCH: Budget = Budget {
    promised: Some(200.0),
    held: Some(50.0),
    ratio: None,
};
pub(super) const ACTIVITY: Budget = Budget {
    promised: Some(100.0),
    held: Some(5.0),
    ratio: None,
};
pub(super) const CREATE: Budget = Budget {
    promised: Some(100.0),
    held: None,
    ratio: None,
};
pub(super) const UPDATE: Budget = Budget {
    promised: None,
    held: None,
    ratio: Some(1.5),
};
pub(super) const SIGN_IN: Budget = Budget {
    promised: None,
    held: None,
    ratio: None,
};

impl Budget {
    /// Returns it for a slower or a faster machine.
    pub(super) fn times(self, factor: f64) -> Self {
        let times = |value: Option<f64>| value.map(|value| value * factor);
        Self {
            promised: times(self.promised),
            held: times(self.held),
            ratio: times(self.ratio),
        }
    }

    /// Returns what is over, in words.
    pub(super) fn exceeded(self, judged: &Times, ratio: Option<f64>) -> Vec<String> {
        let limits = [(self.promised, "promised"), (self.held, "held to")];
        let over = limits.iter().filter_map(|(limit, name)| {
            let limit = limit.filter(|limit| judged.p99 > *limit)?;
            Some(format!(
                "{:.1} ms are more than the {limit:.1} ms {name}",
                judged.p99
            ))
        });
        let slow = self.ratio.zip(ratio).filter(|(limit, ratio)| ratio > limit);
        let slow = slow.map(|(limit, ratio)| {
            format!("{ratio:.2} times the bare statement are more than {limit:.2}")
        });
        over.chain(slow).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_until_it_is_exceeded() {
        let times = |p99| Times {
            calls: 1,
            p25: 1.0,
            p50: 1.0,
            p95: 1.0,
            p99,
        };
        assert_eq!(LOOKUP.exceeded(&times(2.0), Some(9.0)), [""; 0]);
        assert_eq!(LOOKUP.exceeded(&times(2.1), None).len(), 1);
        assert_eq!(LOOKUP.exceeded(&times(10.1), None).len(), 2);
        assert_eq!(LOOKUP.times(2.0).exceeded(&times(3.9), None), [""; 0]);
        assert_eq!(UPDATE.exceeded(&times(9999.0), Some(1.5)), [""; 0]);
        assert_eq!(
            UPDATE.exceeded(&times(1.0), Some(1.6)),
            ["1.60 times the bare statement are more than 1.50"]
        );
    }
}
