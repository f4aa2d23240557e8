//! What is wrong with a message, and where.
//!
//! Owns the reasons a guard refuses. Carries no field values, so that no refusal can repeat a
//! credential.

use thiserror::Error;

use crate::host::BadHost;
use crate::http2::FrameFault;

/// A refused message; the connection cannot be used again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Nothing of this message was acted on: a server may answer 400 and must close.
    #[error("malformed message head: {0}")]
    Head(Fault),
    /// The message was already under way: the connection can only be cut.
    #[error("malformed message body: {0}")]
    Body(Fault),
}

impl Malformed {
    /// Whether the fault lies in a head, where a server can still answer 400 before it closes.
    ///
    /// On a pipelined connection the answers still owed to earlier requests come first.
    pub fn at_head(&self) -> bool {
        matches!(self, Self::Head(_))
    }

    /// What is wrong, wherever it was found.
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Head(fault) | Self::Body(fault) => fault,
        }
    }
}

/// One way in which a message leaves its framing, routing or authority in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant means")]
pub enum Fault {
    #[error("a line ends in LF without CR; end every line with CRLF")]
    BareLf,
    #[error("a CR stands alone inside a line")]
    BareCr,
    #[error("a line holds a control byte")]
    ControlByte,
    #[error("the start line is longer than {limit} bytes")]
    StartLineTooLong { limit: usize },
    #[error("a field line is longer than {limit} bytes")]
    FieldLineTooLong { limit: usize },
    #[error("the head is longer than {limit} bytes")]
    HeadTooLarge { limit: usize },
    #[error("the head has more than {limit} fields")]
    TooManyFields { limit: usize },

    #[error("the request line is not `METHOD SP target SP HTTP/1.1`")]
    BadRequestLine,
    #[error("the method is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT")]
    UnknownMethod,
    #[error("the HTTP version is not 1.0 or 1.1")]
    UnknownVersion,
    #[error("the status line is not `HTTP/1.1 SP code SP reason`")]
    BadStatusLine,
    #[error("the request target is longer than {limit} bytes")]
    TargetTooLong { limit: usize },
    #[error(
        "the request target is not a path, `http://host/path`, `*` for OPTIONS or `host:port` \
         for CONNECT, in visible ASCII without a fragment"
    )]
    BadTarget,
    #[error("the host of the request target is refused: {0}")]
    BadTargetHost(BadHost),

    #[error("a field is folded over two lines, or the first field line starts with a space")]
    ObsoleteFold,
    #[error("a field line has no colon")]
    MissingColon,
    #[error("white space stands before the colon of a field")]
    SpaceBeforeColon,
    #[error("a field name is empty or not a token")]
    BadFieldName,
    #[error("a field imitates `{name}` with an underscore")]
    DisguisedField { name: &'static str },
    #[error("the field `{name}` is given twice")]
    RepeatedField { name: &'static str },
    #[error("`content-length` is not one plain decimal number of at most 2^53")]
    BadContentLength,
    #[error("`transfer-encoding` is not exactly `chunked`")]
    BadTransferEncoding,
    #[error("both `content-length` and `transfer-encoding` are given")]
    TwoLengths,
    #[error("`transfer-encoding` is given in HTTP/1.0")]
    ChunkedInHttp10,
    #[error("this kind of message cannot have a body, yet announces one")]
    BodyNotAllowed,
    #[error("an HTTP/1.1 request has no `host`")]
    MissingHost,
    #[error("the `host` field is refused: {0}")]
    BadHost(BadHost),
    #[error("the `host` field and the request target name different hosts")]
    HostMismatch,
    #[error("`connection` lists something other than keep-alive, close, te or upgrade")]
    BadConnectionOption,
    #[error("the field `{name}` would override the method or the path; send the real one")]
    Override { name: &'static str },
    #[error("bytes follow a CONNECT or an upgrade before it was answered")]
    BytesBeforeTunnel,

    #[error("a response came that no request asked for")]
    Unasked,
    #[error("more than {limit} requests wait for a response")]
    TooManyAwaited { limit: usize },
    #[error("more than {limit} interim responses came for one request")]
    TooManyInterims { limit: usize },
    #[error("the upstream switches to a protocol nobody asked for")]
    SwitchingProtocols,

    #[error("a chunk size is not plain hexadecimal of at most 2^53")]
    BadChunkSize,
    #[error("chunk extensions are malformed or longer than {limit} bytes")]
    BadChunkExtensions { limit: usize },
    #[error("chunk data does not end in CRLF where its size says")]
    ChunkOverrun,
    #[error("the trailer field is not one of those that are passed on")]
    TrailerRefused,
    #[error("the trailer section is longer than {limit} bytes")]
    TrailersTooLarge { limit: usize },

    #[error("{0}")]
    Frame(FrameFault),
}
