//! The same bytes in other slices: whoever reads a stream must not care how it is cut.

/// Longest piece.
const PIECE_MAX_BYTES: u32 = 97;

/// `bytes` in pieces of sizes that `seed` says; 0 is byte by byte.
pub(crate) fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let mut state = u32::from(seed);
    while !rest.is_empty() {
        // A linear congruential generator: cheap, and the same everywhere.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = if seed == 0 { 1 } else { 1 + (state >> 16) % PIECE_MAX_BYTES } as usize;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_make_up_what_was_cut() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        for seed in 0..=255 {
            let cut = pieces(&bytes, seed);
            assert!(cut.len() > 1 && cut.iter().all(|piece| !piece.is_empty()));
            assert_eq!(cut.concat(), bytes);
        }
        assert_eq!(pieces(&bytes, 0).len(), bytes.len());
    }
}
