//! The run's own socket: what a captured run may ask of the plane, proven by the door it came in
//! through.
//!
//! The routes of runs without those of its launcher, as that run and no other. No secret is wanted
//! here, and nothing that is presented besides makes anybody more.

use std::sync::Arc;

use http::{HeaderMap, header};
use marque_domain::{Id, Run};
use marque_plane::{DoorProof, Peer, Plane, Presented};
use tokio::net::UnixListener;

use crate::places::Side;
use crate::problem::Problem;
use crate::routes::is_for_launchers;
use crate::server::{Api, Origin};

/// That a request came in through a run's own socket.
#[derive(Clone)]
pub(crate) struct Through(Arc<DoorProof>);

impl Through {
    /// The run whose socket it is.
    fn run(&self) -> Id<Run> {
        self.0.live().run
    }

    /// Resolves once the run is cut.
    pub(crate) async fn cut(&self) {
        self.0.live().cancelled().await;
    }

    /// What it proves.
    pub(crate) fn presented(&self) -> Presented {
        Presented::Door(self.0.duplicate())
    }

    /// On which side whoever asks is: inside that run. A process of a run below it is not: that run
    /// has doors of its own, and through this one it would be more than it is.
    pub(crate) fn side(&self, plane: &Plane, peer: &Peer) -> Result<Side, Problem> {
        if peer.process().is_none() {
            return Err(Problem::unknown_process());
        }
        if !plane.speaks_through(peer, &self.0) {
            return Err(Problem::inside_a_run());
        }
        Ok(Side::Inside(self.run()))
    }

    /// What of the routes for runs is not for this socket.
    pub(crate) fn admit(route: &str, headers: &HeaderMap) -> Result<(), Problem> {
        if headers.contains_key(header::AUTHORIZATION) {
            return Err(Problem::presented_at_a_door());
        }
        if is_for_launchers(route) { Err(Problem::for_launchers()) } else { Ok(()) }
    }
}

impl Api {
    /// Serves a run's own socket until the run is cut.
    pub(crate) fn serve_run(&self, listener: UnixListener, proof: DoorProof) {
        let api = self.clone();
        let router = api.router();
        self.shared.tasks.spawn(async move {
            let proof = Arc::new(proof);
            let next = || api.next(|| listener.accept());
            while let Some(stream) = tokio::select! {
                () = proof.live().cancelled() => None,
                next = next() => next,
            } {
                let through = Through(Arc::clone(&proof));
                if let Some((peer, place)) = api.receive(&stream, through.run()) {
                    let origin = Origin { peer: Arc::new(peer), through: Some(through) };
                    api.connection(stream, router.clone(), Some(origin), place);
                }
            }
        });
    }
}
