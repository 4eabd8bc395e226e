//! What hashing and checking passwords holds to.

use time::OffsetDateTime;
use tokio::task::JoinSet;
use usher_domain::{Email, Name, RoleSet, UserId};

use super::*;

const PASSWORD: &str = "correct horse battery staple";

fn owner() -> Owner<'static> {
    Owner::User(UserId::new(7))
}

fn user() -> User {
    User {
        id: UserId::new(7),
        name: Name::parse("Ada").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
        roles: RoleSet::default(),
        is_active: true,
        avatar_url: None,
        version: 1,
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn attempt(text: &str) -> PasswordAttempt {
    PasswordAttempt::parse(text).unwrap()
}

#[tokio::test]
async fn a_password_is_found_right_by_its_hash() {
    let passwords = Passwords::new(Cost::default());
    let stored = passwords
        .hash(Password::parse(PASSWORD).unwrap(), owner())
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
        .verify(attempt(PASSWORD), Some((&stored, &user())))
        .await
        .unwrap();
    assert!(right.is_right && right.rehashed.is_none());
    let wrong = passwords
        .verify(attempt("another"), Some((&stored, &user())))
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
    let long = PASSWORD.repeat(10)[..256].to_owned();
    let stored = passwords
        .hash(Password::parse(&long).unwrap(), owner())
        .await
        .unwrap();
    for length in [72, 199, 255] {
        let mut other = long.clone();
        other.replace_range(length..=length, "b");
        assert!(
            !passwords
                .verify(attempt(&other), Some((&stored, &user())))
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
        .hash(Password::parse(PASSWORD).unwrap(), owner())
        .await
        .unwrap();
    let verdict = Passwords::new(Cost::default())
        .verify(attempt(PASSWORD), Some((&stored, &user())))
        .await
        .unwrap();
    assert!(verdict.is_right);
    assert!(verdict.rehashed.unwrap().as_str().contains("m=19456,t=2"));
}

#[tokio::test]
async fn a_hash_is_sealed_at_the_first_right_password_and_then_left_alone() {
    let plain = Passwords::new(Cost::default());
    let sealing = || {
        let pepper = Pepper::parse(&Pepper::generate().unwrap()).unwrap();
        Passwords::new(Cost::default()).with_pepper(Some(pepper))
    };
    let (sealing, other) = (sealing(), sealing());
    let password = || Password::parse(PASSWORD).unwrap();
    let verify = async |passwords: &Passwords, text: &str, stored: &PasswordHash| {
        let known = Some((stored, &user()));
        passwords.verify(attempt(text), known).await.unwrap()
    };
    for stored in [
        plain.hash(password(), owner()).await.unwrap(),
        sealing
            .hash(password(), Owner::Address(&user().email))
            .await
            .unwrap(),
    ] {
        let wrong = verify(&sealing, "another", &stored).await;
        assert!(!wrong.is_right && wrong.rehashed.is_none());
        let verdict = verify(&sealing, PASSWORD, &stored).await;
        assert!(verdict.is_right);
        let sealed = verdict.rehashed.unwrap();
        assert!(sealed.as_str().starts_with("$usher-v1$user$"));
        let again = verify(&sealing, PASSWORD, &sealed).await;
        assert!(again.is_right && again.rehashed.is_none());
        for passwords in [&plain, &other] {
            let without = verify(passwords, PASSWORD, &sealed).await;
            assert!(!without.is_right && without.rehashed.is_none());
        }
    }
}

#[tokio::test]
async fn a_hash_that_is_too_long_to_be_sealed_is_made_anew() {
    let pepper = Pepper::parse(&Pepper::generate().unwrap()).unwrap();
    let passwords = Passwords::new(Cost::default()).with_pepper(Some(pepper));
    let (salt, mut output) = ([7; 48], [0; 64]);
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let computed = passwords
        .memory
        .compute(&hasher, PASSWORD.as_bytes(), &salt, &mut output);
    computed.unwrap();
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    let text = format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${output}");
    let stored = PasswordHash::parse(&text).unwrap();
    let known = Some((&stored, &user()));
    let verdict = passwords.verify(attempt(PASSWORD), known).await.unwrap();
    assert!(verdict.is_right);
    assert_eq!(verdict.rehashed.unwrap().as_str().len(), 191);
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
        let stored = PasswordHash::new(text.to_owned());
        assert!(
            !passwords
                .verify(attempt(PASSWORD), Some((&stored, &user())))
                .await
                .unwrap()
                .is_right,
            "{text}"
        );
    }
}

#[tokio::test]
async fn of_those_who_come_at_once_some_wait_and_the_others_are_refused_at_once() {
    let passwords = Passwords::new(Cost::default());
    let processors = passwords.processors();
    let places = processors * (QUEUE_PER_PROCESSOR + 1);
    // Nobody has a turn until it is known who was refused.
    let all = u32::try_from(processors).unwrap();
    let turns = passwords.turns.acquire_many(all).await.unwrap();
    let mut people = JoinSet::new();
    for _ in 0..places + 16 {
        let passwords = passwords.clone();
        people.spawn(async move { passwords.verify(attempt(PASSWORD), None).await });
    }
    for _ in 0..16 {
        let refused = people.join_next().await.unwrap().unwrap();
        assert!(matches!(refused.err(), Some(Error::Busy(_))));
    }
    drop(turns);
    let served = people.join_all().await;
    assert_eq!(served.len(), places);
    assert!(served.iter().all(std::result::Result::is_ok));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_thread_that_hashes_yields_to_those_that_serve() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let serving = niceness();
    let passwords = Passwords::new(Cost::default());
    let hashing = passwords.in_turn(move || Ok(niceness())).await.unwrap();
    assert_eq!(hashing, (serving + NICENESS).min(19));
    assert_eq!(niceness(), serving);
}

#[tokio::test]
async fn a_hash_that_panics_is_an_error_and_leaves_its_turn() {
    let passwords = Passwords::new(Cost::default());
    for _ in 0..=passwords.processors() {
        let broken = passwords
            .in_turn::<()>(|| panic!("as the test wants"))
            .await;
        assert!(matches!(broken, Err(Error::Crypto(_))));
    }
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
        let stored = PasswordHash::parse(text).unwrap();
        let known = Some((&stored, &user()));
        let verdict = passwords.verify(attempt(PASSWORD), known).await.unwrap();
        assert!(verdict.is_right && verdict.rehashed.is_some(), "{text}");
    }
}
