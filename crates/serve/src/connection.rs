//! One connection: HTTP/1.1, and the watch that closes it when it is idle.

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use crate::accept::Limits;
use crate::app::App;
use crate::bounds::HEAD_BYTES_MAX;

/// Marks a long-lived response: its connection is not idle while something is alive.
#[derive(Clone)]
pub struct LongLived(Weak<dyn Any + Send + Sync>);

impl LongLived {
    /// A response whose body holds this.
    pub fn with<T: Any + Send + Sync>(held: &Arc<T>) -> Self {
        let held: Weak<T> = Arc::downgrade(held);
        Self(held)
    }
}

/// The activity of a connection.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    answered: AtomicU64,
    /// Set at most once: a stream ends with its connection or the process.
    stream: OnceLock<LongLived>,
    /// A response has taken so long that the client may have given up.
    overdue: AtomicBool,
}

impl Activity {
    /// Whether a long-lived response is being sent.
    fn is_streaming(&self) -> bool {
        self.stream.get().is_some_and(|stream| stream.0.strong_count() > 0)
    }

    /// Whether a half-closed connection counts as closed.
    fn may_be_abandoned(&self) -> bool {
        self.is_streaming() || self.overdue.load(Ordering::Relaxed)
    }
}

/// Serves a connection until it ends.
pub(crate) fn serve(
    stream: TcpStream,
    app: Arc<App>,
    limits: &Limits,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    if let Err(error) = prepare(&stream, limits.unacked) {
        debug!(%error, "cannot set socket options");
    }
    let (activity, silence) = (Arc::new(Activity::default()), limits.silence);
    let watched = Arc::clone(&activity);
    let socket = Socket { stream, read_ahead: Vec::new(), activity: Arc::clone(&activity) };
    let service = service_fn(move |request| {
        let (app, activity) = (Arc::clone(&app), Arc::clone(&activity));
        async move {
            activity.begun.fetch_add(1, Ordering::Relaxed);
            let response = app.answer(request).await;
            // A response to HEAD is marked too, but has no body.
            if let Some(stream) = response.extensions().get::<LongLived>()
                && !response.body().is_end_stream()
            {
                let _ = activity.stream.set(stream.clone());
            }
            activity.answered.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    // Both are needed: a buffer that has grown may read ahead more than `max_buf_size`.
    builder.max_buf_size(HEAD_BYTES_MAX).max_header_size(HEAD_BYTES_MAX).half_close(true);
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(socket), service));
    async move {
        tokio::select! {
            biased; // the socket checks at once after the watch has found a response overdue
            () = watch(&watched, silence) => debug!("idle connection closed"),
            ended = connection => if let Err(error) = ended {
                debug!(%error, "connection ended");
            },
        }
    }
}

fn prepare(stream: &TcpStream, unacked: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Linux only. Elsewhere the system's own timeout applies, usually some minutes.
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(unacked))?;
    Ok(())
}

/// Returns when no request came during `silence`, or half as long again, unless a response is being made or a stream
/// is being sent. There is one timer per connection, not per request.
async fn watch(activity: &Activity, silence: Duration) {
    let (mut seen, mut quiet) = (0, 0);
    while quiet < 2 {
        tokio::time::sleep(silence / 2).await;
        let begun = activity.begun.load(Ordering::Relaxed);
        let is_answered = begun == activity.answered.load(Ordering::Relaxed);
        quiet = if begun == seen && !activity.is_streaming() { quiet + 1 } else { 0 };
        seen = begun;
        activity.overdue.store(!is_answered && quiet >= 2, Ordering::Relaxed);
        if !is_answered {
            quiet = quiet.min(1);
        }
    }
}

/// The socket of a connection. HTTP allows half-closed connections, so hyper notices a vanished client only when it
/// sends. While a stream is being sent or a response is overdue, this socket polls for that itself.
struct Socket {
    stream: TcpStream,
    /// Data behind the request, read while polling for the end. At most [`HEAD_BYTES_MAX`].
    read_ahead: Vec<u8>,
    activity: Arc<Activity>,
}

impl Socket {
    /// Fails if the client has closed its side; else has the task woken when that may have changed.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [0; 512];
        while self.read_ahead.len() < HEAD_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer)? {
                Poll::Pending => return Ok(()),
                Poll::Ready(()) if buffer.filled().is_empty() => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Poll::Ready(()) => self.read_ahead.extend_from_slice(buffer.filled()),
            }
        }
        // With more data the end of a stream's client could not be seen.
        if self.activity.is_streaming() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_ahead.is_empty() {
            let bytes = self.read_ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.read_ahead[..bytes]);
            self.read_ahead.drain(..bytes);
            if self.read_ahead.is_empty() {
                self.read_ahead = Vec::new(); // so that its memory is free
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        all: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.may_be_abandoned() {
            self.poll_gone(cx)?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
