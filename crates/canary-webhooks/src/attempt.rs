//! One POST of a payload, and what it means. Not how often to try.

use std::time::Duration;

use canary_core::HookPayload;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::cause::Cause;
use crate::patience::asked;

/// So much of an answer is read: it becomes the text of an event.
const LONGEST_BODY: usize = 64 * 1024;

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The hook lets the rollout pass.
    Passed,
    /// The hook does not.
    Refused {
        /// Its body as text.
        body: String,
    },
    /// The hook could not say; another attempt may succeed.
    Overloaded {
        /// HTTP status.
        status: StatusCode,
        /// Its body as text, as far as it could be read.
        body: String,
        /// The wait that it asks for.
        asked: Option<Duration>,
    },
    /// There was no answer, or an incomplete one.
    Unanswered(Cause),
}

/// Posts `payload` and follows redirects, within `limit` from connecting to the end of the body.
pub(crate) async fn post(client: &Client, url: &Url, payload: &HookPayload, limit: Duration) -> Outcome {
    let response = match client.post(url.clone()).timeout(limit).json(payload).send().await {
        Ok(response) => response,
        Err(error) => return Outcome::Unanswered(Cause::of(&error, limit)),
    };
    let status = response.status();
    let asked = asked(status, response.headers());
    match (text(response).await, status.as_u16()) {
        (body, 429 | 500 | 502..) => Outcome::Overloaded { status, body: body.unwrap_or_default(), asked },
        (Ok(_), ..=202) => Outcome::Passed,
        (Ok(body), _) => Outcome::Refused { body },
        (Err(error), _) => Outcome::Unanswered(Cause::of(&error, limit)),
    }
}

async fn text(mut response: Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() >= LONGEST_BODY {
            body.truncate(LONGEST_BODY);
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
