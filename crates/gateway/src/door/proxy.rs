//! The proxy door: `GET http://host/…` and `CONNECT host:port`, with a run's secret each time.
//!
//! Owns who asks and where to. Opens no tunnel to a host that no connection serves: that is asked
//! of the road, which refuses and records it.

use std::sync::{Arc, Mutex, PoisonError};

use ::http::{HeaderMap, Method, Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use marque_plane::Presented;
use marque_wire::host::Authority;
use marque_wire::http1::RequestGuard;
use marque_wire::proxy_auth::ProxyCredentials;
use marque_wire::target::RequestTarget;
use tokio::net::TcpStream;

use super::http::{close, serve as serve_http};
use super::switch::{self, Manner, Switch, can_switch};
use super::tunnel::{self, Tunnel, Way};
use super::{Own, Reply, endpoint, reply};
use crate::guarded::{Guarded, SharedGuard};
use crate::pipeline::{self, Exchange, Forwarded};
use crate::refuse::{Notice, Place, Stop, Style};
use crate::relay::Cut;
use crate::session::Session;

/// Serves one client of the proxy, from its first request to the end of its tunnel.
pub(crate) async fn serve(session: Arc<Session>, stream: TcpStream) {
    // Only latency is lost where the system refuses.
    let _prompt = stream.set_nodelay(true);
    let io = Guarded::new(stream, RequestGuard::new(), session.shared.settings.silence);
    let door = Arc::new(Proxy {
        session: Arc::clone(&session),
        guard: io.guard(),
        switch: Switch::new(io.guard()),
        tunnel: Mutex::new(None),
    });
    let answer = {
        let door = Arc::clone(&door);
        move |request| Arc::clone(&door).answer(request)
    };
    let Some(rest) = serve_http(io, &session, answer).await else { return };
    match door.opened_tunnel() {
        Some(tunnel) if rest.ahead.is_empty() => {
            Box::pin(tunnel::intercept(session, tunnel, rest.into_io())).await;
        }
        Some(_) => close(rest.into_io(), &session).await,
        None => Box::pin(door.switch.finish(&session, rest)).await,
    }
}

struct Proxy {
    session: Arc<Session>,
    guard: SharedGuard<RequestGuard>,
    switch: Switch,
    tunnel: Mutex<Option<Tunnel>>,
}

impl Proxy {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
        let manner = Manner::of(&request);
        if request.method() == Method::CONNECT {
            let style = Style::of(request.headers());
            return self
                .connect(&request)
                .await
                .or_else(|stop| reply(&self.session, Err(stop), style));
        }
        let forwarded = self.forward(request).await;
        switch::answer(&self.session, forwarded, manner, Some(&self.switch))
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Forwarded, Stop> {
        let (head, body) = request.into_parts();
        let target = RequestTarget::parse(&head.method, &head.uri.to_string());
        let (authority, path) = match target {
            Ok(RequestTarget::Absolute(authority, path)) => (authority, path),
            Ok(_) => return Err(not_for_a_proxy().into()),
            Err(bad) => return Err(bad_target(&bad.to_string()).into()),
        };
        let presented = presented(&head.headers)?;
        // Whose connection this is only decides what cuts it; the road judges the proof itself.
        if let Ok(live) = self.session.shared.plane.meet(&presented).await
            && !live.is_cancelled()
        {
            self.session.belong_to(&live)?;
        }
        let exchange = Exchange {
            presented,
            place: Place::Proxy,
            scheme: "http",
            endpoint: endpoint(&authority),
            over: None,
            method: head.method,
            path,
            headers: head.headers,
            body,
            can_switch: can_switch(head.version),
        };
        pipeline::forward(&self.session, exchange).await
    }

    async fn connect(&self, request: &Request<Incoming>) -> Result<Response<Reply>, Stop> {
        let opened = self.open_tunnel(request).await;
        // ORDER: the guard is told before the answer is written, for the client's next byte
        // belongs to another protocol.
        match opened {
            Ok(tunnel) => {
                self.guard.lock().tunnel_opened();
                *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
                Ok(Response::new(Either::Left(Own::empty())))
            }
            Err(stop) => {
                self.guard.lock().tunnel_refused();
                Err(stop)
            }
        }
    }

    async fn open_tunnel(&self, request: &Request<Incoming>) -> Result<Tunnel, Stop> {
        let authority = Authority::parse(&request.uri().to_string())
            .map_err(|bad| bad_target(&bad.to_string()))?;
        let presented = presented(request.headers())?;
        let endpoint = endpoint(&authority);
        let plane = &self.session.shared.plane;
        let is_served = pipeline::is_served(plane, &endpoint, "https");
        match plane.meet(&presented).await {
            Ok(live) if is_served && !live.is_cancelled() => {
                self.session.belong_to(&live)?;
                let way = Way { authority, place: Place::Tunnel, scheme: "https" };
                Ok(Tunnel { way, endpoint, presented, live })
            }
            // A stranger, a run that is over, or a host nobody registered: the road says which.
            _ => {
                let whose = (presented, Place::Proxy);
                let asked = ("https", &endpoint);
                Err(pipeline::refuse_opaque(&self.session, whose, asked).await.into())
            }
        }
    }

    fn opened_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn presented(headers: &HeaderMap) -> Result<Presented, Notice> {
    match ProxyCredentials::from_headers(headers) {
        Ok(Some(ProxyCredentials { user, password })) => {
            Ok(Presented::RunSecret { run: user, secret: password })
        }
        Ok(None) => Ok(Presented::Nothing),
        Err(bad) => Err(Notice::malformed(
            "credentials",
            bad.to_string(),
            "use the proxy variables that `marque run` sets, as they are",
        )),
    }
}

fn bad_target(message: &str) -> Notice {
    Notice::malformed("target", message, "send the path exactly as the upstream knows it")
}

fn not_for_a_proxy() -> Notice {
    Notice::malformed(
        "target",
        "this is a proxy, and the request names no host",
        "set `http_proxy` and `https_proxy` to this address instead of asking it directly",
    )
}
