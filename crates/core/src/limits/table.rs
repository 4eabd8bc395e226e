//! The table of limits: what is limited, and to how much.

use std::{fmt, iter};

macro_rules! limits {
    (
        rates { $($(#[doc = $rate_doc:literal])+ $rate:ident = $rate_name:literal, $quota:literal / $seconds:literal;)+ }
        tries { $($(#[doc = $tries_doc:literal])+ $tries:ident = $tries_name:literal, $free:literal, $most:expr, $days:literal;)+ }
    ) => {
        /// A limit of how many requests there are in a time. They are counted in the order of this table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rate {
            $($(#[doc = $rate_doc])+ $rate,)+
        }

        impl Rate {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$rate),+];

            /// Returns its name, as `USHER_LIMITS`, answers and the audit log have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rate => $rate_name,)+
                }
            }

            /// Returns what holds unless `USHER_LIMITS` says otherwise.
            pub fn usual(self) -> Quota {
                match self {
                    $(Self::$rate => Quota { requests: $quota, seconds: $seconds },)+
                }
            }
        }

        /// A limit of how often a credential is tried. Tries come after all rates, in the order of this table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Tries {
            $($(#[doc = $tries_doc])+ $tries,)+
        }

        impl Tries {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$tries),+];

            /// Returns its name, as `USHER_LIMITS` and the audit log have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$tries => $tries_name,)+
                }
            }

            /// Returns how many tries are free of delays, unless `USHER_LIMITS` says otherwise.
            pub fn usual(self) -> i32 {
                match self {
                    $(Self::$tries => $free,)+
                }
            }

            /// Returns after how many tries in a row there are no more at all, if there is such a number.
            pub fn most(self) -> Option<i32> {
                match self {
                    $(Self::$tries => $most,)+
                }
            }

            /// Returns after how many days without a try it begins anew.
            pub fn days(self) -> i32 {
                match self {
                    $(Self::$tries => $days,)+
                }
            }
        }
    };
}

limits! {
    rates {
        /// Sign-ins from one address, of whatever account.
        LoginAddress = "login-address", 100 / 300;
        /// Refreshes from one address: a company behind one address has many sessions.
        RefreshAddress = "refresh-address", 1200 / 60;
        /// Registrations from one address.
        RegisterAddress = "register-address", 60 / 3600;
        /// Mails that are asked for from one address.
        MailAddress = "mail-address", 60 / 3600;
        /// Links and codes that are shown from one address.
        SecretAddress = "secret-address", 120 / 600;
        /// All of the above but refreshes, from everywhere together.
        Everybody = "everybody", 6000 / 60;
        /// Mails to one address, whoever asks for them.
        MailRecipient = "mail-recipient", 10 / 3600;
    }
    tries {
        /// Passwords for one account from one address.
        LoginPair = "login-pair", 5, None, 1;
        /// Passwords for one account from wherever it is not known (NIST SP 800-63B, 3.2.2).
        LoginAccount = "login-account", 20, Some(100), 30;
        /// Passwords for one account from one of its own devices.
        LoginDevice = "login-device", 5, Some(20), 30;
        /// The present password, asked for again in one session.
        Password = "password", 5, Some(100), 1;
        /// Codes of mails to one address (ASVS 5.0.0, 6.6.3).
        Code = "code", 5, None, 1;
        /// Sign-ins by mail to one account that wait for its second factor: who reads the mails alone begins no more.
        MailFactor = "mail-factor", 5, Some(100), 30;
    }
}

/// The longest that somebody waits for the next try, in seconds.
pub const LONGEST_DELAY: i32 = 900;

/// So many requests at once, and as many again over a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many requests.
    pub requests: i32,
    /// In how many seconds.
    pub seconds: i32,
}

/// The numbers of all limits.
#[derive(Clone, Debug)]
pub struct Limits {
    rates: Vec<Quota>,
    tries: Vec<i32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rates: Rate::ALL.iter().map(|rate| rate.usual()).collect(),
            tries: Tries::ALL.iter().map(|tries| tries.usual()).collect(),
        }
    }
}

impl Limits {
    /// Reads what is to be otherwise: `login-address=1000/60,login-pair=10`. The number of a rate stands over its seconds, that
    /// of tries alone.
    pub fn parse(text: &str) -> Result<Self, WrongLimits> {
        let mut limits = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or(WrongLimits)?;
            let (name, value) = (name.trim(), value.trim());
            if let Some(index) = Rate::ALL.iter().position(|rate| rate.name() == name) {
                limits.rates[index] = quota(value).ok_or(WrongLimits)?;
            } else {
                let index = Tries::ALL.iter().position(|tries| tries.name() == name);
                let index = index.ok_or(WrongLimits)?;
                let most = Tries::ALL[index].most().unwrap_or(100);
                limits.tries[index] = number(value, most).ok_or(WrongLimits)?;
            }
        }
        Ok(limits)
    }

    /// Returns the numbers of a rate.
    pub(super) fn quota(&self, rate: Rate) -> Quota {
        let known = iter::zip(Rate::ALL, &self.rates).find(|(known, _)| **known == rate);
        known.map_or(rate.usual(), |(_, quota)| *quota)
    }

    /// Returns how many tries are free of delays.
    pub(super) fn free(&self, tries: Tries) -> i32 {
        let known = iter::zip(Tries::ALL, &self.tries).find(|(known, _)| **known == tries);
        known.map_or(tries.usual(), |(_, free)| *free)
    }
}

fn quota(text: &str) -> Option<Quota> {
    let (requests, seconds) = text.split_once('/')?;
    Some(Quota {
        requests: number(requests, 1_000_000)?,
        seconds: number(seconds, 86_400)?,
    })
}

fn number(text: &str, most: i32) -> Option<i32> {
    text.parse()
        .ok()
        .filter(|number| (1..=most).contains(number))
}

/// Says what `USHER_LIMITS` has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLimits;

impl fmt::Display for WrongLimits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: Vec<&str>| names.join(", ");
        write!(
            formatter,
            "must be a list such as login-address=1000/60,login-pair=10: requests over seconds for {}, and free tries, at most \
             as many as there are, for {}",
            names(Rate::ALL.iter().map(|rate| rate.name()).collect()),
            names(Tries::ALL.iter().map(|tries| tries.name()).collect()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_stays_as_usual() {
        let limits = Limits::parse("login-address=7/60, login-pair = 9").unwrap();
        let seven = Quota {
            requests: 7,
            seconds: 60,
        };
        assert_eq!(limits.quota(Rate::LoginAddress), seven);
        assert_eq!(limits.quota(Rate::Everybody), Rate::Everybody.usual());
        assert_eq!(limits.free(Tries::LoginPair), 9);
        assert_eq!(limits.free(Tries::Password), Tries::Password.usual());
    }

    #[test]
    fn a_limit_cannot_be_switched_off() {
        for text in [
            "off",
            "login-pair=0",
            "login-pair=101",
            "login-device=21",
            "login-pair=5/60",
            "login-address=0/60",
            "login-address=5",
            "login-address=5/0",
            "login-address=-1/60",
            "login-address=1000001/1",
            "login-adress=5/60",
            "login-pair=5,",
        ] {
            assert!(Limits::parse(text).is_err(), "{text}");
        }
    }
}
