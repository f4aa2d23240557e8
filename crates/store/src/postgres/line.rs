//! One live connection: statements prepared once, and several of them in one round trip.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::NoTls;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, Row, Statement};

use super::failure::Failed;
use super::socket::Socket;
use super::trust::Prove;
use super::values::{Cell, Parameter};
use crate::error::StoreError;
use crate::value::Value;

/// How long the server may be silent. It ends a statement itself after ten seconds, so this is only
/// for one that is gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

type Driver = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A statement and its parameters.
pub(super) struct Call {
    pub(super) sql: &'static str,
    pub(super) parameters: Vec<Parameter>,
}

/// What a statement answered.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) changed: u64,
}

// ORDER: of these the client goes first, so that no statement asks it for its own end, and the
// driver last, which then says goodbye.
pub(super) struct Line {
    client: Client,
    heard: Arc<Heard>,
    statements: HashMap<&'static str, Statement>,
    socket: Socket,
    driver: Ending,
}

/// What a connection that listens was told without asking.
#[derive(Default)]
struct Heard {
    /// Whose words do not count.
    ignored: OnceLock<String>,
    /// Somebody else spoke.
    others: AtomicBool,
    /// Anybody did.
    any: AtomicBool,
}

/// What moves bytes; `None` once the connection has ended.
struct Ending(Option<Driver>);

