//! The client against small servers that behave, misbehave and lie.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use flux_core::error::chain;
use reqwest::header::AUTHORIZATION;
use tokio_util::sync::CancellationToken;

use super::*;
use support::tls::Authority;
use support::{HttpServer, respond};

#[path = "../../tests/support/mod.rs"]
mod support;

const LIMIT: u64 = 1000;

fn http() -> Http {
    Http::new(Settings::default())
}

fn trusting(authority: &Authority) -> Tls {
    Tls::default().with_ca(authority.certificate().as_bytes()).unwrap()
}

async fn get_with(http: &Http, url: &str, credentials: &Credentials) -> Result<Answer, SourceError> {
    let request = Request::get(Url::parse(url).unwrap(), credentials);
    http.send(&Context::background(), "u", &request, LIMIT).await
}

async fn get(url: &str) -> Result<Answer, SourceError> {
    get_with(&http(), url, &Credentials::Anonymous).await
}

fn problem<T>(outcome: Result<T, SourceError>) -> String {
    chain(&outcome.err().expect("an error"))
}

#[tokio::test]
async fn h30_lengths_that_are_lies_and_bodies_without_end_are_cut_off() {
    let server = HttpServer::start(|request, stream| match request.target.as_str() {
        "/announced" => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n"),
        "/endless" => {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
        "/chunks" => {
            write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                write!(stream, "64\r\n{}\r\n", "x".repeat(100))?;
            }
        }
        "/short" => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot so much"),
        "/headers" => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            loop {
                write!(stream, "x-more: {}\r\n", "x".repeat(1000))?;
            }
        }
        "/exact" => respond(stream, "200 OK", &[], &[b'x'; LIMIT as usize]),
        _ => write!(stream, "no HTTP at all\r\n\r\n"),
    });
    let url = |path: &str| format!("http://{}{path}", server.address);
    for path in ["/announced", "/endless", "/chunks"] {
        assert_eq!(problem(get(&url(path)).await), "u: the server sent more than 1000 bytes", "{path}");
    }
    for path in ["/short", "/headers", "/nonsense"] {
        assert!(matches!(get(&url(path)).await, Err(SourceError::Unreachable { .. })), "{path}");
    }
    assert_eq!(get(&url("/exact")).await.unwrap().body.len() as u64, LIMIT);
}

/// With the clock paused, time passes as soon as there is nothing to do but wait.
#[tokio::test(start_paused = true)]
async fn h30_servers_that_say_nothing_and_servers_that_drip_are_given_up() {
    let server = HttpServer::start(|request, stream| {
        if request.target == "/begun" {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")?;
        }
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    });
    for path in ["/silent", "/begun"] {
        let error = get(&format!("http://{}{path}", server.address)).await.err().expect("an error");
        assert!(matches!(error, SourceError::Unreachable { .. }), "{path}: {error:?}");
    }
    let request = Request::get(Url::parse(&format!("http://{}/", server.address)).unwrap(), &Credentials::Anonymous);
    let late = Context::background().with_timeout(Duration::from_secs(5));
    let error = http().send(&late, "u", &request, LIMIT).await.err().unwrap();
    assert!(matches!(error, SourceError::Interrupted(flux_core::Interrupted::DeadlineExceeded)), "{error:?}");
}

