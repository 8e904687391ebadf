//! Plain HTTP as bytes: a request goes out as it was written, also one that no well-behaved client
//! would send, and nothing follows redirects, decodes paths or adds headers.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer that does not come is a failure of the test.
const ANSWER_BOUND: Duration = Duration::from_secs(30);

/// A request that is being put together.
#[derive(Debug, Clone)]
pub struct Request {
    address: String,
    lines: String,
    body: String,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request to `http://host:port` with exactly this path.
    pub fn new(method: &str, url: &str, path: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        Self {
            address: address.to_owned(),
            lines: format!("{method} {path} HTTP/1.1\r\n"),
            body: String::new(),
        }
    }

    /// Adds a header. `Host` names the server unless it is given here.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.lines.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &str) -> Self {
        let mut this = self.header("content-type", "application/json");
        body.clone_into(&mut this.body);
        this
    }

    /// Sends it and reads the whole answer.
    pub fn send(self) -> Result<Response> {
        let (mut response, mut rest) = self.begin()?;
        rest.read_to_end(&mut response.body)
            .context("read a body")?;
        Ok(response)
    }

    /// Sends it and reads the answer until the first event of a stream (`text/event-stream`), whose
    /// data is returned.
    pub fn first_event(self) -> Result<String> {
        let (response, mut rest) = self.begin()?;
        anyhow::ensure!(response.status == 200, "{response:?}");
        loop {
            let mut line = String::new();
            anyhow::ensure!(rest.read_line(&mut line)? > 0, "the stream ended");
            if let Some(data) = line.strip_prefix("data: ") {
                return Ok(data.trim_end().to_owned());
            }
        }
    }

    fn begin(self) -> Result<(Response, BufReader<TcpStream>)> {
        let mut stream = TcpStream::connect(&self.address)
            .with_context(|| format!("connect to {}", self.address))?;
        stream.set_read_timeout(Some(ANSWER_BOUND))?;
        let mut head = self.lines;
        if !head.contains("\r\nHost: ") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        let length = self.body.len();
        let ending = format!("Connection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + &ending + &self.body).as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut response = Response {
            status: status.with_context(|| format!("not HTTP: {line:?}"))?,
            headers: BTreeMap::new(),
            body: Vec::new(),
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok((response, reader));
            };
            let (name, value) = (name.to_lowercase(), value.trim().to_owned());
            response.headers.insert(name, value);
        }
    }
}

impl Response {
    /// A header by its lower-case name; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
