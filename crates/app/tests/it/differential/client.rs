//! A client that says exactly the bytes it is given, with TLS around them where the way has it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use super::super::support::{Proxy, hear_one};
use super::cases::{Case, Fate, Names};
use super::frames;
use super::way::{Protocol, Way};

/// How long another side may say nothing before its answer is taken for whole.
pub(super) const QUIET: Duration = Duration::from_millis(250);
/// How long Marque may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection.
pub(super) trait Stream: Read + Write {
    /// The socket below.
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

/// How to speak TLS to whoever an authority vouches for.
pub(super) struct Trust {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Trust {
    /// Of the authorities in that PEM.
    pub(super) fn in_pem(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap);
        roots.add_parsable_certificates(certificates);
        let [http1, http2] = [Protocol::Http1, Protocol::Http2].map(|protocol| {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.name().to_vec()];
            Arc::new(config)
        });
        Self { http1, http2 }
    }

    /// Shakes hands with `host` on that socket.
    pub(super) fn shakes_hands(
        &self,
        host: &str,
        mut tcp: TcpStream,
        protocol: Protocol,
    ) -> Box<dyn Stream> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        tcp.set_read_timeout(Some(HANDSHAKE_TIMEOUT)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp).unwrap();
        }
        assert_eq!(connection.alpn_protocol(), Some(protocol.name()), "{host}");
        Box::new(StreamOwned::new(connection, tcp))
    }
}

/// A client of Marque, in one run.
pub(super) struct Client {
    pub(super) way: Way,
    pub(super) proxy: Proxy,
    /// In the authority of the run.
    pub(super) trust: Trust,
}

impl Client {
    /// The status that a case gets, or nought.
    pub(super) fn asks(&self, case: &Case, number: usize, host: &str) -> u16 {
        let (at, proof) = (self.way.origin(host), self.proxy.proof());
        let names = match self.way {
            Way::Plain => Names { at: &at, host, number, proof: &proof },
            // The tunnel says all of it.
            Way::Tls | Way::Http2 => Names { at: "", host, number, proof: "" },
        };
        let (head, rest) = case.bytes(&names);
        let mut stream = self.connects(host, case.protocol);
        // So that a body nobody can read follows a head that was decided.
        if case.fate == Fate::Unfinished && !rest.is_empty() {
            says(&mut *stream, &head);
            thread::sleep(QUIET / 5);
            says(&mut *stream, &rest);
        } else {
            says(&mut *stream, &[head, rest].concat());
        }
        let patience = if case.fate == Fate::Unfinished { QUIET } else { PATIENCE };
        let answer = hears(&mut *stream, case.protocol, patience);
        match case.protocol {
            Protocol::Http1 => {
                let text = String::from_utf8_lossy(&answer);
                text.get(9..12).map_or(0, |status| status.parse().unwrap())
            }
            Protocol::Http2 => frames::heard(&answer).status,
        }
    }

    fn connects(&self, host: &str, protocol: Protocol) -> Box<dyn Stream> {
        let mut tcp = self.proxy.connects();
        if self.way == Way::Plain {
            return Box::new(tcp);
        }
        let (port, proof) = (self.way.port(), self.proxy.proof());
        let connect =
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{proof}\r\n");
        tcp.write_all(connect.as_bytes()).unwrap();
        hear_one(&mut tcp).is(200, "");
        self.trust.shakes_hands(host, tcp, protocol)
    }
}

/// Says these bytes. The other side may break off in the middle.
pub(super) fn says(stream: &mut dyn Stream, bytes: &[u8]) {
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
}

/// Hears until all is said, or nothing comes: at first for that long, later for [`QUIET`].
pub(super) fn hears(stream: &mut dyn Stream, protocol: Protocol, patience: Duration) -> Vec<u8> {
    let (mut answer, mut room) = (Vec::new(), [0; 4096]);
    stream.tcp().set_read_timeout(Some(patience)).unwrap();
    while let Ok(length @ 1..) = stream.read(&mut room) {
        answer.extend_from_slice(&room[..length]);
        let heard = (protocol == Protocol::Http2).then(|| frames::heard(&answer));
        match heard {
            Some(heard) if heard.is_over => break,
            // Its settings come before it has an answer.
            Some(heard) if heard.status == 0 => {}
            _ => stream.tcp().set_read_timeout(Some(QUIET)).unwrap(),
        }
    }
    answer
}
