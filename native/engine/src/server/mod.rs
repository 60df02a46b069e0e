//! The engine's side of the protocol: JSON-RPC 2.0 over stdio.

mod comparisons;
mod methods;
mod pending;
mod progress;
mod schedule;
mod structure;

use std::sync::Arc;
use std::time::Duration;

use lsp_server::{Connection, Message, Notification, Request, Response, ResponseError};

use crate::context::CancelToken;
use crate::error::{Code, Error};
use crate::protocol::{CancelParams, ENGINE_VERSION, InitializeParams, InitializeResult, PROTOCOL_VERSION};
use pending::Pending;
use progress::Sender;
use schedule::Scheduler;

/// How long answers under way may take to be written once the input has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// Serves requests from standard input until it ends or `exit` arrives. Answers the process's exit code: 0 after an
/// orderly end, 2 when the input was not the protocol.
pub fn serve(threads: usize) -> i32 {
    let (connection, io) = Connection::stdio();
    let exit = serve_connection(&connection, threads);
    drop(connection);
    if exit {
        return 0;
    }
    // The threads behind the connection end with the last job; a job that waits for a disk must not keep the process.
    let (ended, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(io.join()));
    match wait.recv_timeout(PATIENCE) {
        Ok(Err(error)) => {
            eprintln!("weight-loupe-engine: standard input is not the engine's protocol: {error}");
            2
        }
        Ok(Ok(())) | Err(_) => 0,
    }
}

/// Answers whether `exit` ended it, rather than the end of the input.
fn serve_connection(connection: &Connection, threads: usize) -> bool {
    let pending = Arc::new(Pending::default());
    let scheduler = Scheduler::new(threads);
    let sender = Sender::new(connection.sender.clone());
    for message in &connection.receiver {
        match message {
            Message::Request(request) => accept(request, &pending, &scheduler, &sender),
            Message::Notification(note) if note.method == "exit" => {
                pending.cancel_all();
                return true;
            }
            Message::Notification(note) => notice(note, &pending, &sender),
            Message::Response(_) => {}
        }
    }
    pending.cancel_all();
    false
}

fn notice(note: Notification, pending: &Pending, sender: &Sender) {
    if note.method != "$/cancelRequest" {
        return;
    }
    let Ok(CancelParams { id }) = serde_json::from_value(note.params) else { return };
    if pending.cancel(&id) {
        sender.send(failure(id, &Error::cancelled()));
    }
}

fn accept(request: Request, pending: &Arc<Pending>, scheduler: &Scheduler, sender: &Sender) {
    let Request { id, method, params } = request;
    let answer = match method.as_str() {
        "initialize" => parse(params).and_then(|params| initialize(&params, scheduler)),
        "shutdown" => {
            pending.cancel_all();
            Ok(serde_json::Value::Null)
        }
        _ => match methods::job(&method, params) {
            Ok(job) => {
                let cancel = CancelToken::default();
                if !pending.register(id.clone(), cancel.clone()) {
                    return sender
                        .send(failure(id, &Error::invalid("A request with this id is still being worked on.")));
                }
                let (pending, sender) = (Arc::clone(pending), sender.clone());
                return scheduler.submit(job.lane, move |threads| {
                    let outcome = methods::run(job, &cancel, threads, &sender);
                    // A cancelled request has been answered; its result is dropped.
                    if pending.complete(&id) {
                        sender.send(response(id, outcome));
                    }
                });
            }
            Err(error) => Err(error),
        },
    };
    sender.send(response(id, answer));
}

fn parse<T: serde::de::DeserializeOwned>(params: serde_json::Value) -> Result<T, Error> {
    serde_json::from_value(params).map_err(|error| Error::invalid(format!("Invalid parameters: {error}.")))
}

fn initialize(params: &InitializeParams, scheduler: &Scheduler) -> Result<serde_json::Value, Error> {
    if params.protocol != PROTOCOL_VERSION {
        return Err(Error::invalid(format!(
            "{} speaks protocol {}, but weight-loupe-engine {ENGINE_VERSION} speaks protocol {PROTOCOL_VERSION}: install \
             matching versions.",
            params.client, params.protocol
        )));
    }
    let result = InitializeResult {
        version: ENGINE_VERSION.into(),
        protocol: PROTOCOL_VERSION,
        cpu: crate::cpu::describe(scheduler.threads()),
        gpu: Vec::new(),
    };
    Ok(serde_json::to_value(result).expect("plain data"))
}

fn response(id: lsp_server::RequestId, outcome: Result<serde_json::Value, Error>) -> Message {
    match outcome {
        Ok(result) => Response::new_ok(id, result).into(),
        Err(error) => failure(id, &error),
    }
}

fn failure(id: lsp_server::RequestId, error: &Error) -> Message {
    let mut data = serde_json::Map::new();
    if let Some(file) = &error.file {
        data.insert("file".into(), file.as_str().into());
    }
    if let Some(offset) = error.offset {
        data.insert("offset".into(), offset.into());
    }
    let data = (!data.is_empty()).then_some(serde_json::Value::Object(data));
    let error = ResponseError { code: error.code as i32, message: error.message.clone(), data };
    Response { id, response_result: Err(error) }.into()
}

/// The answer to a method that does not exist.
fn unknown_method(method: &str) -> Error {
    Error::new(Code::MethodNotFound, format!("The engine has no method {method:?}."))
}
