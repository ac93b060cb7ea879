//! The task of a source, which ends with the last who holds this.

use tokio::task::AbortHandle;

#[derive(Debug)]
pub(crate) struct Running(AbortHandle);

impl Running {
    pub(crate) fn new(task: AbortHandle) -> Self {
        Self(task)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}
