//! Differences between objects: copy from the base, or insert.

use super::entry::number;

/// What `delta` makes of `base`; `None` where it does not fit it, or would be longer than `most`.
pub(super) fn apply(base: &[u8], delta: &[u8], most: usize) -> Option<Vec<u8>> {
    let (from, rest) = number(delta).ok()??;
    let (to, mut rest) = number(rest).ok()??;
    let to = usize::try_from(to).ok().filter(|to| *to <= most)?;
    if from != base.len() as u64 {
        return None;
    }
    let mut out = Vec::with_capacity(to);
    while let Some((&code, after)) = rest.split_first() {
        rest = after;
        let piece = if code & 0x80 == 0 {
            let (inserted, after) = rest.split_at_checked(usize::from(code))?;
            rest = after;
            // A zero is kept for later versions.
            Some(inserted).filter(|inserted| !inserted.is_empty())?
        } else {
            let at = scattered(code, 4, &mut rest)?;
            let size = match scattered(code >> 4, 3, &mut rest)? {
                0 => 0x1_0000,
                size => size,
            };
            base.get(at..at.checked_add(size)?)?
        };
        if piece.len() > to.saturating_sub(out.len()) {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == to).then_some(out)
}

// A number of which only the bytes are there whose bits are set.
fn scattered(bits: u8, count: usize, rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for place in 0..count {
        if bits & (1 << place) != 0 {
            let (byte, after) = rest.split_first()?;
            value |= usize::from(*byte) << (8 * place);
            *rest = after;
        }
    }
    Some(value)
}
