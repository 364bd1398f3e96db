//! Accepts connections, finds the route of each request, and drains at the end.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender},
    },
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    answer::{self, AnswerBody},
    config::Accounting,
    describe,
    detach::Detached,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::{Core, Shared},
    lifecycle,
    request::show_key,
    routes::{self, Endpoint, Route, Unmatched},
    tasks,
    unstalled::Unstalled,
};

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 128;

/// A connection on its way to a worker.
pub(crate) struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    /// Its place among `connections_max`.
    permit: OwnedSemaphorePermit,
}

/// Accepts connections until `stop`, and gives them to the workers in turn.
pub(crate) async fn accept(
    core: Arc<Core>,
    listener: TcpListener,
    workers: Vec<UnboundedSender<Accepted>>,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(core.config.settings.connections_max));
    for worker in workers.iter().cycle() {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = next(&listener, &room) => accepted,
        };
        match accepted {
            Ok(accepted) => {
                // A worker that is gone has panicked; its share of the connections is refused.
                let _given = worker.send(accepted);
            }
            // Out of file descriptors, mostly: waiting is all there is to do.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The next connection, once there is room for it.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> std::io::Result<Accepted> {
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok(Accepted {
        stream: stream.into_std()?,
        peer,
        permit,
    })
}

/// Serves what is accepted until there is no more, then lets open connections end within
/// `drain_timeout`.
pub(crate) async fn work(shared: Arc<Shared>, mut accepted: UnboundedReceiver<Accepted>) {
    let by_writer = Arc::clone(&shared);
    let writer = async move { by_writer.turn.run(&by_writer).await };
    tasks::spawn_on(&TaskTracker::new(), writer);
    while let Some(accepted) = accepted.recv().await {
        if let Err(error) = connection(&shared, accepted) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot serve a connection"
            );
        }
    }
    let deadline = Instant::now() + shared.config.settings.drain_timeout;
    shared.tasks.stop(deadline).await;
    // What is dropped from here on ends because the gateway does.
    shared.stopping.store(true, Ordering::Relaxed);
    shared.turn.end(&shared);
}

fn connection(shared: &Arc<Shared>, accepted: Accepted) -> std::io::Result<()> {
    let Accepted {
        stream,
        peer,
        permit,
    } = accepted;
    let stream = TcpStream::from_std(stream)?;
    let stall_max = shared.config.settings.write_timeout;
    // Without it small answers wait for the client's acknowledgement; it is no reason to refuse.
    let _set = stream.set_nodelay(true);
    let permit = Arc::new(permit);
    let service = {
        let (shared, place) = (Arc::clone(shared), Arc::clone(&permit));
        service_fn(move |mut request: Request<Incoming>| {
            let shared = Arc::clone(&shared);
            // A WebSocket outlives the connection it came by.
            if request.headers().contains_key(header::UPGRADE) {
                request.extensions_mut().insert(Arc::clone(&place));
            }
            async move { Ok::<_, Infallible>(route(shared, request, peer).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.settings.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Unstalled::new(stream, stall_max)), service)
        .with_upgrades();
    let shared_by_task = Arc::clone(shared);
    shared.metrics.connections.inc();
    shared.tasks.spawn(async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shared_by_task.tasks.stopping() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        // A client that breaks off or speaks no HTTP is no event of ours.
        if let Err(error) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "connection ended");
        }
        shared_by_task.metrics.connections.dec();
        drop(permit);
    });
    Ok(())
}

async fn route(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<AnswerBody> {
    let matched = match routes::find(request.uri().path(), request.method()) {
        Ok(matched) => matched,
        Err(unmatched) => return unknown(unmatched, request.uri().path()),
    };
    let endpoint = matched.route.endpoint;
    match endpoint {
        Endpoint::Alive => return answer::json("\"I'm alive!\""),
        Endpoint::Ready => return ready(&shared),
        Endpoint::Call(_) | Endpoint::Passed(..) => {}
        told => return describe::answer(&shared, told, matched, request).await,
    }
    let (operation, place) = matched.place(request.method());
    let (mut head, body) = request.into_parts();
    show_key(&mut head, operation);
    let now = (shared.clock)();
    let draft = Draft::new(
        &head,
        (matched.route.pattern, operation),
        Some(peer.ip()),
        now,
    );
    let by_call = Arc::clone(&shared);
    Detached::new(shared, |client| {
        let draft = Box::new(Draft {
            presence: client,
            ..draft
        });
        lifecycle::serve(by_call, (head, place), body, draft)
    })
    .await
}

/// There is no such route.
fn unknown(unmatched: Unmatched, path: &str) -> Response<AnswerBody> {
    let route = match unmatched {
        Unmatched::Method(route) => route,
        Unmatched::Path => {
            // The forms without `/v1` go without saying.
            let shown = |route: &&Route| route.pattern.starts_with("/v1/");
            let known: Vec<&str> = routes::all()
                .filter(shown)
                .map(|route| route.pattern)
                .collect();
            let path: String = path.chars().take(100).collect();
            let message = format!("no route `{path}` here; there are {}", known.join(", "));
            return answer::error(&ApiError::new(ErrorClass::NotFound, message));
        }
    };
    let methods = routes::methods(route.pattern).join(", ");
    let message = format!("`{}` takes {methods} and nothing else", route.pattern);
    let mut response = answer::error(&ApiError::new(ErrorClass::MethodNotAllowed, message));
    answer::set(response.headers_mut(), header::ALLOW, &methods);
    response
}

/// Ready as long as calls can be written down, or need not be.
fn ready(shared: &Shared) -> Response<AnswerBody> {
    let required = shared.config.settings.accounting == Accounting::Required;
    if required && shared.journal_refuses() {
        let reason = "{\"status\":\"unhealthy\",\"reason\":\"the journal takes no records\"}";
        let mut response = answer::json(reason);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    }
    answer::json("{\"status\":\"healthy\"}")
}
