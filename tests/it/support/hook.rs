//! Whoever receives webhooks, or gives access tokens for them, on this machine: it answers what a test tells it to, one
//! answer after the other, and says what it was sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub enum Told {
    Status(u16),
    Redirect(String),
    Json(Value),
    /// 200, with so many bytes.
    Huge(usize),
    /// Waits until the hook is opened, then 200.
    Wait,
    /// Never answers.
    Silence,
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

pub struct Hook {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    next: Mutex<VecDeque<Told>>,
    /// Where nothing else is to be told.
    usual: Mutex<Told>,
    got: watch::Sender<Vec<Got>>,
    open: watch::Sender<bool>,
}

impl Hook {
    /// Answers 200 to everything.
    pub async fn new() -> Self {
        Self::telling(Told::Status(200)).await
    }

    pub async fn telling(usual: Told) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            next: Mutex::default(),
            usual: Mutex::new(usual),
            got: watch::Sender::new(Vec::new()),
            open: watch::Sender::new(false),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { address, shared, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next answers, before the usual one.
    pub fn then(&self, told: impl IntoIterator<Item = Told>) {
        self.shared.next.lock().expect("a list").extend(told);
    }

    pub fn usually(&self, told: Told) {
        *self.shared.usual.lock().expect("an answer") = told;
    }

    /// Answers those that [`Told::Wait`] keeps.
    pub fn open(&self) {
        self.shared.open.send_replace(true);
    }

    /// All so far.
    pub fn got(&self) -> Vec<Got> {
        self.shared.got.borrow().clone()
    }

    pub async fn has_got(&self, times: usize) -> Vec<Got> {
        let mut got = self.shared.got.subscribe();
        let waiting = got.wait_for(|got| got.len() >= times);
        tokio::time::timeout(PATIENCE, waiting).await.expect("is sent in time").expect("goes on").clone()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let got = Got {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    };
    let next = shared.next.lock().expect("a list").pop_front();
    let told = next.unwrap_or_else(|| shared.usual.lock().expect("an answer").clone());
    shared.got.send_modify(|all| all.push(got));
    match told {
        Told::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Told::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Told::Json(value) => axum::Json(value).into_response(),
        Told::Huge(bytes) => Body::from(vec![b'x'; bytes]).into_response(),
        Told::Wait => {
            let _ = shared.open.subscribe().wait_for(|open| *open).await;
            StatusCode::OK.into_response()
        }
        Told::Silence => std::future::pending().await,
    }
}
