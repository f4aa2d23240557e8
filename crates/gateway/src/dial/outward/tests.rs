#![expect(clippy::disallowed_methods, reason = "servers of a test are tasks that it leaves")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use marque_crypto::intercept::InterceptAuthority;
use marque_domain::Timestamp;
use marque_plane::outbound::{Outbound as _, Unfetched, Wanted};
use marque_wire::address::Reach;
use marque_wire::oauth::Resource;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Outward, may_reach};

const MAX: usize = 64 * 1024;

/// A server that answers every request the same, over TLS of an authority of its own.
struct Server {
    address: SocketAddr,
    authority_pem: String,
}

impl Server {
    async fn answering(answer: String) -> Self {
        let millis = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let now = Timestamp::from_millis(u64::try_from(millis).unwrap());
        let authority =
            InterceptAuthority::create("test", now, Duration::from_secs(3_600)).unwrap();
        let leaf = authority.leaf("127.0.0.1", now).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(leaf.chain().to_vec(), PrivateKeyDer::Pkcs8(leaf.expose_key()))
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = [0; 4096];
                let _read = stream.read(&mut head).await;
                let _told = stream.write_all(answer.as_bytes()).await;
                if !answer.ends_with("...") {
                    let _ended = stream.shutdown().await;
                    continue;
                }
                while stream.write_all(b".").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self { address, authority_pem: authority.ca_pem() }
    }

    async fn with(status: &str, fields: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n");
        Self::answering(head + body).await
    }

    fn wanted(&self) -> Wanted {
        let url = format!("https://{}/keys?v=1", self.address);
        Wanted {
            url: Resource::parse(&url).unwrap(),
            authority_pem: Some(self.authority_pem.clone()),
            private: true,
            max_bytes: MAX,
        }
    }

    async fn failure(&self) -> String {
        self.failure_of(self.wanted()).await
    }

    async fn failure_of(&self, wanted: Wanted) -> String {
        let outward = Outward::patient(Duration::from_millis(500));
        outward.get(wanted).await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn a_document_comes_with_what_may_be_kept_of_it() {
    let fields = "Cache-Control: public\r\nCache-Control: max-age=60\r\n";
    let server = Server::with("200 OK", fields, "{}").await;
    let document = Outward::default().get(server.wanted()).await.unwrap();
    assert_eq!(document.body, b"{}");
    assert_eq!(document.cache_control, "public,max-age=60");
}

// threat 23
#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let fields = "Location: http://169.254.169.254/latest\r\n";
        let server = Server::with(status, fields, "").await;
        let outcome = Outward::default().get(server.wanted()).await;
        let code = status.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(outcome, Err(Unfetched::Status(code)));
    }
}

// threat 23
#[tokio::test]
async fn a_long_document_is_refused_whether_it_says_so_or_not() {
    let body = "x".repeat(MAX + 1);
    let said = Server::with("200 OK", "", &body).await;
    assert!(said.failure().await.contains("longer than 65536 bytes"));
    let unsaid = Server::answering(format!("HTTP/1.1 200 OK\r\n\r\n{body}")).await;
    assert!(unsaid.failure().await.contains("longer than 65536 bytes"));
    let fits = Server::with("200 OK", "", &body[..MAX]).await;
    assert_eq!(Outward::default().get(fits.wanted()).await.unwrap().body.len(), MAX);
}

// threat 23
#[tokio::test]
async fn a_slow_server_is_cut() {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n...".to_owned());
    assert!(server.await.failure().await.contains("did not answer in"));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let authority_pem = Server::with("200 OK", "", "{}").await.authority_pem;
    let failure = Server { address, authority_pem }.failure().await;
    assert!(failure.contains("did not answer in"), "{failure}");
}

#[tokio::test]
async fn what_is_broken_packed_or_untrusted_is_no_document() {
    let packed = Server::with("200 OK", "Content-Encoding: gzip\r\n", "{}").await;
    assert!(packed.failure().await.contains("packed"));
    let short =
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_owned()).await;
    assert!(short.failure().await.contains("broke off"));
    let other = Server::with("200 OK", "", "{}").await;
    let server = Server::with("200 OK", "", "{}").await;
    let wanted = Wanted { authority_pem: Some(other.authority_pem), ..server.wanted() };
    assert!(server.failure_of(wanted).await.contains("does not prove itself"));
}

// threats 23 and 76
#[tokio::test]
async fn only_a_human_opens_this_machine_and_nobody_a_metadata_service() {
    let server = Server::with("200 OK", "", "{}").await;
    let failure = server.failure_of(Wanted { private: false, ..server.wanted() }).await;
    assert!(failure.contains("--private-network"), "{failure}");
    for host in ["169.254.169.254", "100.100.100.200", "[fd00:ec2::254]", "169.254.1.1", "0.0.0.0"]
    {
        let url = Resource::parse(&format!("https://{host}/keys")).unwrap();
        let failure = server.failure_of(Wanted { url, ..server.wanted() }).await;
        assert!(failure.contains("which is never asked"), "{failure}");
    }
    for reach in [Reach::Metadata, Reach::LinkLocal, Reach::Multicast, Reach::Unspecified] {
        assert!(!may_reach(reach, true), "{reach}");
    }
    for reach in [Reach::Loopback, Reach::Private, Reach::Shared] {
        assert!(may_reach(reach, true) && !may_reach(reach, false), "{reach}");
    }
}
