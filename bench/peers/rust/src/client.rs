//! Calls bench.proto under a load, checks every response and counts it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

use crate::interceptors::Observed;
use crate::meter::Meter;
use crate::pb::bench_client::BenchClient;
use crate::pb::{DownloadRequest, Empty, Message};
use crate::{Failure, MAX_MESSAGE_OCTETS, patterned_body, usage};

type Stub = BenchClient<Observed<Channel>>;

const CALL_TIMEOUT: Duration = Duration::from_secs(60);

pub struct Client {
    kind: String,
    in_flight: u64,
    messages_per_stream: u32,
    metadata_entries: usize,
    latency: bool,
    interceptors: bool,
    body: Vec<u8>,
    endpoint: Endpoint,
    connections: Vec<Stub>,
    held: RefCell<Vec<Stub>>,
    serial: Cell<u64>,
}

impl Client {
    pub async fn open(port: u64, load: &Value) -> Result<Client, Failure> {
        let number = |name: &str| load[name].as_u64().unwrap_or(0);
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.http2_adaptive_window(true);
        let mut client = Client {
            kind: load["kind"].as_str().unwrap_or_default().to_owned(),
            in_flight: number("inFlight"),
            messages_per_stream: number("messagesPerStream") as u32,
            metadata_entries: number("metadataEntries") as usize,
            latency: load["latency"].as_bool().unwrap_or(false),
            interceptors: load["interceptors"].as_bool().unwrap_or(false),
            body: patterned_body(number("bodyOctets") as usize),
            endpoint,
            connections: Vec::new(),
            held: RefCell::new(Vec::new()),
            serial: Cell::new(0),
        };
        if client.kind != "connect" {
            for _ in 0..number("connections") {
                client.connections.push(client.connect().await?);
            }
        }
        Ok(client)
    }

    pub async fn hold(&self, what: &str, count: u64) -> Result<(), Failure> {
        if what != "connections" {
            return Err("the Rust peer holds connections only".into());
        }
        for _ in 0..count {
            let mut stub = self.connect().await?;
            stub.nothing(Empty {}).await?;
            self.held.borrow_mut().push(stub);
        }
        Ok(())
    }

    /// Keeps one loop per call in flight going until the slice is over.
    pub async fn run(self: &Rc<Self>, params: &Value) -> Result<Value, Failure> {
        let before = usage::current();
        let in_flight = match params["inFlight"].as_u64().unwrap_or(0) {
            0 => self.in_flight,
            asked => asked,
        };
        let local = tokio::task::LocalSet::new();
        let mut result = local
            .run_until(async {
                let meter = Meter::start(params, self.latency);
                let mut loops = tokio::task::JoinSet::new();
                for number in 0..in_flight {
                    loops.spawn_local(self.clone().watched(meter.clone(), number as usize));
                }
                while let Some(outcome) = loops.join_next().await {
                    outcome??;
                }
                Ok::<Value, Failure>(meter.result())
            })
            .await?;
        result["usage"] = usage::current().since(before).to_json();
        Ok(result)
    }

    async fn watched(self: Rc<Self>, meter: Rc<Meter>, number: usize) -> Result<(), Failure> {
        let outcome = self.turn(&meter, number).await;
        if outcome.is_err() {
            meter.stop();
        }
        outcome
    }

    async fn turn(&self, meter: &Meter, number: usize) -> Result<(), Failure> {
        let mut sequence = 0;
        if self.kind == "connect" {
            while !meter.stopped() {
                sequence += 1;
                let started = meter.begin();
                let mut stub = self.connect().await?;
                self.call(&mut stub, sequence).await?;
                meter.end(started);
            }
            return Ok(());
        }
        let mut stub = self.connections[number % self.connections.len()].clone();
        match self.kind.as_str() {
            "unary" => {
                while !meter.stopped() {
                    sequence += 1;
                    let started = meter.begin();
                    self.call(&mut stub, sequence).await?;
                    meter.end(started);
                }
                Ok(())
            }
            "server-stream" => {
                while !meter.stopped() {
                    self.download(meter, &mut stub).await?;
                }
                Ok(())
            }
            "client-stream" => {
                while !meter.stopped() {
                    self.upload(meter, &mut stub).await?;
                }
                Ok(())
            }
            "ping-pong" => self.ping_pong(meter, &mut stub).await,
            other => Err(format!("the Rust peer has no workload \"{other}\"").into()),
        }
    }

