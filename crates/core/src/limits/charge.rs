//! What a request is counted against, and under which keys.

use std::net::{IpAddr, Ipv6Addr};

use ring::hmac;
use tokio_postgres::types::Type;
use usher_domain::{Email, UserId};

use super::{
    device::Device,
    table::{LONGEST_DELAY, Limits, Quota, Rate, Tries},
};
use crate::{connection::Parameter, secret::Secret, spent::Allowance};

const LABEL: &str = "usher limit v1";
/// In how many rows everybody is counted: one alone would let no two requests through at the same time.
const PARTS: u8 = 16;

/// What a request is counted against.
pub struct Charge {
    key: hmac::Key,
    secret: Secret,
    limits: Limits,
    pub(super) items: Vec<Item>,
    pub(super) account: Option<Email>,
    pub(super) user: Option<UserId>,
    pub(super) device: Option<Device>,
}

/// One limit that counts.
pub(super) struct Item {
    pub(super) name: &'static str,
    /// The place in the table of limits, in which order all requests are counted.
    place: usize,
    pub(super) key: [u8; 32],
    pub(super) measure: Measure,
    pub(super) condition: Condition,
}

/// How it counts.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    Rate(Quota),
    Tries {
        free: i32,
        most: Option<i32>,
        days: i32,
    },
}

impl Measure {
    /// Returns how many parameters it has in the statement.
    pub(super) fn parameters(self) -> usize {
        match self {
            Self::Rate(_) => 3,
            Self::Tries { .. } => 4,
        }
    }
}

/// When an item counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    KnownDevice,
    UnknownDevice,
}

impl Charge {
    /// Makes one against nothing yet.
    pub fn new(secret: &Secret, limits: &Limits) -> Self {
        let key = secret.current().derive(LABEL);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
            secret: secret.clone(),
            limits: limits.clone(),
            items: Vec::new(),
            account: None,
            user: None,
            device: None,
        }
    }

    /// Adds the rate of an address: an IPv4 address, or the network of an IPv6 address, where one caller has all (RFC 6177).
    /// Whoever has none is counted with all others who have none.
    #[must_use]
    pub fn address(self, rate: Rate, address: Option<IpAddr>) -> Self {
        self.rate(rate, &[&network(address)])
    }

    /// Adds the rate of all requests from everywhere.
    #[must_use]
    pub fn everybody(self, address: Option<IpAddr>) -> Self {
        let part = self.hash("part", &[&network(address)])[0] % PARTS;
        let whole = self.limits.quota(Rate::Everybody);
        let quota = Quota {
            requests: (whole.requests / i32::from(PARTS)).max(1),
            ..whole
        };
        self.rate_of(Rate::Everybody, quota, &[&[part]])
    }

    /// Adds the rate of the mails to an address, whether or not it has an account.
    #[must_use]
    pub fn recipient(self, email: &Email) -> Self {
        let charge = self.rate(Rate::MailRecipient, &[email.as_str().as_bytes()]);
        charge.about(email)
    }

    /// Adds any rate, of whomever `parts` name. They are what was read and found good, never raw input.
    #[must_use]
    pub fn rate(self, rate: Rate, parts: &[&[u8]]) -> Self {
        let quota = self.limits.quota(rate);
        self.rate_of(rate, quota, parts)
    }

    /// Adds a try at a credential of whomever `parts` name.
    #[must_use]
    pub fn tries(self, tries: Tries, parts: &[&[u8]]) -> Self {
        self.tries_if(Condition::Always, tries, parts)
    }

    /// Adds a try at the password of an account: of the device, if it is one of the account's, and otherwise of the account from
    /// this address, and of the account.
    #[must_use]
    pub fn sign_in(self, email: &Email, address: Option<IpAddr>, device: Option<&str>) -> Self {
        let device = device.and_then(|text| Device::read(&self.secret, text));
        let (account, network) = (email.as_str().as_bytes(), network(address));
        let mut charge = self
            .about(email)
            .tries_if(
                Condition::UnknownDevice,
                Tries::LoginPair,
                &[account, &network],
            )
            .tries_if(Condition::UnknownDevice, Tries::LoginAccount, &[account]);
        if let Some(device) = device {
            let session = device.session.as_bytes().as_slice();
            charge = charge.tries_if(
                Condition::KnownDevice,
                Tries::LoginDevice,
                &[account, session],
            );
        }
        Self { device, ..charge }
    }

    /// Says whose account it is about, for the entry of a refusal.
    #[must_use]
    pub fn about(self, email: &Email) -> Self {
        Self {
            account: Some(email.clone()),
            ..self
        }
    }

    /// Says which user it is about, for the entry of a refusal.
    #[must_use]
    pub fn about_user(self, user: UserId) -> Self {
        Self {
            user: Some(user),
            ..self
        }
    }

    fn rate_of(mut self, rate: Rate, quota: Quota, parts: &[&[u8]]) -> Self {
        let before = Rate::ALL.iter().take_while(|other| **other != rate);
        let item = Item {
            name: rate.name(),
            place: before.count(),
            key: self.hash(rate.name(), parts),
            measure: Measure::Rate(quota),
            condition: Condition::Always,
        };
        self.push(item);
        self
    }

    fn tries_if(mut self, condition: Condition, tries: Tries, parts: &[&[u8]]) -> Self {
        let before = Tries::ALL.iter().take_while(|other| **other != tries);
        let item = Item {
            name: tries.name(),
            place: Rate::ALL.len() + before.count(),
            key: self.hash(tries.name(), parts),
            measure: Measure::Tries {
                free: self.limits.free(tries),
                most: tries.most(),
                days: tries.days(),
            },
            condition,
        };
        self.push(item);
        self
    }

    /// Puts an item where the table has it: rows that are locked in the same order by all do not lock each other out.
    fn push(&mut self, item: Item) {
        let index = self
            .items
            .partition_point(|other| other.place <= item.place);
        self.items.insert(index, item);
    }

    fn hash(&self, name: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [&[name.as_bytes()], parts].concat() {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }

    /// Returns the keys of its tries, which are taken back by what is right.
    pub(crate) fn tried(&self) -> Vec<&[u8]> {
        let tries = |item: &&Item| matches!(item.measure, Measure::Tries { .. });
        let items = self.items.iter().filter(tries);
        items.map(|item| item.key.as_slice()).collect()
    }
}

