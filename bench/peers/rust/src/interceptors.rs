//! What the interceptors of every arm do: the server asks for a token, both sides count the statuses. A tonic interceptor sees requests only,
//! so the statuses, which come in trailers, are counted by a tower service around it, as tonic's users do for metrics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use tonic::codegen::{Service, http};
use tonic::{Request, Status};

thread_local! {
    static STATUSES: RefCell<HashMap<i32, u64>> = RefCell::new(HashMap::new());
}

/// The interceptor of the server.
pub fn authorize(request: Request<()>) -> Result<Request<()>, Status> {
    let value = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if token.len() == 48 && token.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(request);
    }
    Err(Status::unauthenticated("a token is missing"))
}

fn count_status(headers: &http::HeaderMap) {
    if let Some(status) = Status::from_header_map(headers) {
        STATUSES.with_borrow_mut(|statuses| *statuses.entry(status.code() as i32).or_default() += 1);
    }
}

/// Counts the statuses of the responses of `inner`, or only passes them on.
#[derive(Clone)]
pub struct Observed<S> {
    inner: S,
    counts: bool,
}

impl<S> Observed<S> {
    pub fn new(inner: S, counts: bool) -> Observed<S> {
        Observed { inner, counts }
    }
}

/// As a layer of a server.
#[derive(Clone)]
pub struct ObservedLayer;

impl<S> tower_layer::Layer<S> for ObservedLayer {
    type Service = Observed<S>;
    fn layer(&self, inner: S) -> Observed<S> {
        Observed::new(inner, true)
    }
}

impl<S, B, R> Service<http::Request<R>> for Observed<S>
where
    S: Service<http::Request<R>, Response = http::Response<B>>,
{
    type Response = http::Response<ObservedBody<B>>;
    type Error = S::Error;
    type Future = ObservedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<R>) -> Self::Future {
        ObservedFuture { inner: self.inner.call(request), counts: self.counts }
    }
}

pin_project_lite::pin_project! {
    pub struct ObservedFuture<F> {
        #[pin]
        inner: F,
        counts: bool,
    }
}

impl<F, B, E> Future for ObservedFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
{
    type Output = Result<http::Response<ObservedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(context))?;
        let counts = *this.counts;
        // Trailers-Only has its status here.
        if counts {
            count_status(response.headers());
        }
        Poll::Ready(Ok(response.map(|inner| ObservedBody { inner, counts })))
    }
}

pin_project_lite::pin_project! {
    pub struct ObservedBody<B> {
        #[pin]
        inner: B,
        counts: bool,
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if *this.counts
            && let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            count_status(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
