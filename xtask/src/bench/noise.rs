//! Commits that do not compress: the same bytes in every run, as git-fast-import(1) reads them.

use std::io::{self, BufWriter, Write};

/// Bytes of one file.
const FILE_BYTES: usize = 1024 * 1024;

/// A stream that looks random and is not (xorshift64*).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let next = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
            for (byte, new) in piece.iter_mut().zip(next) {
                *byte = new;
            }
        }
    }
}

/// A commit on top of `main`, of so many files of 1 MiB in a folder of that name.
pub(super) struct Commit {
    pub(super) folder: &'static str,
    pub(super) files: usize,
    pub(super) seed: u64,
}

impl Commit {
    /// Writes it for `git fast-import`.
    pub(super) fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        let message = self.folder;
        write!(
            out,
            "commit refs/heads/main\ncommitter Bench <bench@bench.test> 1750000001 +0000\n\
             data {}\n{message}\nfrom refs/heads/main^0\n",
            message.len()
        )?;
        let (mut noise, mut file) = (Noise(self.seed), vec![0; FILE_BYTES]);
        for number in 0..self.files {
            noise.fill(&mut file);
            write!(out, "M 100644 inline {message}/{number}.bin\ndata {FILE_BYTES}\n")?;
            out.write_all(&file)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::Commit;

    #[test]
    fn the_same_seed_gives_the_same_commit_and_another_gives_another() {
        let written = |seed| {
            let mut out = Vec::new();
            Commit { folder: "a", files: 2, seed }.write(&mut out).unwrap();
            out
        };
        assert_eq!(written(1), written(1));
        assert_ne!(written(1), written(2));
        assert!(written(1).len() > 2 * 1024 * 1024);
    }
}