/// Returns what of an address one caller has.
fn network(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => {
            let network = u128::from(address) >> 64 << 64;
            Ipv6Addr::from(network).octets().to_vec()
        }
    }
}

impl Item {
    /// Returns what an answer says of it. Of tries it does not say which: that would tell of what others do.
    pub(super) fn refused(&self, wait: i32) -> Allowance {
        let (limit, requests, seconds) = match self.measure {
            Measure::Rate(quota) => (self.name, quota.requests, quota.seconds),
            Measure::Tries { .. } => ("tries", 1, LONGEST_DELAY),
        };
        Allowance {
            limit,
            requests,
            seconds,
            remaining: 0,
            reset: wait,
        }
    }
}

/// The values of an item as the statement takes them.
pub(super) enum Numbers<'a> {
    Rate(&'a [u8], i32, f64),
    Tries(&'a [u8], i32, Option<i32>, i32),
}

impl<'a> Numbers<'a> {
    pub(super) fn of(item: &'a Item) -> Self {
        match item.measure {
            Measure::Rate(Quota { requests, seconds }) => {
                let each = f64::from(seconds) / f64::from(requests);
                Self::Rate(&item.key, requests, each)
            }
            Measure::Tries { free, most, days } => Self::Tries(&item.key, free, most, days),
        }
    }

    pub(super) fn parameters(&self) -> Vec<Parameter<'_>> {
        match self {
            Self::Rate(key, requests, each) => vec![
                (key, Type::BYTEA),
                (requests, Type::INT4),
                (each, Type::FLOAT8),
            ],
            Self::Tries(key, free, most, days) => vec![
                (key, Type::BYTEA),
                (free, Type::INT4),
                (most, Type::INT4),
                (days, Type::INT4),
            ],
        }
    }
}

#[cfg(test)]
mod tests;
