//! Promises of the whole module; each file below holds those of one part.

mod answers;
mod fetches;
mod json;
mod lfs;
mod objects;
mod packs;
mod pkts;
mod pushes;
mod repos;
mod routes;

use proptest::prelude::*;

use super::pkt::PktWriter;

/// Lines, and `None` where a flush goes, as packets.
fn packets<'a>(lines: impl IntoIterator<Item = Option<&'a [u8]>>) -> Vec<u8> {
    let mut pkts = PktWriter::new();
    for line in lines {
        match line {
            Some(line) => pkts.line(line).unwrap(),
            None => pkts.flush(),
        }
    }
    pkts.into_bytes()
}

/// Text lines in packets; an empty one is a flush, `|` a delimiter.
fn text_packets(lines: &[&str]) -> Vec<u8> {
    let mut pkts = PktWriter::new();
    for line in lines {
        match *line {
            "" => pkts.flush(),
            "|" => pkts.delim(),
            line => pkts.line(line.as_bytes()).unwrap(),
        }
    }
    pkts.into_bytes()
}

/// Sizes of the slices in which a stream comes.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..40usize, 1..8)
}

/// Calls `feed` with slices of these sizes, over and over.
fn in_slices<E>(
    stream: &[u8],
    sizes: &[usize],
    mut feed: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = stream;
    sizes.iter().cycle().take(stream.len()).try_for_each(|&size| {
        let (slice, tail) = rest.split_at(size.min(rest.len()));
        rest = tail;
        feed(slice)
    })
}
