//! Where the HTTP library's own tasks go: to the tracker that the gateway waits for.

use hyper::rt::Executor;
use tokio_util::task::TaskTracker;

/// Runs tasks under a tracker.
#[derive(Clone)]
pub(crate) struct Tracked(TaskTracker);

impl Tracked {
    /// Under that one.
    pub(crate) fn new(tasks: &TaskTracker) -> Self {
        Self(tasks.clone())
    }
}

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
