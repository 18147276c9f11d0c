//! TLS, a proxy on the way out, a Unix socket on the way in: the built binary, because these come
//! from the environment of a process.

use crate::support::ANY_PORT;
use crate::support::sidecar::{Providers, Sidecar, chat, exchange};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A provider with a certificate for `localhost`, and the authority that signed it.
struct TlsProvider {
    address: SocketAddr,
    authority_pem: String,
    /// Everything that was decrypted.
    heard: tokio::sync::watch::Receiver<Vec<u8>>,
}

impl TlsProvider {
    fn start(providers: &Providers) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned()];
        let leaf = CertificateParams::new(names).expect("a name");
        let leaf = leaf.signed_by(&key, &authority).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (hears, heard) = tokio::sync::watch::channel(Vec::new());
        let listener = providers
            .runtime
            .block_on(tokio::net::TcpListener::bind(ANY_PORT));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("bound");
        providers.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\"}") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                hears.send_replace(request);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        let authority_pem = authority.pem();
        Self {
            address,
            authority_pem,
            heard,
        }
    }
}

/// Writes a file whose original is at `url`.
fn write_config(providers: &Providers, dir: &Path, url: &str) {
    providers.write_config(dir, 0);
    let file = dir.join("rollout.yaml");
    let text = std::fs::read_to_string(&file).expect("written");
    let text = text.replace(&providers.openai.base_url(), url);
    std::fs::write(file, text).expect("writable");
}

#[test]
fn a_providers_certificate_is_verified_against_ssl_cert_file() {
    let providers = Providers::start();
    let tls = TlsProvider::start(&providers);
    let dir = TempDir::new().expect("a temporary directory");
    let authority = dir.path().join("authority.pem");
    std::fs::write(&authority, &tls.authority_pem).expect("writable");
    let url = format!("https://localhost:{}", tls.address.port());
    write_config(&providers, dir.path(), &url);
    let authority = authority.to_str().expect("text");
    let trusting = Sidecar::start_with(dir.path(), &[("SSL_CERT_FILE", authority)]);
    let answer = exchange(trusting.listen, &chat(trusting.listen, "hi")).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        tls.heard
            .borrow()
            .starts_with(b"POST /v1/chat/completions HTTP/1.1")
    );
    drop(trusting);

    // Another authority, and another name: not a byte of the request goes out.
    let stranger = TlsProvider::start(&providers);
    let by_address = format!("https://{}", stranger.address);
    for (url, trusted) in [
        (
            format!("https://localhost:{}", stranger.address.port()),
            &tls.authority_pem,
        ),
        (by_address, &stranger.authority_pem),
    ] {
        std::fs::write(authority, trusted).expect("writable");
        write_config(&providers, dir.path(), &url);
        let wary = Sidecar::start_with(dir.path(), &[("SSL_CERT_FILE", authority)]);
        let answer = exchange(wary.listen, &chat(wary.listen, "hi")).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{url}: {answer}");
        assert!(stranger.heard.borrow().is_empty(), "{url}");
    }
}

#[test]
fn https_goes_through_the_proxy_of_the_environment() {
    let providers = Providers::start();
    let dir = TempDir::new().expect("a temporary directory");
    write_config(&providers, dir.path(), "https://api.openai.invalid");
    let proxy = TcpListener::bind(ANY_PORT).expect("a free port");
    let address = proxy.local_addr().expect("bound");
    let url = format!("http://user:word@{address}");
    let sidecar = Sidecar::start_with(dir.path(), &[("HTTPS_PROXY", &url)]);
    let listen = sidecar.listen;
    let call = std::thread::spawn(move || exchange(listen, &chat(listen, "hi")));
    let (mut stream, _) = proxy.accept().expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("text");
    assert!(
        head.starts_with("CONNECT api.openai.invalid:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.to_lowercase().contains("proxy-authorization: basic "),
        "{head}"
    );
    assert!(
        !head.contains("dummy"),
        "the app's key stays out of the proxy's sight: {head}"
    );
    stream
        .write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        .expect("writable");
    drop(stream);
    let answer = call.join().expect("no panic").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[test]
fn the_data_port_may_be_a_unix_socket() {
    let providers = Providers::start();
    let dir = TempDir::new().expect("a temporary directory");
    providers.write_config(dir.path(), 100);
    let file = dir.path().join("rollout.yaml");
    let text = std::fs::read_to_string(&file).expect("written");
    std::fs::write(
        &file,
        text.replace("listen: 127.0.0.1:0", "listen: 'unix:app.sock'"),
    )
    .expect("writable");
    // What a killed process left behind is replaced.
    for _ in 0..2 {
        let sidecar = Sidecar::start(dir.path());
        let socket = dir.path().join("app.sock");
        // The app has another user, and a group in common.
        let mode = std::fs::metadata(&socket)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o660);
        let mut stream = UnixStream::connect(socket).expect("it listens");
        stream.write_all(&chat(ANY_PORT, "hi")).expect("writable");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        sidecar.kill();
    }
}
