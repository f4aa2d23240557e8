//! Walks through a directory that a run may have filled: bounded, nearest first, no link followed.

use std::collections::VecDeque;
use std::fs::{DirEntry, FileType};
use std::path::{Path, PathBuf};

/// Most entries that are looked at, and how deep.
const ENTRIES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 16;

/// Looks at everything below `top`. `look` says whether to go on into a directory, and with what it
/// gets for each entry there. Returns whether everything was looked at.
///
/// What is near comes first, so that nothing can be hidden behind a mass of what is deep.
pub(super) fn walk<T: Copy>(
    top: &Path,
    with: T,
    mut look: impl FnMut(&DirEntry, FileType, T) -> Option<T>,
) -> bool {
    let mut left = ENTRIES_MAX;
    let mut is_whole = true;
    let mut directories: VecDeque<(PathBuf, T, usize)> = [(top.to_owned(), with, DEPTH_MAX)].into();
    while let Some((directory, with, depth)) = directories.pop_front() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Some(fewer) = left.checked_sub(1) else { return false };
            left = fewer;
            let Ok(kind) = entry.file_type() else { continue };
            let deeper = look(&entry, kind, with).filter(|_| kind.is_dir());
            match (deeper, depth.checked_sub(1)) {
                (Some(with), Some(depth)) => directories.push_back((entry.path(), with, depth)),
                (Some(_), None) => is_whole = false,
                (None, _) => {}
            }
        }
    }
    is_whole
}
