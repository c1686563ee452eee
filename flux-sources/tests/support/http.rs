//! A small HTTP server that a test starts: it does what it is told, well or badly.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One HTTP request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the client showed a certificate that holds.
    pub(crate) certified: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut parts = line.split_whitespace().map(str::to_owned);
        let (method, target) = (parts.next()?, parts.next()?);
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new(), certified: false };
        let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).ok()?;
        Some(request)
    }
}

type Handler = dyn Fn(&Request, &mut dyn Write) -> io::Result<()> + Send + Sync;

/// One thread a connection, one request a connection.
#[derive(Clone)]
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl HttpServer {
    /// Answers every request with `handler`, which writes the whole response.
    pub(crate) fn start(handler: impl Fn(&Request, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let handler: Arc<Handler> = Arc::new(handler);
        Self::accept(move |stream, seen| answer(stream, false, seen, &*handler))
    }

    /// The same over TLS.
    #[cfg(feature = "http")]
    pub(crate) fn start_tls(
        config: Arc<rustls::ServerConfig>,
        handler: impl Fn(&Request, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let handler: Arc<Handler> = Arc::new(handler);
        Self::accept(move |mut stream, seen| {
            let Ok(mut session) = rustls::ServerConnection::new(config.clone()) else { return };
            if session.complete_io(&mut stream).is_err() {
                return;
            }
            let certified = session.peer_certificates().is_some();
            answer(rustls::StreamOwned::new(session, stream), certified, seen, &*handler);
        })
    }

    /// A proxy that tunnels to this address, whatever is asked for.
    pub(crate) fn tunnel(target: SocketAddr) -> Self {
        Self::accept(move |mut stream, seen| {
            let Some(request) = Request::read(&mut BufReader::new(&stream)) else { return };
            seen.lock().unwrap().push(request);
            let Ok(mut there) = TcpStream::connect(target) else { return };
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n");
            let (mut back, mut here) = (there.try_clone().unwrap(), stream.try_clone().unwrap());
            std::thread::spawn(move || io::copy(&mut back, &mut here));
            let _ = io::copy(&mut stream, &mut there);
        })
    }

    /// Serves the repositories below `root` with `git http-backend`.
    pub(crate) fn git(root: &Path) -> Self {
        let root = root.to_owned();
        Self::start(move |request, stream| super::serve_git(&root, request, stream))
    }

    fn accept(serve: impl Fn(TcpStream, &Mutex<Vec<Request>>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (serve, seen) = (Arc::new(serve), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serve, seen) = (serve.clone(), seen.clone());
                std::thread::spawn(move || serve(stream, &seen));
            }
        });
        Self { address, requests }
    }

    /// The repository `app` on this server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/app/.git", self.address)
    }

    /// The server over TLS.
    pub(crate) fn https(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn forget_requests(&self) {
        self.requests.lock().unwrap().clear();
    }
}

fn answer<S: Read + Write>(stream: S, certified: bool, seen: &Mutex<Vec<Request>>, handler: &Handler) {
    let mut reader = BufReader::new(stream);
    let Some(request) = Request::read(&mut reader) else { return };
    let request = Request { certified, ..request };
    seen.lock().unwrap().push(request.clone());
    // A client may hang up before it has read everything.
    let _ = handler(&request, reader.get_mut());
    let _ = reader.get_mut().flush();
}

/// A whole response.
pub(crate) fn respond(stream: &mut dyn Write, status: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(body)
}
