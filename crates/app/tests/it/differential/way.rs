//! How client, Marque and server speak with each other.

/// One way that all requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// HTTP/1.1 without TLS, on either side of Marque.
    Plain,
    /// A tunnel and TLS before Marque, TLS behind it. The servers speak HTTP/1.1 alone.
    Tls,
    /// The same, and the servers offer HTTP/2.
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Way {
    pub(super) fn is_tls(self) -> bool {
        self != Self::Plain
    }

    /// Whether a client of Marque may speak this.
    pub(super) fn is_said_in(self, protocol: Protocol) -> bool {
        protocol == Protocol::Http1 || self.is_tls()
    }

    /// What Marque and a server agree on.
    pub(super) fn upstream(self) -> Protocol {
        if self == Self::Http2 { Protocol::Http2 } else { Protocol::Http1 }
    }

    /// Whether a server can be asked in this without Marque.
    pub(super) fn is_served_in(self, protocol: Protocol) -> bool {
        protocol == Protocol::Http1 || self == Self::Http2
    }

    /// A connection's origin, as a URL has it.
    pub(super) fn origin(self, host: &str) -> String {
        format!("{}://{host}", if self.is_tls() { "https" } else { "http" })
    }

    /// As Node's script is told.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Http2 => "http2",
        }
    }

    /// The port of such an origin.
    pub(super) fn port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }
}

impl Protocol {
    /// Its name in TLS (RFC 7301 §6).
    pub(super) fn name(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }

    /// The first digit of its version.
    pub(super) fn digit(self) -> &'static str {
        match self {
            Self::Http1 => "1",
            Self::Http2 => "2",
        }
    }
}
