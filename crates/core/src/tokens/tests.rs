//! What is refused as an access token. Each case is signed with the right key unless the case is the signature.

use usher_domain::Method;
use uuid::Uuid;

use super::*;

const ISSUER: &str = "https://id.example.com";

fn tokens() -> Tokens {
    Tokens {
        keys: SigningKeys::parse(&SigningKeys::generate().unwrap()).unwrap(),
        issuer: ISSUER.into(),
        audience: ISSUER.into(),
        known: Arc::default(),
    }
}

fn principal() -> Principal {
    Principal {
        user: UserId::new(7),
        session: SessionId::new(Uuid::from_u128(9)),
    }
}

fn proof() -> Proof {
    Proof::by(Method::Password, now())
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn claims() -> Value {
    let now = now().unix_timestamp();
    json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "7", "sid": Uuid::from_u128(9), "jti": "x",
        "iat": now, "exp": now + 300, "auth_time": now, "amr": ["pwd"],
    })
}

/// Returns whom a token lets in at a time.
fn verify(tokens: &Tokens, token: &str, now: OffsetDateTime) -> Option<Principal> {
    let presented = tokens.verify(token)?;
    (presented.from..presented.until)
        .contains(&now)
        .then_some(presented.principal)
}

/// Signs any header and claims with the first key.
fn forge(tokens: &Tokens, header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = tokens.keys.0.current(now());
    let signature = key
        .pair
        .sign(&SystemRandom::new(), message.as_bytes())
        .unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn header(tokens: &Tokens) -> Value {
    json!({ "alg": "ES256", "typ": "at+jwt", "kid": tokens.keys.0.current(now()).id })
}

#[test]
fn a_token_says_whom_it_was_made_for() {
    let tokens = tokens();
    let token = tokens.issue(principal(), &proof(), now()).unwrap();
    assert_eq!(verify(&tokens, &token, now()), Some(principal()));
    let forged = forge(&tokens, &header(&tokens).to_string(), &claims().to_string());
    assert_eq!(
        verify(&tokens, &forged, now()),
        Some(principal()),
        "the cases below differ from this in one point"
    );
}

#[test]
fn a_token_holds_for_five_minutes_and_the_difference_of_two_clocks() {
    let tokens = tokens();
    let token = tokens.issue(principal(), &proof(), now()).unwrap();
    for (seconds, is_valid) in [
        (-31, false),
        (-30, true),
        (0, true),
        (329, true),
        (330, false),
        (86_400, false),
    ] {
        assert_eq!(
            verify(&tokens, &token, now() + Duration::seconds(seconds)).is_some(),
            is_valid,
            "{seconds}"
        );
    }
}

#[test]
fn a_header_that_says_anything_else_is_refused() {
    let tokens = tokens();
    let kid = &tokens.keys.0.current(now()).id;
    for text in [
        format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"None","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES384","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"es256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned(),
        r#"{"alg":"ES256","typ":"at+jwt","kid":"../../dev/null"}"#.to_owned(),
        r#"{"alg":"ES256","typ":"at+jwt","kid":null}"#.to_owned(),
        format!(r#"{{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","crit":["exp"]}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","b64":false}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","zip":"DEF"}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jwk":{{}}}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jku":"https://evil.example"}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","x5u":"https://evil.example"}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","x5c":[]}}"#),
        "[]".to_owned(),
        String::new(),
    ] {
        let token = forge(&tokens, &text, &claims().to_string());
        assert_eq!(verify(&tokens, &token, now()), None, "{text}");
    }
}

/// Claims that are wrong in one point.
fn wrong_claims() -> Vec<(&'static str, Value)> {
    let time = now().unix_timestamp();
    let mut cases = Vec::new();
    for claim in ["iat", "exp", "auth_time"] {
        for value in [
            json!(time.to_string()),
            json!(1.5),
            json!(null),
            json!([time]),
            json!(true),
            json!({}),
        ] {
            cases.push((claim, value));
        }
    }
    cases.extend([
        ("iss", json!("https://id.example.com.evil.example")),
        ("iss", json!([ISSUER])),
        ("aud", json!("https://other.example")),
        ("aud", json!([ISSUER])),
        ("sub", json!(7)),
        ("sub", json!("0")),
        ("sub", json!("7 ")),
        ("sub", json!("")),
        ("sid", json!("nonsense")),
        ("amr", json!("pwd")),
        ("exp", json!(time - 31)),
        ("exp", json!(time + 301)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(i64::MIN)),
        ("iat", json!(time + 31)),
        ("admin", json!(true)),
        ("nbf", json!(time)),
    ]);
    cases
}

#[test]
fn a_claim_of_another_type_or_value_is_refused() {
    let tokens = tokens();
    let time = now().unix_timestamp();
    for (claim, value) in wrong_claims() {
        let mut changed = claims();
        changed[claim] = value;
        let token = forge(&tokens, &header(&tokens).to_string(), &changed.to_string());
        assert_eq!(verify(&tokens, &token, now()), None, "{claim}: {changed}");
    }
    for missing in [
        "iss",
        "aud",
        "sub",
        "sid",
        "jti",
        "iat",
        "exp",
        "auth_time",
        "amr",
    ] {
        let mut changed = claims();
        changed.as_object_mut().unwrap().remove(missing);
        let token = forge(&tokens, &header(&tokens).to_string(), &changed.to_string());
        assert_eq!(verify(&tokens, &token, now()), None, "without {missing}");
    }
    for text in [
        claims().to_string().replacen('{', r#"{"sub":"1","#, 1),
        claims()
            .to_string()
            .replace(&format!("{}", time + 300), "1e400"),
        "[]".to_owned(),
        "null".to_owned(),
    ] {
        let token = forge(&tokens, &header(&tokens).to_string(), &text);
        assert_eq!(verify(&tokens, &token, now()), None, "{text}");
    }
}

#[test]
fn a_token_cut_longer_bent_or_of_a_foreign_key_is_refused() {
    let tokens = tokens();
    let token = tokens.issue(principal(), &proof(), now()).unwrap();
    for length in 0..token.len() {
        assert_eq!(verify(&tokens, &token[..length], now()), None);
    }
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            verify(&tokens, std::str::from_utf8(&bytes).unwrap(), now()),
            None,
            "{index}"
        );
    }
    let (message, _) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{token}A"),
        format!("{token}="),
        format!("{token}."),
        format!(" {token}"),
        format!("{message}."),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{token}{}", "A".repeat(MAX_LENGTH)),
        String::new(),
        "..".to_owned(),
    ] {
        assert_eq!(verify(&tokens, &other, now()), None, "{other}");
    }
    let foreign = self::tokens().issue(principal(), &proof(), now()).unwrap();
    assert_eq!(verify(&tokens, &foreign, now()), None);
}

