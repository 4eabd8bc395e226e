//! Which host the process runs on: decided once, from the environment, when the process starts.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

/// Variables of which Vercel, or `vercel dev`, sets at least one.
const VERCEL: [&str; 3] = ["VERCEL", "VERCEL_DEV_PORT", "VERCEL_IPC_PATH"];

const DEFAULT_PORT: u16 = 3000;

/// What drives the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// The Vercel runtime, in production or under `vercel dev`.
    Vercel,
    /// The AWS Lambda runtime API.
    Lambda,
    /// A TCP listener of our own.
    Plain(SocketAddr),
}

impl Host {
    /// Chooses the host by the given variables.
    ///
    /// Vercel comes first: its machines may set variables of AWS as well. `PORT` is what container
    /// platforms set, and they expect an answer on every interface; without it only this machine
    /// is served.
    pub(crate) fn choose(variable: impl Fn(&str) -> Option<String>) -> Result<Self, WrongPort> {
        if VERCEL.iter().any(|name| variable(name).is_some()) {
            return Ok(Self::Vercel);
        }
        if variable("AWS_LAMBDA_RUNTIME_API").is_some() {
            return Ok(Self::Lambda);
        }
        let Some(port) = variable("PORT") else {
            return Ok(Self::Plain((Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()));
        };
        match port.parse() {
            Ok(port) => Ok(Self::Plain((Ipv4Addr::UNSPECIFIED, port).into())),
            Err(_) => Err(WrongPort(port)),
        }
    }

    /// Tells whether a platform starts the process for each burst of requests and watches it.
    pub(crate) fn is_managed(self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

/// `PORT` holds something that is not a port.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongPort(String);

impl fmt::Display for WrongPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PORT is {:?}; set it to a number from 0 to 65535",
            self.0
        )
    }
}

impl std::error::Error for WrongPort {}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(variables: &[(&str, &str)]) -> Result<Host, WrongPort> {
        Host::choose(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn plain(address: &str) -> Host {
        Host::Plain(address.parse().unwrap())
    }

    #[test]
    fn any_variable_of_vercel_chooses_vercel() {
        for name in VERCEL {
            assert_eq!(choose(&[(name, "1")]), Ok(Host::Vercel), "{name}");
        }
    }

    #[test]
    fn the_runtime_api_chooses_lambda() {
        let runtime_api = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
        assert_eq!(choose(&[runtime_api]), Ok(Host::Lambda));
        assert_eq!(choose(&[runtime_api, ("PORT", "8080")]), Ok(Host::Lambda));
    }

    #[test]
    fn vercel_wins_over_lambda_and_over_a_port() {
        let variables = [
            ("AWS_LAMBDA_RUNTIME_API", "x"),
            ("PORT", "8080"),
            ("VERCEL", "1"),
        ];
        assert_eq!(choose(&variables), Ok(Host::Vercel));
    }

    #[test]
    fn a_port_is_served_on_every_interface() {
        assert_eq!(choose(&[("PORT", "8080")]), Ok(plain("0.0.0.0:8080")));
    }

    #[test]
    fn without_any_variable_only_this_machine_is_served() {
        assert_eq!(choose(&[]), Ok(plain("127.0.0.1:3000")));
    }

    #[test]
    fn a_wrong_port_is_named() {
        let message = choose(&[("PORT", "http")]).unwrap_err().to_string();
        assert_eq!(
            message,
            r#"PORT is "http"; set it to a number from 0 to 65535"#
        );
    }
}