impl Drop for Ending {
    /// So that the server need not find out by itself; waits for nothing.
    fn drop(&mut self) {
        if let Some(mut driver) = self.0.take() {
            let _ = driver.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Line {
    /// Introduces us to the server at the other end.
    pub(super) fn open(
        socket: Socket,
        proof: Option<Prove>,
        config: &Config,
        patience: Duration,
    ) -> Result<Self, Failed> {
        let stream = socket.clone();
        let heard = Arc::new(Heard::default());
        let (client, driver): (_, Driver) = if let Some(proof) = proof {
            let mut opening = pin!(config.connect_raw(stream, proof));
            let opened = socket.drive(patience, |context| opening.as_mut().poll(context));
            let (client, connection) = opened??;
            (client, Box::pin(moving(connection, Arc::clone(&heard))) as _)
        } else {
            let mut opening = pin!(config.connect_raw(stream, NoTls));
            let opened = socket.drive(patience, |context| opening.as_mut().poll(context));
            let (client, connection) = opened??;
            (client, Box::pin(moving(connection, Arc::clone(&heard))) as _)
        };
        let driver = Ending(Some(driver));
        Ok(Self { client, heard, statements: HashMap::new(), socket, driver })
    }

    /// Whether it has ended. Learns of it only from a round trip.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.0.is_none() || self.client.is_closed()
    }

    /// Prepares statements that take no parameters, in one round trip.
    pub(super) fn learn(&mut self, statements: &[&'static str]) -> Result<(), Failed> {
        let call = |sql: &&'static str| Call { sql, parameters: Vec::new() };
        self.prepare(&statements.iter().map(call).collect::<Vec<_>>())
    }

    /// Runs statements that take no parameters, in one round trip.
    pub(super) fn script(&mut self, sql: &str, patience: Duration) -> Result<(), Failed> {
        let Self { client, driver, socket, .. } = self;
        Ok(run(socket, driver, patience, client.batch_execute(sql))??)
    }

    /// Sends all of `calls` and then waits for their answers, which are in the same order. After
    /// one that fails the server refuses those behind it, if they are in a transaction.
    pub(super) fn trip(&mut self, calls: &[Call]) -> Result<Vec<Result<Answer, Failed>>, Failed> {
        self.prepare(calls)?;
        let Self { client, driver, socket, statements, .. } = self;
        let asked = calls.iter().map(|call| {
            let statement = statements.get(call.sql).cloned();
            ask(client, statement.expect("invariant: just prepared"), &call.parameters)
        });
        let answers = run(socket, driver, PATIENCE, in_order(asked))?;
        Ok(answers.into_iter().map(|answer| answer.map_err(Failed::from)).collect())
    }

    /// The rows of one query.
    pub(super) fn ask(
        &mut self,
        sql: &'static str,
        parameters: &[Parameter],
    ) -> Result<Vec<Row>, Failed> {
        let answers = self.trip(&[Call { sql, parameters: parameters.to_vec() }])?;
        let answer = answers.into_iter().next();
        answer.expect("invariant: an answer for each call").map(|answer| answer.rows)
    }

    /// What the server of that name says is no news to [`Line::hear`]. Only the first name counts.
    pub(super) fn ignore_words_of(&mut self, replica: &str) {
        self.heard.ignored.get_or_init(|| replica.to_owned());
    }

    /// Waits until something is heard, or for `at_most`; whether somebody else spoke.
    pub(super) fn hear(&mut self, at_most: Duration) -> Result<bool, Failed> {
        let Self { driver, socket, heard, .. } = self;
        let attended = socket.attend(at_most, |context| {
            let Some(running) = driver.0.as_mut() else {
                return Poll::Ready(Err(Failed::Lost("it is closed".to_owned())));
            };
            let ended = running.as_mut().poll(context);
            if ended.is_ready() {
                driver.0 = None;
            }
            let (any, others) = (
                heard.any.swap(false, Ordering::AcqRel),
                heard.others.swap(false, Ordering::AcqRel),
            );
            match ended {
                _ if any => Poll::Ready(Ok(others)),
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => {
                    Poll::Ready(Err(Failed::Lost("the server closed it".to_owned())))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            }
        });
        attended?.unwrap_or(Ok(false))
    }

    /// Prepares what was not yet. A parameter's type is that of its first value.
    fn prepare(&mut self, calls: &[Call]) -> Result<(), Failed> {
        let mut unknown: HashMap<&'static str, &Call> = HashMap::new();
        for call in calls.iter().filter(|call| !self.statements.contains_key(call.sql)) {
            unknown.entry(call.sql).or_insert(call);
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let Self { client, driver, socket, statements, .. } = self;
        let client = &*client;
        let prepared = unknown.into_values().map(|call| async move {
            let kinds: Vec<_> = call.parameters.iter().map(Parameter::kind).collect();
            client.prepare_typed(call.sql, &kinds).await.map(|statement| (call.sql, statement))
        });
        for prepared in run(socket, driver, PATIENCE, in_order(prepared))? {
            let (sql, statement) = prepared?;
            statements.insert(sql, statement);
        }
        Ok(())
    }
}

/// Moves bytes until the connection ends, and takes note of what is told meanwhile.
async fn moving<T>(mut connection: Connection<Socket, T>, heard: Arc<Heard>) -> Result<(), Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(word) = message? {
            heard.note(word.payload());
        }
    }
    Ok(())
}

impl Heard {
    fn note(&self, speaker: &str) {
        if self.ignored.get().is_none_or(|ignored| ignored != speaker) {
            self.others.store(true, Ordering::Release);
        }
        self.any.store(true, Ordering::Release);
    }
}

async fn ask(
    client: &Client,
    statement: Statement,
    parameters: &[Parameter],
) -> Result<Answer, Error> {
    let mut stream = pin!(client.query_raw(&statement, parameters).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        rows.push(row);
    }
    Ok(Answer { rows, changed: stream.rows_affected().unwrap_or(0) })
}

/// Starts every future before it waits for the first: what each sends is sent in their order.
async fn in_order<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::with_capacity(futures.len());
    let mut early: Vec<Option<F::Output>> = Vec::with_capacity(futures.len());
    poll_fn(|context| {
        for future in futures.iter_mut().skip(early.len()) {
            early.push(match future.as_mut().poll(context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            });
        }
        // The server answers in order, so the first that is not done is the one to ask.
        while let (Some(future), Some(early)) =
            (futures.get_mut(done.len()), early.get_mut(done.len()))
        {
            match early.take().map_or_else(|| future.as_mut().poll(context), Poll::Ready) {
                Poll::Ready(output) => done.push(output),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(std::mem::take(&mut done))
    })
    .await
}

/// Drives `work` and the connection it needs, until `work` is done.
fn run<T>(
    socket: &Socket,
    driver: &mut Ending,
    patience: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Failed> {
    let mut work = pin!(work);
    let ran = socket.drive(patience, |context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        let Some(running) = driver.0.as_mut() else {
            return Poll::Ready(Err(Failed::Lost("it is closed".to_owned())));
        };
        let Poll::Ready(ended) = running.as_mut().poll(context) else { return Poll::Pending };
        driver.0 = None;
        // What it still answered before it ended is there; whoever waits for more is told so.
        match (work.as_mut().poll(context), ended) {
            (Poll::Ready(done), _) => Poll::Ready(Ok(done)),
            (Poll::Pending, Err(error)) => Poll::Ready(Err(error.into())),
            (Poll::Pending, Ok(())) => {
                Poll::Ready(Err(Failed::Lost("the server closed it".to_owned())))
            }
        }
    });
    match ran {
        Ok(answer) => answer,
        Err(error) => {
            driver.0 = None;
            Err(error.into())
        }
    }
}

/// The cells of a row as ours.
pub(super) fn cells(row: &Row) -> Result<Vec<Value<'_>>, StoreError> {
    let cell = |at| row.try_get::<_, Cell<'_>>(at).map(|Cell(value)| value);
    let cells = (0..row.len()).map(cell).collect::<Result<_, _>>();
    cells.map_err(|_| StoreError::Corrupt("a cell is of a type we never store".to_owned()))
}
