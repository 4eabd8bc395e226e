//! The URI that the router sees: the one that the caller asked for, without what a host made of it.

use http::Uri;
use usher_http::Endpoint;

/// Returns the names of the path parameters of a single endpoint.
///
/// Vercel routes a request for one by appending its value to the query: `/api/users/42` arrives as
/// `/api/users/42?user_id=42`. A function with several endpoints is routed without parameters.
pub(crate) fn parameters(endpoints: &[Endpoint]) -> Vec<&'static str> {
    let [endpoint] = endpoints else {
        return Vec::new();
    };
    let segments = endpoint.path.split('/');
    segments
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect()
}

/// Removes the path parameters from the query, where only the platform puts them.
pub(crate) fn without_parameters(uri: Uri, names: &[&str]) -> Uri {
    let Some(query) = uri.query().filter(|_| !names.is_empty()) else {
        return uri;
    };
    let pairs = query.split('&');
    let kept: Vec<&str> = pairs
        .filter(|pair| !names.contains(&pair.split('=').next().unwrap_or_default()))
        .collect();
    relative(uri.path(), Some(&kept.join("&"))).unwrap_or(uri)
}

/// Returns the URI of an event of AWS Lambda: only path and query, and without the stage of the gateway.
#[cfg(feature = "lambda")]
pub(crate) fn of_event(raw_path: &str, stage: Option<&str>, query: Option<&str>) -> Option<Uri> {
    relative(without_stage(raw_path, stage), query)
}

/// Removes the stage in `/prod/api/users`. What is left must be a path of ours: behind a domain of
/// one's own, `/api/users` of a stage named `api` comes without the stage.
#[cfg(feature = "lambda")]
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some(rest) if rest.starts_with("/api/") || rest.starts_with("/.well-known/") => rest,
        _ => path,
    }
}

fn relative(path: &str, query: Option<&str>) -> Option<Uri> {
    match query {
        Some(query) if !query.is_empty() => format!("{path}?{query}").parse().ok(),
        _ => path.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(uri: &str) -> String {
        without_parameters(uri.parse().unwrap(), &["user_id", "session_id"]).to_string()
    }

    #[test]
    fn path_parameters_leave_the_query() {
        assert_eq!(strip("/api/users/42?user_id=42"), "/api/users/42");
        assert_eq!(strip("/a?user_id=1&session_id=2&limit=5"), "/a?limit=5");
        assert_eq!(strip("/a?limit=5&user_id=99&user_id"), "/a?limit=5");
    }

    #[test]
    fn every_other_query_is_kept_as_it_is() {
        for uri in [
            "/a",
            "/a?limit=5&cursor=%2F",
            "/a?my_user_id=1&&x",
            "/a%2Fb?q=user_id=1",
        ] {
            assert_eq!(strip(uri), uri);
        }
    }

    #[test]
    fn a_query_stays_when_the_path_has_no_parameters() {
        let uri: Uri = "/api/users?user_id=1".parse().unwrap();
        assert_eq!(without_parameters(uri.clone(), &[]), uri);
    }

    #[cfg(feature = "lambda")]
    mod events {
        use super::super::*;

        fn seen(raw_path: &str, stage: &str, query: Option<&str>) -> String {
            of_event(raw_path, Some(stage), query).unwrap().to_string()
        }

        #[test]
        fn the_stage_leaves_the_path() {
            assert_eq!(
                seen("/prod/api/users/7", "prod", Some("a=b")),
                "/api/users/7?a=b"
            );
            assert_eq!(
                seen("/prod/.well-known/jwks.json", "prod", None),
                "/.well-known/jwks.json"
            );
        }

        #[test]
        fn a_path_without_the_stage_is_kept() {
            assert_eq!(seen("/api/users/7", "prod", Some("")), "/api/users/7");
            assert_eq!(seen("/api/users/7", "$default", None), "/api/users/7");
            assert_eq!(of_event("/api/users", None, None).unwrap(), "/api/users");
        }

        #[test]
        fn a_stage_may_have_the_name_of_a_segment() {
            assert_eq!(seen("/api/users", "api", None), "/api/users");
            assert_eq!(seen("/api/api/users", "api", None), "/api/users");
        }

        #[test]
        fn a_longer_segment_is_not_the_stage() {
            assert_eq!(
                seen("/production/api/users", "prod", None),
                "/production/api/users"
            );
        }
    }
}
