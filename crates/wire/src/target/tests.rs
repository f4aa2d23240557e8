use super::*;

fn parse(method: &Method, raw: &str) -> Result<RequestTarget, BadTarget> {
    RequestTarget::parse(method, raw)
}

fn absolute(raw: &str) -> Result<(String, String), BadTarget> {
    match parse(&Method::GET, raw)? {
        RequestTarget::Absolute(authority, path) => Ok((authority.to_string(), path.to_string())),
        _ => Err(BadTarget::UnknownForm),
    }
}

#[test]
fn each_form_belongs_to_its_method() {
    let connect = parse(&Method::CONNECT, "a.test:443");
    assert_eq!(connect, Ok(RequestTarget::Connect(Authority::parse("a.test:443").unwrap())));
    let origin = RequestTarget::Origin(canonical_path("/v1?x").unwrap());
    assert_eq!(parse(&Method::GET, "/v1?x"), Ok(origin));
    assert_eq!(parse(&Method::OPTIONS, "*"), Ok(RequestTarget::Asterisk));
    assert_eq!(parse(&Method::GET, "*"), Err(BadTarget::UnknownForm));
    assert_eq!(parse(&Method::GET, "a.test:443"), Err(BadTarget::UnknownForm));
    assert_eq!(parse(&Method::GET, ""), Err(BadTarget::UnknownForm));
    assert_eq!(parse(&Method::CONNECT, "a.test"), Err(BadHost::NoPort.into()));
    assert_eq!(parse(&Method::CONNECT, "/v1"), Err(BadHost::BadLabel.into()));
}

#[test]
fn an_absolute_target_is_split_into_authority_and_path() {
    let split = |authority: &str, path: &str| Ok((authority.to_owned(), path.to_owned()));
    assert_eq!(absolute("http://A.test/v1"), split("a.test:80", "/v1"));
    assert_eq!(absolute("http://a.test:8080"), split("a.test:8080", "/"));
    assert_eq!(absolute("http://a.test?x=1"), split("a.test:80", "/?x=1"));
    assert_eq!(absolute("http://[::1]:80/"), split("[::1]:80", "/"));
}

#[test]
fn threat_75_an_absolute_target_names_one_plain_host() {
    assert_eq!(absolute("https://a.test/"), Err(BadTarget::OtherScheme));
    assert_eq!(absolute("file:///etc/passwd"), Err(BadTarget::OtherScheme));
    assert_eq!(absolute("http://u:p@a.test/"), Err(BadHost::UserInformation.into()));
    assert_eq!(absolute("http://u@a.test/"), Err(BadHost::UserInformation.into()));
    assert_eq!(absolute("http:///v1"), Err(BadHost::Empty.into()));
    assert_eq!(absolute("http://a.test\\@b.test/"), Err(BadHost::UserInformation.into()));
    assert_eq!(absolute("http://a.test#@b.test/"), Err(BadPath::Fragment.into()));
    assert_eq!(absolute("http://a.test//v1"), Err(BadPath::EmptySegment.into()));
    assert_eq!(absolute("http://0x7f.1/"), Err(BadHost::LooseIpv4.into()));
}
