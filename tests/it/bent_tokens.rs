//! Tokens that are nearly right: each kind cut, longer, and bent at every character.

use crate::{
    operations,
    token_attacks::{IN_ORDER, all_are_good, effects, every_kind, find, places},
};

/// Returns a token cut, longer, or with another character: at each place one, at the last every one there is.
fn bent(token: &str) -> Vec<String> {
    let mut all: Vec<_> = (0..token.len())
        .map(|end| token[..end].to_owned())
        .collect();
    let with = |index: usize, other: char| {
        let mut text = token.to_owned();
        text.replace_range(index..=index, &other.to_string());
        text
    };
    let other = |index: usize| {
        if &token[index..=index] == "B" {
            'C'
        } else {
            'B'
        }
    };
    all.extend((0..token.len()).map(|index| with(index, other(index))));
    // The last one of base64 holds bits that say nothing.
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/";
    all.extend(digits.chars().map(|digit| with(token.len() - 1, digit)));
    all.extend(["A", "=", "==", " ", ".", "\u{0}", "%00", "\n"].map(|end| format!("{token}{end}")));
    all.extend([" ", "\t", "=", "A"].map(|start| format!("{start}{token}")));
    all.extend([
        token.to_lowercase(),
        token.to_uppercase(),
        token.repeat(2),
        token.chars().rev().collect(),
    ]);
    all.retain(|text| text != token);
    all
}

#[tokio::test]
async fn attack_38_a_token_that_is_cut_longer_or_bent_opens_nothing() {
    let t = operations::start().await;
    let tokens = every_kind(&t).await;
    let places = places(&t, &tokens);
    let before = effects(&t).await;
    let mut cases = 0;
    for place in places.iter().filter(|place| !place.good.is_empty()) {
        for kind in place.good {
            for text in bent(find(&tokens, kind)) {
                let answer = place.show(&text).await;
                let what = format!("{kind} as {text:?}: {}", answer.text());
                assert!([400, 401, 403].contains(&answer.status()), "{what}");
                cases += 1;
            }
        }
    }
    for kind in ["access", "API key"] {
        let is_written =
            |text: &String| http::HeaderValue::from_str(&format!("Bearer {text}")).is_ok();
        for text in bent(find(&tokens, kind)).into_iter().filter(is_written) {
            let answer = t.anonymous().with_token(&text).get("/api/me").await;
            assert_eq!(answer.problem(401), "unauthenticated", "{kind} as {text}");
            cases += 1;
        }
    }
    for text in bent(find(&tokens, "cursor")) {
        if text.parse::<http::uri::PathAndQuery>().is_ok() && !text.contains(['%', '+']) {
            let answer = t.admin().get(&format!("/api/users?cursor={text}")).await;
            assert_eq!(answer.faults(), ["cursor cursor"], "{text}");
            cases += 1;
        }
    }
    assert_eq!(effects(&t).await, before);
    all_are_good(&t, &tokens, &places, &IN_ORDER).await;
    operations::enough(cases, 2000);
}
