//! What a secret is, and what it is not.

use super::{redeem::By, *};

fn secret() -> Secret {
    Secret::parse(&Secret::generate().unwrap()).unwrap()
}

#[test]
fn a_token_is_read_as_it_was_written_and_in_no_other_way() {
    let email = Email::parse("ada@example.com").unwrap();
    let made = OneTime::generate(&secret(), Purpose::VerifyEmail, &email).unwrap();
    let text = made.token.expose();
    assert_eq!(text.len(), 43);
    let read = Token::parse(&text).unwrap();
    assert_eq!(read.hash(), made.row.secret_hash);
    for length in 0..text.len() {
        assert!(Token::parse(&text[..length]).is_none());
    }
    for other in [format!("{text}="), format!("{text}A"), format!(" {text}")] {
        assert!(Token::parse(&other).is_none(), "{other}");
    }
}

#[test]
fn a_code_is_of_one_purpose_one_address_and_one_deployment() {
    let (ours, theirs) = (secret(), secret());
    let email = |text| Email::parse(text).unwrap();
    let hash = |secret, purpose, address| {
        let Shown { by, .. } = Shown::code(secret, purpose, &email(address), "12345678");
        match by {
            By::Code { hashes, .. } => hashes,
            By::Token(_) => panic!("it is no code"),
        }
    };
    let first = hash(&ours, Purpose::VerifyEmail, "ada@example.com");
    assert_eq!(first, hash(&ours, Purpose::VerifyEmail, "ada@example.com"));
    assert_ne!(
        first,
        hash(&ours, Purpose::ResetPassword, "ada@example.com")
    );
    assert_ne!(first, hash(&ours, Purpose::VerifyEmail, "bob@example.com"));
    assert_ne!(
        first,
        hash(&theirs, Purpose::VerifyEmail, "ada@example.com")
    );
}

#[test]
fn a_code_has_eight_digits() {
    for _ in 0..1000 {
        let code = random_code().unwrap();
        assert!(code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit()));
    }
}
