//! The host adapter for AWS Lambda: API Gateway (REST and HTTP), function URLs and load balancers.
//!
//! `lambda_http` decodes bodies in base64 and writes the cookies; what is left to do is the address
//! and the path. It catches a panic itself and keeps the process.

use crate::{address, error::Error, otlp::Exporter, uri};
use axum::{Router, body::Body};
use http::Request;
use lambda_http::{RequestExt, request::RequestContext, service_fn};
use tower::ServiceExt;
use usher_http::ClientAddress;

/// Serves the router until the platform stops the process.
///
/// What requests did is sent before the answer: after it the process is frozen at once.
pub(crate) async fn run(router: Router, exporter: Option<Exporter>) -> Result<(), Error> {
    let service = service_fn(move |event: lambda_http::Request| {
        let (router, exporter) = (router.clone(), exporter.clone());
        async move {
            let answer = router.oneshot(request(event)).await;
            if let Some(exporter) = exporter {
                exporter.flush().await;
            }
            answer
        }
    });
    lambda_http::run(service).await
}

/// Makes of an event the request that the caller sent.
fn request(event: lambda_http::Request) -> Request<Body> {
    let (stage, address) = match event.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => (
            context.stage.as_deref(),
            parse(context.identity.source_ip.as_deref()),
        ),
        Some(RequestContext::ApiGatewayV2(context)) => (
            context.stage.as_deref(),
            parse(context.http.source_ip.as_deref()),
        ),
        Some(RequestContext::Alb(_)) => (None, address::of_load_balancer(event.headers())),
        _ => (None, ClientAddress(None)),
    };
    let uri = uri::of_event(event.raw_http_path(), stage, event.uri().query());
    let mut request = event.map(|body| match body {
        lambda_http::Body::Text(text) => Body::from(text),
        lambda_http::Body::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    });
    if let Some(uri) = uri {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(address);
    request
}

fn parse(address: Option<&str>) -> ClientAddress {
    ClientAddress(address.and_then(address::parse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn received(event: &str) -> Request<Body> {
        request(lambda_http::request::from_str(event).unwrap())
    }

    fn address(request: &Request<Body>) -> Option<IpAddr> {
        request.extensions().get::<ClientAddress>().unwrap().0
    }

    #[tokio::test]
    async fn an_event_of_the_http_gateway_becomes_the_request_of_the_caller() {
        let request = received(
            r#"{"version": "2.0", "rawPath": "/prod/api/users/7", "rawQueryString": "a=b",
                "headers": {"host": "x.example", "x-forwarded-for": "6.6.6.6"}, "cookies": ["a=1", "b=2"],
                "body": "eyJhIjoxfQ==", "isBase64Encoded": true,
                "requestContext": {"stage": "prod", "http": {"method": "PATCH",
                    "path": "/prod/api/users/7", "sourceIp": "192.0.2.1"}}}"#,
        );
        assert_eq!(request.method(), "PATCH");
        assert_eq!(request.uri(), "/api/users/7?a=b");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        assert_eq!(address(&request), Some([192, 0, 2, 1].into()));
        let body = axum::body::to_bytes(request.into_body(), 64).await.unwrap();
        assert_eq!(body, r#"{"a":1}"#);
    }

    #[test]
    fn an_event_of_the_rest_gateway_becomes_the_request_of_the_caller() {
        let request = received(
            r#"{"resource": "/{proxy+}", "path": "/api/users/7", "httpMethod": "GET",
                "headers": {"host": "x.example"}, "queryStringParameters": {"a": "b"},
                "requestContext": {"stage": "prod", "httpMethod": "GET", "resourcePath": "/{proxy+}",
                    "identity": {"sourceIp": "192.0.2.1"}}}"#,
        );
        assert_eq!(request.uri(), "/api/users/7?a=b");
        assert_eq!(address(&request), Some([192, 0, 2, 1].into()));
    }

    #[test]
    fn an_event_of_a_load_balancer_becomes_the_request_of_the_caller() {
        let request = received(
            r#"{"httpMethod": "GET", "path": "/api/users", "queryStringParameters": {"a": "b%20c"},
                "headers": {"host": "x.example", "x-forwarded-for": "6.6.6.6, 192.0.2.1"},
                "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing"}}}"#,
        );
        assert_eq!(request.uri().path(), "/api/users");
        assert_eq!(request.uri().query(), Some("a=b+c"));
        assert_eq!(address(&request), Some([192, 0, 2, 1].into()));
    }
}