#[tokio::test]
async fn cancellation_ends_a_request_at_once() {
    let server = HttpServer::start(|_, _| {
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    });
    let token = CancellationToken::new();
    let cx = Context::background().with_cancel(token.clone());
    let request = Request::get(Url::parse(&format!("http://{}/", server.address)).unwrap(), &Credentials::Anonymous);
    let start = Instant::now();
    let (http, asked) = (http(), server.clone());
    let (outcome, ()) = tokio::join!(http.send(&cx, "u", &request, LIMIT), async {
        while asked.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        token.cancel();
    });
    assert!(matches!(outcome.err(), Some(SourceError::Interrupted(flux_core::Interrupted::Cancelled))));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn failures_that_may_pass_are_asked_again_and_no_others() {
    for (status, retry_after, requests) in [
        ("503 Busy", "0", 3),
        ("429 Slow down", "0", 3),
        ("503 Busy", "3600", 1),
        ("500 Oops", "0", 1),
        ("404 No", "0", 1),
    ] {
        let server = HttpServer::start(move |_, stream| respond(stream, status, &[("retry-after", retry_after)], b""));
        get(&server.url()).await.unwrap();
        assert_eq!(server.requests().len(), requests, "{status} {retry_after}");
    }
    let count = AtomicU32::new(0);
    let server = HttpServer::start(move |_, stream| match count.fetch_add(1, Ordering::SeqCst) {
        0 => respond(stream, "503 Busy", &[("retry-after", "0")], b""),
        _ => respond(stream, "200 OK", &[], b"hello"),
    });
    assert_eq!(get(&server.url()).await.unwrap().body, "hello");
}

#[tokio::test]
async fn h31_a_redirect_elsewhere_is_followed_without_credentials() {
    let elsewhere = HttpServer::start(|_, stream| respond(stream, "200 OK", &[], b"hello"));
    let target = format!("http://{}/y", elsewhere.address);
    let server = HttpServer::start(move |request, stream| match request.target.as_str() {
        "/same" => respond(stream, "302 Found", &[("location", "/there")], b""),
        "/there" => respond(stream, "200 OK", &[], b"there"),
        "/loop" => respond(stream, "307 Again", &[("location", "/loop")], b""),
        "/metadata" => respond(stream, "302 Found", &[("location", "http://169.254.169.254/latest")], b""),
        _ => respond(stream, "302 Found", &[("location", target.as_str())], b""),
    });
    let url = |path: &str| format!("http://{}{path}", server.address);
    for credentials in [Credentials::basic("user", "hunter2"), Credentials::bearer("t0ken")] {
        let http = http();
        let answer = get_with(&http, &url("/away"), &credentials).await.unwrap();
        assert_eq!(answer.body, "hello");
        assert_eq!(get_with(&http, &url("/same"), &credentials).await.unwrap().body, "there");
    }
    assert!(server.requests().iter().all(|request| request.header(AUTHORIZATION.as_str()).is_some()));
    let seen = elsewhere.requests();
    assert!(seen.len() == 2 && seen.iter().all(|request| request.header(AUTHORIZATION.as_str()).is_none()));
    assert_eq!(problem(get(&url("/loop")).await), "u: too many redirects: more than 10");
    assert!(problem(get(&url("/metadata")).await).contains("machine itself"));
}

#[tokio::test]
async fn h31_nothing_goes_from_https_to_http() {
    let plain = HttpServer::start(|_, stream| respond(stream, "200 OK", &[], b"hello"));
    let target = format!("http://{}/", plain.address);
    let authority = Authority::new();
    let server = HttpServer::start_tls(authority.server(), move |_, stream| {
        respond(stream, "302 Found", &[("location", target.as_str())], b"")
    });
    let http = Http::new(Settings { tls: trusting(&authority), proxy: None });
    let error = problem(get_with(&http, &server.https(), &Credentials::Anonymous).await);
    assert_eq!(error, "u: a redirect from https to http is refused");
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn h32_a_server_is_trusted_for_its_authority_and_for_nothing_else() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = HttpServer::start_tls(authority.server(), |_, stream| respond(stream, "200 OK", &[], b"hello"));
    let get = async |tls: Tls, url: &str| {
        let http = Http::new(Settings { tls, proxy: None });
        get_with(&http, url, &Credentials::Anonymous).await
    };
    assert_eq!(get(trusting(&authority), &server.https()).await.unwrap().body, "hello");
    let both = trusting(&other).with_ca(authority.certificate().as_bytes()).unwrap();
    assert_eq!(get(both, &server.https()).await.unwrap().body, "hello");
    for tls in [Tls::default(), trusting(&other)] {
        let error = problem(get(tls, &server.https()).await);
        assert!(error.contains("invalid peer certificate"), "{error}");
    }
    let wrong_name = server.https().replace("127.0.0.1", "localhost");
    assert!(problem(get(trusting(&authority), &wrong_name).await).contains("not valid for name"));
    assert!(get(trusting(&authority), &server.https().replace("https:", "http:")).await.is_err());
}

#[tokio::test]
async fn a_certificate_is_shown_to_the_server_and_to_no_other() {
    let authority = Authority::new();
    let elsewhere = HttpServer::start_tls(authority.server_asking(), |request, stream| {
        respond(stream, "200 OK", &[], if request.certified { b"seen" } else { b"none" })
    });
    let target = elsewhere.https();
    let server =
        HttpServer::start_tls(authority.server_asking(), move |request, stream| match request.target.as_str() {
            "/away" => respond(stream, "302 Found", &[("location", target.as_str())], b""),
            _ => respond(stream, "200 OK", &[], if request.certified { b"seen" } else { b"none" }),
        });
    let (certificate, key) = authority.client();
    let tls = trusting(&authority).with_identity(certificate.as_bytes(), key.as_bytes()).unwrap();
    let http = Http::new(Settings { tls, proxy: None });
    for (path, answer) in [("/", "seen"), ("/away", "none")] {
        let url = format!("{}{path}", server.https());
        assert_eq!(get_with(&http, &url, &Credentials::Anonymous).await.unwrap().body, answer, "{path}");
    }
}

#[test]
fn certificates_are_read_from_secrets_in_every_format_of_flux() {
    let authority = Authority::new();
    let ((certificate, key), ca) = (authority.client(), authority.certificate());
    let (_, other_key) = authority.client();
    let read = |data: &[(&str, &str)]| {
        Tls::from_secret(&crate::Secret::new("ns/s", data.iter().copied())).map(|tls| format!("{tls:?}"))
    };
    for names in [["ca.crt", "tls.crt", "tls.key"], ["caFile", "certFile", "keyFile"]] {
        let found = read(&[(names[0], &ca), (names[1], &certificate), (names[2], &key)]).unwrap();
        assert_eq!(found, "Tls { authorities: 1, identity: true }");
    }
    assert_eq!(read(&[]).unwrap(), "Tls { authorities: 0, identity: false }");
    for (data, said) in [
        (&[("ca.crt", "x")][..], "data.ca.crt: holds no certificate"),
        (&[("tls.crt", &certificate)], "data.tls.key: is missing"),
        (&[("tls.key", &key)], "data.tls.crt: is missing"),
        (&[("tls.crt", &certificate), ("tls.key", "x")], "holds no private key"),
        (&[("tls.crt", &certificate), ("tls.key", &other_key)], "cannot be used together"),
    ] {
        let error = read(data).unwrap_err().to_string();
        assert!(error.starts_with("Secret `ns/s`: ") && error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    // A proxy for plain HTTP is asked for a whole URL; it need not pass it on for us to see it.
    let proxy = HttpServer::start(|request, stream| match request.header("proxy-authorization") {
        // base64 of `user:hunter2`.
        Some("Basic dXNlcjpodW50ZXIy") => respond(stream, "200 OK", &[], b"from the proxy"),
        _ => respond(stream, "407 Who are you", &[], b""),
    });
    let through = |proxy: Proxy| Http::new(Settings { tls: Tls::default(), proxy: Some(proxy) });
    let address = Proxy::new(&format!("http://{}", proxy.address)).unwrap();
    let http = through(address.clone().with_basic_auth("user", "hunter2"));
    let answer = get_with(&http, "http://example.invalid/x", &Credentials::Anonymous).await.unwrap();
    assert_eq!(answer.body, "from the proxy");
    assert_eq!(proxy.requests()[0].target, "http://example.invalid/x");
    let answer = get_with(&through(address), "http://example.invalid/x", &Credentials::Anonymous).await.unwrap();
    assert!(matches!(answer.success("u", "x"), Err(SourceError::Denied { .. })));
}

#[tokio::test]
async fn https_is_tunnelled_through_a_proxy_and_its_credentials_stay_there() {
    let authority = Authority::new();
    let server = HttpServer::start_tls(authority.server(), |_, stream| respond(stream, "200 OK", &[], b"hello"));
    let proxy = HttpServer::tunnel(server.address);
    let address = Proxy::new(&format!("http://user:hunter2@{}", proxy.address)).unwrap();
    let http = Http::new(Settings { tls: trusting(&authority), proxy: Some(address) });
    let credentials = Credentials::bearer("t0ken");
    assert_eq!(get_with(&http, &server.https(), &credentials).await.unwrap().body, "hello");
    let asked = &proxy.requests()[0];
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("CONNECT", None));
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dXNlcjpodW50ZXIy"));
    let seen = &server.requests()[0];
    assert_eq!(seen.header("proxy-authorization"), None);
    assert_eq!(seen.header("authorization"), Some("Bearer t0ken"));
}
