//! URLs of others, held against a network of the test's own.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// Names that mean what the test says.
fn outbound(private: &str, names: &'static [(&'static str, &'static [&'static str])]) -> Outbound {
    let lookup: Lookup = Arc::new(move |host, port| {
        let found = names.iter().find(|(name, _)| *name == host).map(|(_, addresses)| *addresses);
        let parse = |text: &&str| SocketAddr::new(text.parse().expect("an address"), port);
        let found = found.map(|addresses| addresses.iter().map(parse).collect());
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    });
    Outbound::with_lookup(private.parse().expect("networks"), Vec::new(), lookup)
}

const NAMES: &[(&str, &[&str])] = &[
    ("public.example", &["93.184.215.14"]),
    ("private.example", &["10.0.0.7"]),
    ("metadata.example", &["169.254.169.254"]),
    ("both.example", &["93.184.215.14", "127.0.0.1"]),
    ("six.example", &["fd00::1"]),
    ("mapped.example", &["::ffff:10.0.0.1"]),
    ("localhost", &["127.0.0.1"]),
    ("127.1", &["127.0.0.1"]),
    ("2130706433", &["127.0.0.1"]),
    ("empty.example", &[]),
];

async fn verdict(private: &str, url: &str) -> Result<(), BadTarget> {
    outbound(private, NAMES).examine(&Target::parse(url)?).await
}

#[tokio::test]
async fn a_url_into_the_network_of_the_server_is_no_target() {
    for (url, expected) in [
        ("http://public.example/", BadTarget::Insecure),
        ("http://10.0.0.1/hook", BadTarget::Insecure),
        ("https://10.0.0.1/hook", BadTarget::Private("10.0.0.1".parse().expect("an address"))),
        ("https://[::1]/", BadTarget::Private("::1".parse().expect("an address"))),
        ("https://[::ffff:7f00:1]/", BadTarget::Private("::ffff:127.0.0.1".parse().expect("an address"))),
        ("https://127.1/", BadTarget::Private("127.0.0.1".parse().expect("an address"))),
        ("https://2130706433/", BadTarget::Private("127.0.0.1".parse().expect("an address"))),
        ("https://private.example/", BadTarget::Private("10.0.0.7".parse().expect("an address"))),
        ("https://metadata.example/", BadTarget::Private("169.254.169.254".parse().expect("an address"))),
        ("https://both.example/", BadTarget::Private("127.0.0.1".parse().expect("an address"))),
        ("https://six.example/", BadTarget::Private("fd00::1".parse().expect("an address"))),
        ("https://mapped.example/", BadTarget::Private("::ffff:10.0.0.1".parse().expect("an address"))),
        ("https://localhost/", BadTarget::PrivateName),
        ("https://LOCALHOST./", BadTarget::PrivateName),
        ("https://metadata.google.internal/", BadTarget::PrivateName),
        ("https://me:secret@public.example/", BadTarget::Credentials),
        ("ftp://public.example/", BadTarget::Form),
        ("file:///etc/passwd", BadTarget::Form),
        ("/relative", BadTarget::Form),
        ("https://", BadTarget::Form),
        ("", BadTarget::Form),
    ] {
        assert_eq!(verdict("", url).await, Err(expected), "{url}");
    }
    assert_eq!(verdict("", &format!("https://x.example/{}", "x".repeat(2_048))).await, Err(BadTarget::TooLong));
    for url in ["https://public.example/hook?x=1", "https://public.example:8443/", "https://unknown.example/"] {
        assert_eq!(verdict("", url).await, Ok(()), "{url}");
    }
}

#[tokio::test]
async fn what_the_operator_allows_may_be_reached_without_tls_and_nothing_else() {
    for url in ["http://localhost:1/", "https://localhost/", "http://127.0.0.1/", "http://[::1]/"] {
        assert_eq!(verdict("loopback", url).await, Ok(()), "{url}");
    }
    for url in ["http://10.0.0.1/", "http://public.example/", "http://both.example/", "http://unknown.example/"] {
        assert!(verdict("loopback", url).await.is_err(), "{url}");
    }
}

