#!/usr/bin/env bash
# coap 0.29.0 (Rust): a notification that was overtaken is delivered as the newest value.
#
# Expected: UDP can change the order of notifications, and the Observe option numbers them: the client takes one as newer
# only if its number is, modulo 2^24, or after 128 s (RFC 7641, 3.4). An older one is dropped, as aiocoap 0.4.17, go-coap
# 3.8.0 and node-coap 1.5.0 do.
# Observed: `observe` calls its handler for each datagram in the order of arrival. After "open" with number 12 comes "closed"
# with number 11, and the handler's last value is the older one, until the next change.
# Workaround: compare `get_observe_value()` of the packet with the last one in the handler, by the same rule.
#
# Needs Rust with cargo; everything is installed in a temporary folder, the crates in cargo's own cache.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "1.0.0"
edition = "2021"

[dependencies]
coap = { version = "=0.29.0", default-features = false }
coap-lite = "=0.13.3"
tokio = { version = "1.49", features = ["full"] }
TOML

cat >src/main.rs <<'RUST'
use coap::UdpCoAPClient;
use coap_lite::{CoapOption, MessageClass, MessageType, Packet, RequestType, ResponseType};
use std::net::UdpSocket;
use std::time::Duration;

fn value(kind: MessageType, id: u16, token: &[u8], number: u8, payload: &str) -> Vec<u8> {
    let mut packet = Packet::new();
    packet.header.set_type(kind);
    packet.header.message_id = id;
    packet.header.code = MessageClass::Response(ResponseType::Content);
    packet.set_token(token.to_vec());
    packet.add_option(CoapOption::Observe, vec![number]);
    packet.payload = payload.as_bytes().to_vec();
    packet.to_bytes().unwrap()
}

/// Answers the registration with number 10, then notifies of 12 before 11, as a network may.
fn serve(socket: UdpSocket) {
    let mut buffer = [0; 2048];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).unwrap();
        let request = Packet::from_bytes(&buffer[..length]).unwrap();
        if request.header.code != MessageClass::Request(RequestType::Get) {
            continue;
        }
        let (id, token) = (request.header.message_id, request.get_token().to_vec());
        socket.send_to(&value(MessageType::Acknowledgement, id, &token, 10, "closed"), peer).unwrap();
        for (id, number, payload) in [(1, 12, "open"), (2, 11, "closed")] {
            std::thread::sleep(Duration::from_millis(200));
            let packet = value(MessageType::NonConfirmable, id, &token, number, payload);
            socket.send_to(&packet, peer).unwrap();
        }
    }
}

#[tokio::main]
async fn main() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(|| serve(socket));
    let client = UdpCoAPClient::new(address).await.unwrap();
    let handler = |result: std::io::Result<Packet>| {
        let packet = result.unwrap();
        let number = packet.get_observe_value().unwrap().unwrap();
        println!("number {}: {}", number, String::from_utf8(packet.payload).unwrap());
    };
    let _observation = client.observe("/valve", handler).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::process::exit(0);
}
RUST

cargo build --quiet
target/debug/finding | tee seen

cat >expected <<'TEXT'
number 10: closed
number 12: open
number 11: closed
TEXT
diff expected seen && echo "As found: an older notification is delivered after a newer one."
