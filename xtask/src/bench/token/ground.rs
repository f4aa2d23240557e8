//! What nobody can do without: signatures, and the disk. Measured beside the servers, in each
//! round.

use std::fs::File;
use std::io::Write as _;

use super::flow::Flow;
use super::prepare::Keys;
use crate::bench::clock::timed;
use crate::bench::figures::permille;
use crate::bench::places::Places;

/// Bytes that a write waits for: a page of a database and its head.
const PAGE: [u8; 4120] = [7; 4120];
/// Writes of one round.
const WRITES: usize = 200;

/// The figures of one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    /// Microseconds of a signature that is made, and of one that is checked, ES256.
    pub(super) sign: f64,
    pub(super) verify: f64,
    /// Milliseconds until a page is on the disk: the middle, and what one in a hundred exceeds.
    pub(super) sync: f64,
    pub(super) sync_p99: f64,
}

impl Ground {
    pub(super) fn measure(places: &Places, keys: &Keys) -> anyhow::Result<Self> {
        let mut file = File::create(places.at("tmp/synced"))?;
        let mut millis = Vec::new();
        for _ in 0..WRITES {
            let (written, seconds) =
                timed(|| file.write_all(&PAGE).and_then(|()| file.sync_data()));
            written?;
            millis.push(seconds * 1e3);
        }
        Ok(Self {
            sign: keys.client.micros()?,
            verify: keys.client.verify_micros()?,
            sync: permille(&mut millis, 500),
            sync_p99: permille(&mut millis, 990),
        })
    }

    /// Microseconds of the signatures that a request of that flow must make and check.
    pub(super) fn floor(&self, flow: Flow) -> f64 {
        let (made, checked) = flow.signatures();
        f64::from(made) * self.sign + f64::from(checked) * self.verify
    }
}
