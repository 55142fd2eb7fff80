//! A stand-in for AWS Secrets Manager with one secret, which fails when a test says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How the service responds.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    /// With the secret.
    Well,
    /// With the secret, after this delay.
    Slow(Duration),
    /// With an internal error.
    Failing,
    /// With an access error.
    Denied,
}

/// A service with one secret, on loopback; stops on drop.
#[derive(Debug)]
pub struct Secrets {
    shared: Arc<Mutex<Held>>,
    url: String,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Held {
    id: String,
    value: String,
    previous: Option<String>,
    mood: Mood,
    reads: usize,
}

impl Secrets {
    /// Starts the service with one secret under this id.
    ///
    /// # Panics
    /// If it cannot listen on loopback.
    pub async fn start(id: &str, value: &str) -> Self {
        let held =
            Held { id: id.to_owned(), value: value.to_owned(), previous: None, mood: Mood::Well, reads: 0 };
        let shared = Arc::new(Mutex::new(held));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(get_secret_value)).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, url, server }
    }

    /// URL of the endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sets a new value of the secret; the current value becomes the previous version.
    pub fn put(&self, value: &str) {
        let mut held = self.shared.lock().unwrap();
        held.previous = Some(std::mem::replace(&mut held.value, value.to_owned()));
    }

    /// Sets how the service responds from now on.
    pub fn behave(&self, mood: Mood) {
        self.shared.lock().unwrap().mood = mood;
    }

    /// Number of reads so far.
    pub fn reads(&self) -> usize {
        self.shared.lock().unwrap().reads
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn get_secret_value(
    State(shared): State<Arc<Mutex<Held>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("x-amz-target") != "secretsmanager.GetSecretValue"
        || !header("authorization").contains("Signature=")
    {
        return refusal(StatusCode::BAD_REQUEST, "InvalidRequestException");
    }
    let (mood, id, value) = {
        let mut held = shared.lock().unwrap();
        held.reads += 1;
        let value = match request["VersionStage"].as_str() {
            Some("AWSPREVIOUS") => held.previous.clone(),
            _ => Some(held.value.clone()),
        };
        (held.mood, held.id.clone(), value)
    };
    match mood {
        Mood::Well => {}
        Mood::Slow(by) => sleep(by).await,
        Mood::Failing => return refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError"),
        Mood::Denied => return refusal(StatusCode::BAD_REQUEST, "AccessDeniedException"),
    }
    let Some(value) = value.filter(|_| request["SecretId"] == id.as_str()) else {
        return refusal(StatusCode::BAD_REQUEST, "ResourceNotFoundException");
    };
    let secret = json!({
        "ARN": id,
        "CreatedDate": 1_583_348_638.39,
        "Name": "buttonparty/reader",
        "SecretString": value,
        "VersionId": "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
        "VersionStages": [request["VersionStage"]],
    });
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.1")], secret.to_string()).into_response()
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let error = json!({ "__type": code, "Message": "as the test wants it" });
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], error.to_string()).into_response()
}
