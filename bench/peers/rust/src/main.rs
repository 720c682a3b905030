//! The benchmark's peer in Rust: server or client of bench.proto over tonic on one thread, steered by the JSON lines of
//! bench/protocol.ts. Plaintext only: rustls takes no certificate that is its own authority.

mod client;
mod interceptors;
mod meter;
mod server;
mod usage;

use std::io::{BufRead, Write};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

pub mod pb {
    tonic::include_proto!("purewire.bench");
}

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Messages above this are refused on both sides.
pub const MAX_MESSAGE_OCTETS: usize = 8 << 20;

/// The body all messages carry, the same in every language.
pub fn patterned_body(octets: usize) -> Vec<u8> {
    (0..octets).map(|i| (i * 31 + (i >> 8) * 7) as u8).collect()
}

fn main() {
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel::<Value>();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            match serde_json::from_str(&line) {
                Ok(request) => drop(sender.send(request)),
                Err(error) => eprintln!("not a request: {error}"),
            }
        }
        // The coordinator is gone: nobody would stop this process otherwise.
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut state: Option<Rc<client::Client>> = None;
        while let Some(request) = requests.recv().await {
            let answer = match handle(&request, &mut state).await {
                Ok(result) => json!({ "id": request["id"], "result": result }),
                Err(error) => json!({ "id": request["id"], "error": error.to_string() }),
            };
            let mut output = std::io::stdout().lock();
            let _ = writeln!(output, "{answer}").and_then(|()| output.flush());
            if request["method"] == "stop" {
                std::process::exit(0);
            }
        }
    });
}

async fn handle(request: &Value, state: &mut Option<Rc<client::Client>>) -> Result<Value, Failure> {
    let params = &request["params"];
    match request["method"].as_str().unwrap_or_default() {
        "start" => start(params, state).await,
        "usage" => Ok(usage::current().to_json()),
        "run" => state.as_ref().ok_or("run before start, or on a server")?.run(params).await,
        "hold" => {
            let count = params["count"].as_u64().unwrap_or(0);
            let client = state.as_ref().ok_or("hold before start, or on a server")?;
            client.hold(params["what"].as_str().unwrap_or_default(), count).await?;
            Ok(json!({ "held": count }))
        }
        "settle" => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut settled = usage::current().to_json();
            settled["externalOctets"] = json!(0);
            Ok(settled)
        }
        "stop" => Ok(json!({})),
        other => Err(format!("the Rust peer has no method \"{other}\"").into()),
    }
}

async fn start(params: &Value, state: &mut Option<Rc<client::Client>>) -> Result<Value, Failure> {
    if !params["tls"].is_null() {
        return Err("the Rust peer is plaintext only".into());
    }
    let mut port = 0;
    if params["role"] == "server" {
        port = server::serve(params["interceptors"].as_bool().unwrap_or(false)).await?;
    } else {
        let target = params["port"].as_u64().ok_or("a client needs a port")?;
        *state = Some(Rc::new(client::Client::open(target, &params["load"]).await?));
    }
    Ok(json!({
        "port": port,
        "pid": std::process::id(),
        "versions": { "tonic": env!("TONIC_VERSION"), "rustc": env!("RUSTC_VERSION") },
    }))
}
