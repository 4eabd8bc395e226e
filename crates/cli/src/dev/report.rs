//! What a developer needs to know once everything runs.

use std::time::Duration;

use super::{Ready, mail};
use crate::{output::say, seed};

/// Prints the addresses, the sign-in and something to try.
pub(super) fn print(ready: &Ready, port: u16, has_files: bool, took: Duration) {
    let base = format!("http://127.0.0.1:{port}");
    let took = took.as_secs_f64();
    say(format_args!("\nready in {took:.2} s: {base}\n"));
    say(format_args!("  health    {base}/api/health"));
    if has_files {
        say(format_args!("  API       {base}/openapi.json"));
        say(format_args!(
            "  passkeys  http://localhost:{port}/account/passkeys.html"
        ));
    }
    if ready.catcher.is_some() {
        say(format_args!("  mail      {base}{}", mail::PAGE));
    }
    if ready.issuer != format!("http://localhost:{port}") {
        say(format_args!("  issuer    {} (USHER_ISSUER)", ready.issuer));
    }
    if let Some((app_url, owner_url)) = ready.database.own_urls() {
        say(format_args!("  database  psql '{owner_url}'"));
        say(format_args!("  functions DATABASE_URL='{app_url}'"));
    }
    if let Some(sign_in) = &ready.database.sign_in {
        let password = if sign_in.is_default {
            seed::DEFAULT_PASSWORD
        } else {
            "the password of SEED_ADMIN_PASSWORD"
        };
        let note = if sign_in.is_new {
            ""
        } else {
            " (unless it was changed)"
        };
        say(format_args!(
            "  sign in   {} / {password}{note}",
            sign_in.email
        ));
    }
    say("  stop      Ctrl-C");
    say(try_it(ready, &base));
}

fn try_it(ready: &Ready, base: &str) -> String {
    let sign_in = ready.database.sign_in.as_ref();
    let email = sign_in.map_or("<e-mail>", |sign_in| sign_in.email.as_str());
    let password = match sign_in {
        Some(sign_in) if sign_in.is_default => seed::DEFAULT_PASSWORD,
        _ => "<password>",
    };
    format!(
        r#"
Try it:
  TOKEN=$(curl -s {base}/api/auth/login -H 'Content-Type: application/json' \
    -d '{{"email":"{email}","password":"{password}"}}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
  curl -s {base}/api/users -H "Authorization: Bearer $TOKEN"
"#
    )
}
