//! A small real server that counts what it keeps: orders, with ids that it or the client makes.
#![allow(dead_code, clippy::unwrap_used)] // shared by tests that use different parts of it

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[derive(Default)]
struct State {
    orders: BTreeSet<String>,
    made: u64,
    requests: Vec<String>,
    refuses_to_delete: bool,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) address: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shop =
            Self { address: format!("http://{}", listener.local_addr().unwrap()), state: Arc::default() };
        let mine = shop.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shop = mine.clone();
                thread::spawn(move || shop.serve(stream));
            }
        });
        shop
    }

    /// Orders that are there now.
    pub(crate) fn orders(&self) -> usize {
        self.state.0.lock().unwrap().orders.len()
    }

    /// Orders that were ever made.
    pub(crate) fn made(&self) -> u64 {
        self.state.0.lock().unwrap().made
    }

    /// Method and path of each request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.0.lock().unwrap().requests.clone()
    }

    pub(crate) fn refuse_to_delete(&self) {
        self.state.0.lock().unwrap().refuses_to_delete = true;
    }

    /// Returns when that many orders have been made.
    pub(crate) fn wait_until_made(&self, number: u64) {
        let (state, changed) = &*self.state;
        drop(changed.wait_while(state.lock().unwrap(), |state| state.made < number).unwrap());
    }

    fn serve(&self, stream: TcpStream) {
        let mut out = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        loop {
            let mut first = String::new();
            if !reader.read_line(&mut first).is_ok_and(|n| n > 0) {
                return;
            }
            let mut length = 0;
            loop {
                let mut line = String::new();
                if !reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                    return;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let mut words = first.split_whitespace();
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let (status, text) = self.answer(method, path);
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"e{}\"\r\n\r\n{text}",
                text.len(),
                text.len()
            );
            if out.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, method: &str, path: &str) -> (&'static str, String) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{method} {path}"));
        let id = path.strip_prefix("/orders/").map(str::to_owned);
        match (method, id) {
            ("POST", None) | ("PUT", Some(_)) => {
                state.made += 1;
                let id = id_of(path).unwrap_or_else(|| format!("s{}", state.made));
                state.orders.insert(id.clone());
                changed.notify_all();
                ("201 Created", format!("{{\"id\": \"{id}\"}}"))
            }
            ("DELETE", Some(_)) if state.refuses_to_delete => ("403 Forbidden", String::new()),
            ("DELETE", Some(id)) if state.orders.remove(&id) => ("204 No Content", String::new()),
            ("GET", _) if !path.contains("missing") => {
                ("200 OK", "{\"items\": [{\"id\": \"7\"}], \"state\": \"open\"}".to_owned())
            }
            _ => ("404 Not Found", String::new()),
        }
    }
}

fn id_of(path: &str) -> Option<String> {
    path.strip_prefix("/orders/").map(str::to_owned)
}
