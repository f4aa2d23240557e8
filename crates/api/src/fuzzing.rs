//! A seam for fuzz targets: the message of a hand-over, over plain bytes.
//!
//! Owns no check and no parser. Compiled with the feature `fuzzing` only, which nothing that ships
//! asks for.

use crate::exchange::ProblemDocument;
use crate::hand_over::message;
use crate::problem::Problem;

/// How many doors a message hands over that came whole.
///
/// # Errors
/// What is told of one that cannot be read, as JSON.
pub fn doors_handed_over(bytes: &[u8]) -> Result<usize, String> {
    message::read(bytes).map(|message| message.doors.len()).map_err(told)
}

/// How long a message says it is; `None` until it does.
///
/// # Errors
/// What is told of one that is too long, as JSON.
pub fn length_of_hand_over(bytes: &[u8]) -> Result<Option<usize>, String> {
    message::expected(bytes).map_err(told)
}

fn told(problem: Problem) -> String {
    serde_json::to_string(&ProblemDocument::from(problem)).unwrap_or_default()
}
