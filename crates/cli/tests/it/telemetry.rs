//! What a collector of OpenTelemetry gets of `usher serve`, over real HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use serde_json::{Value, json};

use crate::{
    served::{EMAIL, PASSWORD, Served, borrowed, prepared},
    support::{Folder, ask},
};

/// What came to a path, with the header `api-key`.
type Document = (String, Option<String>, Value);

/// Takes documents on a port of this machine.
fn collector() -> (u16, Receiver<Document>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || take(stream.unwrap(), &sender));
        }
    });
    (port, receiver)
}

/// Answers the requests of one connection.
fn take(stream: TcpStream, sender: &Sender<Document>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let mut headers = head.iter().filter_map(|line| line.split_once(": "));
            let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_owned())
        };
        let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let path = head[0].split(' ').nth(1).unwrap().to_owned();
        let document = serde_json::from_slice(&body).unwrap();
        sender.send((path, header("api-key"), document)).unwrap();
        writer
            .write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            )
            .unwrap();
    }
}

/// Returns attributes as `name=value`.
fn attributes(of: &Value) -> Vec<String> {
    let attributes = of["attributes"].as_array().unwrap();
    let show = |attribute: &Value| {
        let value = &attribute["value"];
        let text = value["stringValue"]
            .as_str()
            .or(value["intValue"].as_str())
            .unwrap();
        format!("{}={text}", attribute["key"].as_str().unwrap())
    };
    attributes.iter().map(show).collect()
}

fn visit(port: u16) {
    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let (status, body) = ask(port, "POST", "/api/auth/login", None, &body);
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        ask(port, "GET", "/api/users/7?fields=canary", None, "").0,
        401
    );
}

#[tokio::test]
async fn a_collector_gets_a_span_for_each_request_and_statement_and_how_long_they_took() {
    let folder = Folder::create();
    let (_database, mut variables) = prepared(&folder).await;
    let (port, documents) = collector();
    for (name, value) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://127.0.0.1:{port}/base/"),
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20key".to_owned()),
        ("OTEL_SERVICE_NAME", "accounts".to_owned()),
    ] {
        variables.push((name.to_owned(), value));
    }
    let served = Served::start(folder.usher(&["serve", "--port", "0"], &borrowed(&variables)));
    visit(served.port);
    let log = served.end();
    assert_eq!(log, "", "it complained");
    let [traces, metrics] = [(); 2].map(|()| documents.recv().unwrap());
    assert_eq!(
        (traces.0.as_str(), metrics.0.as_str()),
        ("/base/v1/traces", "/base/v1/metrics")
    );
    assert_eq!(
        (traces.1.as_deref(), metrics.1.as_deref()),
        (Some("a key"), Some("a key"))
    );
    check_spans(&traces.2);
    check_metrics(&metrics.2);
    let both = format!("{}{}", traces.2, metrics.2);
    for secret in [EMAIL, PASSWORD, "canary", "usher_rt_", "eyJ", "127.0.0.1"] {
        assert!(!both.contains(secret), "{secret}");
    }
}

fn check_spans(traces: &Value) {
    let resource = &traces["resourceSpans"][0];
    assert!(attributes(&resource["resource"]).contains(&"service.name=accounts".to_owned()));
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    let names: Vec<_> = spans
        .iter()
        .map(|span| span["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "POST /api/auth/login",
            "count request",
            "find credentials",
            "start session",
            "forgive tries",
            "GET /api/users/{user_id}"
        ]
    );
    for span in &spans[1..5] {
        assert_eq!(
            (&span["traceId"], &span["parentSpanId"]),
            (&spans[0]["traceId"], &spans[0]["spanId"])
        );
        let time = |name: &str, of: &Value| of[name].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano", &spans[0]) <= time("startTimeUnixNano", span));
        assert!(time("endTimeUnixNano", span) <= time("endTimeUnixNano", &spans[0]));
    }
    let of_login = attributes(&spans[0]);
    assert!(
        of_login.contains(&"http.response.status_code=200".to_owned()),
        "{of_login:?}"
    );
    assert!(
        of_login.contains(&"usher.round_trips=2".to_owned()),
        "{of_login:?}"
    );
}

fn check_metrics(metrics: &Value) {
    let all_metrics = metrics["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        .as_array()
        .unwrap();
    let duration = &all_metrics[0];
    assert_eq!(
        (&duration["name"], &duration["unit"]),
        (&json!("http.server.request.duration"), &json!("s"))
    );
    let points = duration["histogram"]["dataPoints"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    for point in points {
        assert_eq!(point["count"], "1");
        let counts = point["bucketCounts"].as_array().unwrap();
        let all: u32 = counts
            .iter()
            .map(|count| count.as_str().unwrap().parse::<u32>().unwrap())
            .sum();
        assert_eq!(
            (all, counts.len()),
            (1, point["explicitBounds"].as_array().unwrap().len() + 1)
        );
    }
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_once_and_keeps_nobody() {
    let folder = Folder::create();
    let (_database, mut variables) = prepared(&folder).await;
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    variables.push((
        "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
        format!("http://{free}"),
    ));
    variables.push(("USHER_LOG".to_owned(), "warn".to_owned()));
    let served = Served::start(folder.usher(&["serve", "--port", "0"], &borrowed(&variables)));
    visit(served.port);
    let log = served.end();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert_eq!(lines[0]["lost"], 2);
    assert!(
        lines[0]["reason"].as_str().unwrap().contains("refused"),
        "{log}"
    );
}

#[test]
fn a_wrong_address_of_a_collector_is_named() {
    let folder = Folder::create();
    let keys = folder.run(&["keys"], &[]).output;
    let value = |name: &str| {
        let mut lines = keys.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
            .to_owned()
    };
    let (signing, secret) = (value("USHER_SIGNING_KEYS"), value("USHER_SECRET"));
    for wrong in [
        "collector:4318",
        "ftp://collector",
        "http://u:hunter2@collector",
        "https://c?x=1",
    ] {
        let variables = [
            ("DATABASE_URL", "postgres://u@localhost/d"),
            ("USHER_ISSUER", "https://id.example.com"),
            ("USHER_SIGNING_KEYS", &signing),
            ("USHER_SECRET", &secret),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", wrong),
        ];
        let ended = folder.run(&["serve", "--port", "0"], &variables);
        assert_eq!(ended.code, Some(1), "{wrong}");
        assert_eq!(
            ended.errors,
            "error: OTEL_EXPORTER_OTLP_ENDPOINT must be an address such as https://collector.example.com:4318\n"
        );
    }
}
