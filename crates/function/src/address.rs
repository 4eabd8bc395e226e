//! The caller's address, from the one source that the caller cannot write.
//!
//! `x-forwarded-for` is not used on Vercel: a caller's own value is kept in front of the real one.

use http::HeaderMap;
use std::net::IpAddr;
use usher_http::ClientAddress;

/// Returns the address in `x-real-ip`, which Vercel overwrites on every request.
pub(crate) fn of_vercel(headers: &HeaderMap) -> ClientAddress {
    let value = headers
        .get("x-real-ip")
        .and_then(|value| value.to_str().ok());
    ClientAddress(value.and_then(parse))
}

/// Returns the last address in `x-forwarded-for`, which a load balancer of AWS appends.
#[cfg(feature = "lambda")]
pub(crate) fn of_load_balancer(headers: &HeaderMap) -> ClientAddress {
    let last_line = headers.get_all("x-forwarded-for").iter().next_back();
    let last = last_line.and_then(|line| line.to_str().ok()?.rsplit(',').next());
    ClientAddress(last.and_then(parse))
}

/// Reads an address as text; an IPv4 address in IPv6 clothes becomes the IPv4 address it is, so that
/// one caller has one address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.trim()
        .parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn on_vercel_only_the_real_address_counts() {
        let lines = [
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1"),
            ("x-real-ip", "192.0.2.1"),
        ];
        assert_eq!(
            of_vercel(&headers(&lines)).0,
            Some(IpAddr::from([192, 0, 2, 1]))
        );
        assert_eq!(of_vercel(&headers(&lines[..1])).0, None);
    }

    #[test]
    fn an_unreadable_address_is_none() {
        assert_eq!(of_vercel(&headers(&[("x-real-ip", "unknown")])).0, None);
    }

    #[test]
    fn an_ipv4_address_has_one_form() {
        assert_eq!(
            parse(" ::ffff:192.0.2.1 "),
            Some(IpAddr::from([192, 0, 2, 1]))
        );
        assert_eq!(parse("2001:db8::1"), "2001:db8::1".parse().ok());
    }

    #[cfg(feature = "lambda")]
    #[test]
    fn behind_a_load_balancer_only_the_last_address_counts() {
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "7.7.7.7, 192.0.2.1"),
        ];
        assert_eq!(
            of_load_balancer(&headers(&lines)).0,
            Some(IpAddr::from([192, 0, 2, 1]))
        );
        assert_eq!(of_load_balancer(&headers(&[])).0, None);
    }
}
