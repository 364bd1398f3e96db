//! Serves HTTP/1.1 on a loopback port, for the mock provider, the floor and the webhook receiver.

use std::{convert::Infallible, error::Error, future::Future, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};

/// A server; it stops, with all its connections, when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Server {
    /// Listens on `port` of 127.0.0.1 (0: any free one) and answers with `answer`.
    ///
    /// # Errors
    ///
    /// If the port is taken.
    pub async fn start<F, A, B>(port: u16, answer: F) -> io::Result<Self>
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(answer)));
        Ok(Self { address, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends.
    pub async fn forever(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn accept<F, A, B>(listener: TcpListener, answer: Arc<F>)
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
        };
        let Ok((stream, _peer)) = accepted else {
            continue;
        };
        drop(stream.set_nodelay(true));
        let answer = Arc::clone(&answer);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let mut http = http1::Builder::new();
            let connection = http
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            // A client that goes away, or a scripted cut, ends a connection; the test looks at the
            // other end of it.
            drop(connection.await);
        });
    }
}