    async fn connect(&self) -> Result<Stub, Failure> {
        let channel = self.endpoint.connect().await?;
        Ok(BenchClient::new(Observed::new(channel, self.interceptors))
            .max_decoding_message_size(MAX_MESSAGE_OCTETS)
            .max_encoding_message_size(MAX_MESSAGE_OCTETS))
    }

    async fn call(&self, stub: &mut Stub, sequence: u32) -> Result<(), Failure> {
        if self.body.is_empty() {
            stub.nothing(self.request(Empty {})?).await?;
            return Ok(());
        }
        let message = Message { sequence, body: self.body.clone() };
        let response = stub.echo(self.request(message)?).await?.into_inner();
        self.check(&response, sequence)
    }

    async fn download(&self, meter: &Meter, stub: &mut Stub) -> Result<(), Failure> {
        let asked = DownloadRequest { messages: self.messages_per_stream, body_octets: self.body.len() as u32 };
        let mut stream = stub.download(self.request(asked)?).await?.into_inner();
        let mut sequence = 0;
        while let Some(message) = stream.message().await? {
            self.check(&message, sequence)?;
            sequence += 1;
            meter.complete();
        }
        if sequence != asked.messages {
            return Err(format!("the stream ended OK after {sequence} of {} messages", asked.messages).into());
        }
        Ok(())
    }

    async fn upload(&self, meter: &Meter, stub: &mut Stub) -> Result<(), Failure> {
        // Room for a few messages: what the library takes beyond that waits for its flow control.
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        let summary = stub.upload(self.request(tokio_stream::wrappers::ReceiverStream::new(receiver))?);
        let feed = async {
            let mut sent = 0;
            while !meter.stopped() && sent < self.messages_per_stream {
                if sender.send(Message { sequence: sent, body: self.body.clone() }).await.is_err() {
                    break;
                }
                sent += 1;
                meter.complete();
            }
            drop(sender);
            sent
        };
        let (sent, summary) = tokio::join!(feed, summary);
        let summary = summary?.into_inner();
        if summary.messages != sent || summary.octets != u64::from(sent) * self.body.len() as u64 {
            return Err(format!("the server counted {} of {sent} messages", summary.messages).into());
        }
        Ok(())
    }

    async fn ping_pong(&self, meter: &Meter, stub: &mut Stub) -> Result<(), Failure> {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut sequence = 1;
        let mut started = meter.begin();
        sender.send(Message { sequence, body: self.body.clone() })?;
        let mut stream = stub.ping_pong(self.request(UnboundedReceiverStream::new(receiver))?).await?.into_inner();
        let mut sender = Some(sender);
        while let Some(message) = stream.next().await {
            self.check(&message?, sequence)?;
            meter.end(started);
            if meter.stopped() {
                sender = None;
            } else if let Some(sender) = &sender {
                sequence += 1;
                started = meter.begin();
                sender.send(Message { sequence, body: self.body.clone() })?;
            }
        }
        Ok(())
    }

    fn request<T>(&self, message: T) -> Result<Request<T>, Failure> {
        let mut request = Request::new(message);
        request.set_timeout(CALL_TIMEOUT);
        if self.metadata_entries > 0 {
            let serial = self.serial.get() + 1;
            self.serial.set(serial);
            let metadata = request.metadata_mut();
            for (name, value) in &FIXED_METADATA[8usize.saturating_sub(self.metadata_entries)..] {
                metadata.insert(*name, MetadataValue::from_static(value));
            }
            metadata.insert("traceparent", format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{serial:016x}-01").parse()?);
            metadata.insert("x-request-id", format!("req-{serial:016x}").parse()?);
        }
        Ok(request)
    }

    fn check(&self, message: &Message, sequence: u32) -> Result<(), Failure> {
        if message.sequence == sequence && message.body == self.body {
            return Ok(());
        }
        let Message { sequence: found, body } = message;
        Err(format!("wrong response: number {found} with {} octets, wanted {sequence}", body.len()).into())
    }
}

/// Those of worker/metadata.ts that are the same in each call.
const FIXED_METADATA: [(&str, &str); 6] = [
    ("x-tenant", "acme-industries"),
    ("x-region", "eu-central-1"),
    ("x-client-version", "4.18.2-release"),
    ("x-feature-set", "alpha,beta,long-running"),
    ("accept-language", "en-GB"),
    ("authorization", "Bearer 6f1c2d9a7b3e4f508d7c6b5a49382716a5b4c3d2e1f00918"),
];