#[test]
fn an_older_key_is_accepted_until_it_is_retired() {
    let (old, new) = (
        SigningKeys::generate().unwrap(),
        SigningKeys::generate().unwrap(),
    );
    let with = |text: &str| Tokens {
        keys: SigningKeys::parse(text).unwrap(),
        ..tokens()
    };
    let token = with(&old).issue(principal(), &proof(), now()).unwrap();
    let both = with(&format!("{new}, {old}"));
    assert_eq!(verify(&both, &token, now()), Some(principal()));
    assert_eq!(
        both.keys().public(now())["keys"].as_array().unwrap().len(),
        2
    );
    assert_eq!(verify(&with(&new), &token, now()), None);
}

#[test]
fn a_key_is_published_before_its_date_and_signs_from_then_on() {
    let [old, new] = [(); 2].map(|()| SigningKeys::generate().unwrap());
    let with = |text: &str| Tokens {
        keys: SigningKeys::parse(text).unwrap(),
        ..tokens()
    };
    let tokens = with(&format!("{old},{new}@2027-01-15T09:00:00Z"));
    let date = OffsetDateTime::from_unix_timestamp(1_800_003_600).unwrap();
    assert_eq!(date.to_string(), "2027-01-15 9:00:00.0 +00:00:00");
    let signer = |time| {
        let token = tokens
            .issue(principal(), &Proof::by(Method::Password, time), time)
            .unwrap();
        let of = |key: &str| with(key).verify(&token).is_some();
        (of(&old), of(&new))
    };
    assert_eq!(signer(date - Duration::SECOND), (true, false));
    assert_eq!(signer(date), (false, true));
    let ids = |time| {
        let keys = tokens.keys().public(time);
        [0, 1].map(|index| keys["keys"][index]["kid"].clone())
    };
    let [first, second] = ids(date - Duration::SECOND);
    assert_eq!(ids(date), [second, first]);
}

#[test]
fn a_thumbprint_is_made_as_the_standard_says() {
    // The coordinates of RFC 7517, appendix A.1; the thumbprint was computed with another tool.
    let coordinates = [
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    ];
    assert_eq!(
        thumbprint(&coordinates.map(str::to_owned)),
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    );
}
