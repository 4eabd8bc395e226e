//! Who is counted together and who apart.

use super::*;

fn charge() -> Charge {
    let secret = Secret::parse("c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA").unwrap();
    Charge::new(&secret, &Limits::default())
}

fn key(address: &str) -> [u8; 32] {
    let address = address.parse().ok();
    charge().address(Rate::LoginAddress, address).items[0].key
}

#[test]
fn one_caller_has_one_address_however_it_is_written() {
    for same in [
        ["192.0.2.1", "::ffff:192.0.2.1"],
        ["192.0.2.1", "::FFFF:c000:201"],
        ["2001:db8::1", "2001:DB8:0:0:ffff::2"],
        ["2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"],
        ["", "unknown"],
    ] {
        assert_eq!(key(same[0]), key(same[1]), "{same:?}");
    }
    for other in [
        ["192.0.2.1", "192.0.2.2"],
        ["2001:db8::1", "2001:db8:0:1::1"],
        ["0.0.0.0", "::"],
        ["", "0.0.0.0"],
        ["192.0.2.1", "::192.0.2.1"],
    ] {
        assert_ne!(key(other[0]), key(other[1]), "{other:?}");
    }
}

#[test]
fn every_limit_has_keys_of_its_own() {
    let email = Email::parse("a@example.com").unwrap();
    let charge = charge()
        .address(Rate::LoginAddress, None)
        .address(Rate::MailAddress, None)
        .recipient(&email)
        .sign_in(&email, None, None)
        .tries(Tries::Code, &[email.as_str().as_bytes()])
        .tries(Tries::Code, &[b"a@example", b".com"]);
    let keys: std::collections::BTreeSet<_> = charge.items.iter().map(|item| item.key).collect();
    assert_eq!(keys.len(), charge.items.len());
}

#[test]
fn everybody_is_spread_over_the_parts() {
    let part = |number: u32| {
        let address = IpAddr::from(number.to_be_bytes());
        charge().everybody(Some(address)).items[0].key
    };
    let parts: std::collections::BTreeSet<_> = (0..1000).map(part).collect();
    assert_eq!(parts.len(), usize::from(PARTS));
}
