//! What is sealed opens again, and nowhere else.

use super::*;

fn secret() -> Secret {
    Secret::parse(&Secret::generate().unwrap()).unwrap()
}

fn message(code: &str) -> Message {
    Message {
        recipient: Email::parse("ada@example.com").unwrap(),
        template: Template::VerifyEmail,
        language: Language::German,
        values: vec![("code", code.to_owned())],
    }
}

fn taken(sealed: &[u8]) -> Taken {
    Taken {
        id: 1,
        attempts: 1,
        created_at: OffsetDateTime::UNIX_EPOCH,
        is_last: false,
        sealed: sealed.to_vec(),
    }
}

#[test]
fn a_mail_opens_with_the_secret_it_was_sealed_with_alone() {
    let secret = secret();
    let mail = Mail::or_nothing(&secret, &message("12345678")).unwrap();
    let &[sealed, nothing] = &mail.sealed()[..] else {
        panic!("{mail:?}");
    };
    let letter = taken(sealed).open(&secret).unwrap().unwrap();
    assert_eq!(letter.recipient().unwrap().as_str(), "ada@example.com");
    assert_eq!(letter.values["code"], "12345678");
    assert_eq!(taken(nothing).open(&secret).unwrap(), None);
    assert!(taken(sealed).open(&self::secret()).is_err());
}

#[test]
fn a_mail_that_was_bent_or_cut_does_not_open() {
    let secret = secret();
    let mail = Mail::new(&secret, &message("12345678")).unwrap();
    let sealed = mail.sealed;
    for index in 0..sealed.len() {
        let mut bent = sealed.clone();
        bent[index] ^= 1;
        assert!(open(&secret, &bent).is_err(), "{index}");
        assert!(open(&secret, &sealed[..index]).is_err(), "{index}");
    }
}

#[test]
fn a_sealed_mail_shows_nothing_not_even_its_length() {
    let secret = secret();
    let mail = Mail::or_nothing(&secret, &message("12345678")).unwrap();
    let &[sealed, nothing] = &mail.sealed()[..] else {
        panic!("{mail:?}");
    };
    assert_eq!(sealed.len(), nothing.len());
    let text = String::from_utf8_lossy(sealed);
    for word in ["ada", "example", "1234", "verify", "code"] {
        assert!(!text.contains(word), "{word}");
    }
    let again = Mail::new(&secret, &message("12345678")).unwrap();
    assert_ne!(
        again.sealed, sealed,
        "the same mail twice is not to be told"
    );
}