/// Answers one request with these bytes and returns what it was sent.
async fn receiver(answer: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut heard = Vec::new();
        while !heard.ends_with(b"hello") {
            let mut piece = [0; 1_024];
            let length = socket.read(&mut piece).await.expect("bytes");
            assert!(length > 0, "the request ended early");
            heard.extend_from_slice(&piece[..length]);
        }
        // Whoever has read enough may have hung up.
        let _cut = socket.write_all(answer).await;
        String::from_utf8(heard).expect("text")
    });
    (address, task)
}

async fn post(private: &str, url: &str) -> Result<Answer, Unsent> {
    let target = Target::parse(url).expect("a URL");
    outbound(private, NAMES).post(&target, HeaderMap::new(), Bytes::from_static(b"hello")).await
}

#[tokio::test]
async fn a_request_is_whole_and_so_is_its_answer() {
    let (address, heard) = receiver(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"done\":true}").await;
    let answer = post("loopback", &format!("http://{address}/hook?x=1")).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_deref()), (StatusCode::OK, Some(&b"{\"done\":true}"[..])));
    let heard = heard.await.expect("heard");
    assert!(heard.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("host: {address}\r\n")) && heard.contains("content-length: 5\r\n"), "{heard}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let answer = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/\r\n\r\n";
    let (address, _heard) = receiver(answer).await;
    let answer = post("loopback", &format!("http://{address}/")).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_the_bound() {
    let endless: &'static [u8] =
        [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; limits::WEBHOOK_ANSWER_BYTES_MAX + 1]].concat().leak();
    let (address, _heard) = receiver(endless).await;
    let answer = post("loopback", &format!("http://{address}/")).await.expect("an answer");
    assert_eq!(answer.body, None);
}

#[tokio::test]
async fn a_name_that_points_elsewhere_by_now_is_not_connected_to() {
    let (address, heard) = receiver(b"").await;
    for url in [
        format!("http://{address}/"),
        format!("https://{address}/"),
        format!("https://private.example:{}/", address.port()),
        format!("https://both.example:{}/", address.port()),
    ] {
        assert!(matches!(post("", &url).await, Err(Unsent::Target(_))), "{url}");
    }
    assert!(matches!(post("", "https://empty.example/").await, Err(Unsent::NoAddress)));
    assert!(!heard.is_finished(), "nobody knocked");
    heard.abort();
}

#[tokio::test]
async fn a_receiver_without_a_certificate_is_not_talked_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        let mut heard = Vec::new();
        let _cut = socket.read_to_end(&mut heard).await;
        heard
    });
    assert!(matches!(post("loopback", &format!("https://{address}/")).await, Err(Unsent::Tls(_))));
    let heard = heard.await.expect("heard");
    assert!(!heard.windows(5).any(|part| part == b"hello"), "it never heard the body");
}

#[test]
fn a_file_without_certificates_is_refused_and_not_taken_for_none() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for (text, problem) in [
        ("", "there is none in it"),
        ("not PEM", "there is none in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "invalid peer certificate: BadEncoding"),
    ] {
        std::fs::write(file.path(), text).expect("written");
        assert_eq!(Outbound::authorities(file.path()), Err(problem.to_owned()), "{text}");
    }
    assert!(Outbound::authorities(Path::new("/nowhere")).is_err());
}

#[test]
fn the_wait_doubles_from_a_second_to_a_minute_give_or_take_a_fifth() {
    for (failures, expected) in [(0, 1_000), (1, 2_000), (5, 32_000), (6, 60_000), (1_000, 60_000)] {
        assert_eq!(retry_ms(failures, 0), expected - expected / 5);
        assert_eq!(retry_ms(failures, 2 * (expected / 5)), expected + expected / 5);
        for dice in [1, 77, u64::MAX] {
            assert!(retry_ms(failures, dice).abs_diff(expected) <= expected / 5);
        }
    }
}

/// A certificate with ten thousand names would have been kept and shown with all of them.
#[test]
fn the_reason_of_a_failure_is_as_long_as_we_want_it_whatever_a_certificate_says() {
    assert_eq!(reason(&"status 500"), "status 500");
    let names = format!("not valid for this name, only for\n{}", "a.example, ".repeat(10_000));
    let kept = reason(&names);
    assert_eq!(kept.chars().count(), limits::UNSENT_REASON_CHARS_MAX + 1);
    assert!(kept.starts_with("not valid for this name, only for a.example,") && kept.ends_with('\u{2026}'), "{kept}");
}
