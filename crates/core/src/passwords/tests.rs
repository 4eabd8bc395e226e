//! What hashing and checking passwords holds to.

use super::*;

const PASSWORD: &str = "correct horse battery staple";

fn attempt(text: &str) -> PasswordAttempt {
    PasswordAttempt::parse(text).unwrap()
}

#[tokio::test]
async fn a_password_is_found_right_by_its_hash() {
    let passwords = Passwords::new(Cost::default());
    let stored = passwords
        .hash(Password::parse(PASSWORD).unwrap())
        .await
        .unwrap();
    assert!(
        stored
            .as_str()
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{}",
        stored.as_str()
    );
    let right = passwords
        .verify(attempt(PASSWORD), Some(stored.clone()))
        .await
        .unwrap();
    assert!(right.is_right && right.rehashed.is_none());
    let wrong = passwords
        .verify(attempt("another"), Some(stored))
        .await
        .unwrap();
    assert!(!wrong.is_right);
    assert!(
        !passwords
            .verify(attempt(PASSWORD), None)
            .await
            .unwrap()
            .is_right
    );
}

#[tokio::test]
async fn every_byte_of_a_long_password_counts() {
    let passwords = Passwords::new(Cost::default());
    let long = "a".repeat(256);
    let stored = passwords
        .hash(Password::parse(&long).unwrap())
        .await
        .unwrap();
    for length in [72, 199, 255] {
        let mut other = long.clone();
        other.replace_range(length..=length, "b");
        assert!(
            !passwords
                .verify(attempt(&other), Some(stored.clone()))
                .await
                .unwrap()
                .is_right
        );
    }
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed() {
    let older = Passwords::new(Cost::parse("m=12288,t=3,p=1").unwrap());
    let stored = older
        .hash(Password::parse(PASSWORD).unwrap())
        .await
        .unwrap();
    let verdict = Passwords::new(Cost::default())
        .verify(attempt(PASSWORD), Some(stored))
        .await
        .unwrap();
    assert!(verdict.is_right);
    assert!(verdict.rehashed.unwrap().as_str().contains("m=19456,t=2"));
}

#[tokio::test]
async fn a_broken_or_greedy_hash_is_wrong_and_harmless() {
    let passwords = Passwords::new(Cost::default());
    for text in [
        "",
        "x",
        "$argon2id$",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
        "$argon2id$v=19$m=19456,t=4294967295,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
    ] {
        assert!(PasswordHash::parse(text).is_none(), "{text}");
        let stored = Some(PasswordHash::new(text.to_owned()));
        assert!(
            !passwords
                .verify(attempt(PASSWORD), stored)
                .await
                .unwrap()
                .is_right,
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_full_queue_says_so_at_once() {
    let mut passwords = Passwords::new(Cost::default());
    passwords.queue = Arc::new(Semaphore::new(0));
    let error = passwords.verify(attempt(PASSWORD), None).await.err();
    assert!(matches!(error, Some(Error::Busy(_))));
}

#[test]
fn a_cost_below_the_floor_is_refused() {
    for text in [
        "m=19456,t=2,p=1",
        "m=47104,t=1,p=1",
        "m=12288,t=3,p=2",
        "m=262144, t=16, p=8",
    ] {
        assert!(Cost::parse(text).is_ok(), "{text}");
    }
    for text in [
        "",
        "m=19456",
        "m=19455,t=2,p=1",
        "m=1,t=1,p=1",
        "m=19456,t=2,p=0",
        "m=19456,t=2,p=1,x=1",
        "t=2,m=19456,p=1",
        "m=262145,t=1,p=1",
    ] {
        assert!(Cost::parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_hash_of_another_program_is_understood_and_renewed() {
    let passwords = Passwords::new(Cost::default());
    // Made with the reference implementation.
    for text in [
        "$argon2id$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$77UfmnZYT23WpPeUKhovauWm5OxRQv9nTf1dJ+tF5EY",
        "$argon2i$v=19$m=65536,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$sURFjPZ857FQFBUPXKWNWQ",
    ] {
        let stored = PasswordHash::parse(text);
        let verdict = passwords.verify(attempt(PASSWORD), stored).await.unwrap();
        assert!(verdict.is_right && verdict.rehashed.is_some(), "{text}");
    }
}
