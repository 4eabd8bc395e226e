//! Connection strings as people have them.

use super::*;

fn parse(text: &str) -> Result<DatabaseUrl, UrlError> {
    DatabaseUrl::parse(text, false)
}

#[test]
fn a_prisma_string_is_understood() {
    let url = parse(
        "\"postgresql://u:p%40w@db.example.com:6543/app?pgbouncer=true&connection_limit=5&schema=public&sslmode=verify-full&pool_timeout=10&statement_cache_size=0\"\n",
    )
    .unwrap();
    assert_eq!(url.pool_size, 5);
    assert_eq!(url.pool_wait, Duration::from_secs(10));
    assert_eq!(url.driver.get_ssl_mode(), SslMode::Require);
    assert_eq!(url.driver.get_password(), Some(&b"p@w"[..]));
    assert_eq!(url.driver.get_dbname(), Some("app"));
}

#[test]
fn whether_statements_get_names_is_said_or_left_to_be_found_out() {
    for (query, prepares) in [
        ("", None),
        ("pgbouncer=false", None),
        ("statement_cache_size=100", None),
        ("prepared_statements=true", Some(true)),
        ("prepared_statements=false", Some(false)),
        ("pgbouncer=true", Some(false)),
        ("statement_cache_size=0", Some(false)),
        ("prepareThreshold=0", Some(false)),
        ("pgbouncer=true&prepared_statements=true", Some(true)),
        ("prepared_statements=true&pgbouncer=true", Some(true)),
    ] {
        let url = parse(&format!("postgres://u@h/app?{query}")).unwrap();
        assert_eq!(url.prepares(), prepares, "{query}");
    }
}

#[test]
fn another_machine_is_spoken_to_by_tls_whatever_the_string_says() {
    for query in [
        "",
        "?sslmode=disable",
        "?sslmode=prefer",
        "?sslmode=allow",
        "?sslmode=require",
    ] {
        let text = format!("postgres://u:p@db.example.com/app{query}");
        assert_eq!(
            parse(&text).unwrap().driver.get_ssl_mode(),
            SslMode::Require,
            "{query}"
        );
    }
    let open = DatabaseUrl::parse("postgres://u@10.0.0.5/app?sslmode=disable", true).unwrap();
    assert_eq!(open.driver.get_ssl_mode(), SslMode::Disable);
}

#[test]
fn this_machine_may_do_without_tls() {
    for host in ["localhost", "127.0.0.1", "[::1]", "%2Ftmp%2Fsocket"] {
        let url = parse(&format!("postgres://u@{host}/app")).unwrap();
        assert_eq!(url.driver.get_ssl_mode(), SslMode::Disable, "{host}");
        assert!(url.is_local());
    }
    let url = parse("postgres://u@localhost/app?sslmode=verify-ca").unwrap();
    assert_eq!(url.driver.get_ssl_mode(), SslMode::Require);
}

#[test]
fn what_cannot_be_honoured_is_named_and_the_password_is_not() {
    for (query, named) in [
        ("schema=other", "schema=other"),
        ("sslmode=no-verify", "sslmode=no-verify"),
        ("connection_limit=0", "connection_limit=0"),
        ("prepared_statements=maybe", "prepared_statements=maybe"),
        ("sslcert=x", "sslcert"),
        ("hello=1", "hello"),
    ] {
        let error = parse(&format!("postgres://u:hunter2@h/app?{query}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(named) && !error.contains("hunter2"),
            "{error}"
        );
    }
    for text in [
        "",
        "mysql://u@h/d",
        "postgres://",
        "host=localhost dbname=app",
        "postgres://u:hunter2@h:x/app",
    ] {
        assert_eq!(parse(text).unwrap_err(), UrlError::Malformed, "{text}");
    }
}

#[test]
fn an_at_sign_in_a_password_is_not_taken_for_the_host() {
    let error = parse("postgres://u:hunter@2@h/app").unwrap_err();
    assert_eq!(error, UrlError::Password);
    assert!(!error.to_string().contains("hunter"));
}

#[test]
fn a_timeout_of_the_string_is_kept() {
    let url = parse("postgres://u@localhost/app").unwrap();
    assert_eq!(url.driver.get_keepalives_idle(), Duration::from_secs(30));
    let told = "connect_timeout=4&keepalives_idle=7&keepalives_interval=8";
    let driver = parse(&format!("postgres://u@localhost/app?{told}"))
        .unwrap()
        .driver;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(driver.get_connect_timeout().copied(), seconds(4));
    assert_eq!(Some(driver.get_keepalives_idle()), seconds(7));
    assert_eq!(driver.get_keepalives_interval(), seconds(8));
}
