//! Commands: closures that wait for their turn, and for an answer.

use marque_domain::Class;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::step::Step;

/// What must have happened before a command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Committed: it survives the death of Marque, and is on disk within 100 ms.
    Read,
    /// On disk.
    Disk,
}

impl Durability {
    /// What an operation of that class owes.
    pub(crate) fn of(class: Class) -> Self {
        if class.needs_disk() { Self::Disk } else { Self::Read }
    }
}

/// The command is not kept; what it did is to be rolled back.
pub(super) struct Undo;

/// One queued change.
pub(super) trait Command: Send {
    /// Runs in its turn of a transaction; may be called again if that has to be repeated.
    fn run(&mut self, step: &mut Step<'_, '_>) -> Result<(), Undo>;
    /// What its answer waits for.
    fn durability(&self) -> Durability;
    /// Sends the answer.
    fn answer(self: Box<Self>);
    /// Sends the failure of the whole batch instead.
    fn fail(self: Box<Self>, failure: Failure);
}

/// The command made of a closure.
pub(super) struct Work<R, E, F> {
    durability: Durability,
    body: F,
    result: Option<Result<R, E>>,
    sender: oneshot::Sender<Result<R, E>>,
}

impl<R, E, F> Work<R, E, F> {
    pub(super) fn new(durability: Durability, body: F) -> (Self, oneshot::Receiver<Result<R, E>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { durability, body, result: None, sender }, receiver)
    }
}

impl<R, E, F> Command for Work<R, E, F>
where
    R: Send,
    E: From<Failure> + Send,
    F: FnMut(&mut Step<'_, '_>) -> Result<R, E> + Send,
{
    fn run(&mut self, step: &mut Step<'_, '_>) -> Result<(), Undo> {
        let result = (self.body)(step);
        let kept = result.is_ok();
        self.result = Some(result);
        if kept { Ok(()) } else { Err(Undo) }
    }

    fn durability(&self) -> Durability {
        // What was undone left nothing to make durable.
        match self.result {
            Some(Err(_)) => Durability::Read,
            _ => self.durability,
        }
    }

    fn answer(self: Box<Self>) {
        let Self { result, sender, .. } = *self;
        // Whoever asked may have gone; what was committed stands all the same.
        drop(sender.send(result.unwrap_or_else(|| Err(Failure::Stopped.into()))));
    }

    fn fail(self: Box<Self>, failure: Failure) {
        let Self { result, sender, .. } = *self;
        let undone = result.filter(Result::is_err);
        drop(sender.send(undone.unwrap_or_else(|| Err(failure.into()))));
    }
}

/// A command that nobody waits for, with what is done where it fails.
pub(super) struct Left<F, O> {
    body: F,
    otherwise: O,
    failure: Option<Failure>,
}

impl<F, O> Left<F, O> {
    pub(super) fn new(body: F, otherwise: O) -> Self {
        Self { body, otherwise, failure: None }
    }
}

impl<F, O> Command for Left<F, O>
where
    F: FnMut(&mut Step<'_, '_>) -> Result<(), Failure> + Send,
    O: FnOnce(Failure) + Send,
{
    fn run(&mut self, step: &mut Step<'_, '_>) -> Result<(), Undo> {
        self.failure = (self.body)(step).err();
        if self.failure.is_none() { Ok(()) } else { Err(Undo) }
    }

    fn durability(&self) -> Durability {
        Durability::Read
    }

    fn answer(self: Box<Self>) {
        let Self { otherwise, failure, .. } = *self;
        if let Some(failure) = failure {
            otherwise(failure);
        }
    }

    fn fail(self: Box<Self>, failure: Failure) {
        let Self { otherwise, failure: own, .. } = *self;
        otherwise(own.unwrap_or(failure));
    }
}
