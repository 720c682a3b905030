//! Serves bench.proto: the same trivial work as in every other language.

use std::pin::Pin;

use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::interceptors::{ObservedLayer, authorize};
use crate::pb::bench_server::{Bench, BenchServer};
use crate::pb::{DownloadRequest, Empty, Message, UploadSummary};
use crate::{Failure, MAX_MESSAGE_OCTETS, patterned_body};

struct Service;

type Messages = Pin<Box<dyn Stream<Item = Result<Message, Status>> + Send>>;

#[tonic::async_trait]
impl Bench for Service {
    type DownloadStream = Messages;
    type PingPongStream = Messages;

    async fn nothing(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn echo(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn download(&self, request: Request<DownloadRequest>) -> Result<Response<Messages>, Status> {
        let asked = request.into_inner();
        let body = patterned_body(asked.body_octets as usize);
        let messages = (0..asked.messages).map(move |sequence| Ok(Message { sequence, body: body.clone() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }

    async fn upload(&self, request: Request<Streaming<Message>>) -> Result<Response<UploadSummary>, Status> {
        let mut requests = request.into_inner();
        let mut summary = UploadSummary { messages: 0, octets: 0 };
        while let Some(message) = requests.message().await? {
            summary.messages += 1;
            summary.octets += message.body.len() as u64;
        }
        Ok(Response::new(summary))
    }

    async fn ping_pong(&self, request: Request<Streaming<Message>>) -> Result<Response<Messages>, Status> {
        Ok(Response::new(Box::pin(request.into_inner().map(|message| message))))
    }
}

/// Listens on a free port of 127.0.0.1 and returns it.
pub async fn serve(interceptors: bool) -> Result<u16, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let service = BenchServer::new(Service)
        .max_decoding_message_size(MAX_MESSAGE_OCTETS)
        .max_encoding_message_size(MAX_MESSAGE_OCTETS);
    let incoming = TcpListenerStream::new(listener).map(|socket| {
        socket.and_then(|socket| {
            socket.set_nodelay(true)?;
            Ok(socket)
        })
    });
    let mut builder = tonic::transport::Server::builder()
        // Windows that grow with the path, as purewire and grpc-go have.
        .http2_adaptive_window(Some(true))
        .max_concurrent_streams(Some(4096));
    tokio::spawn(async move {
        let ended = if interceptors {
            let service = InterceptedService::new(service, authorize);
            builder.layer(ObservedLayer).add_service(service).serve_with_incoming(incoming).await
        } else {
            builder.add_service(service).serve_with_incoming(incoming).await
        };
        if let Err(error) = ended {
            eprintln!("the server ended: {error}");
        }
    });
    Ok(port)
}
