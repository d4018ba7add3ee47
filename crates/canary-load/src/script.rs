//! Flows of several requests, written in code. What they are for is the embedder's business.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{Answer, ErrorClass, Prepared};

/// A flow that decides request by request what to do next.
///
/// ```
/// use canary_load::{Answer, ErrorClass, Next, Prepared, Script, Sending, Target, Visit};
///
/// /// Looks at a page, then at what it links to.
/// struct Browse(Target);
/// struct Browsing { target: Target, link: Option<String>, done: bool }
///
/// impl Script for Browse {
///     fn steps(&self) -> Vec<String> {
///         vec!["page".into(), "link".into()]
///     }
///     fn visit(&self) -> Box<dyn Visit> {
///         Box::new(Browsing { target: self.0.clone(), link: None, done: false })
///     }
/// }
///
/// impl Visit for Browsing {
///     fn next(&mut self) -> Next {
///         let (step, path) = match (&self.link, self.done) {
///             (_, true) => return Next::End { skipped: vec![] },
///             (None, _) => (0, "/"),
///             (Some(link), _) => (1, link.as_str()),
///         };
///         self.done = step == 1;
///         match Prepared::new(&self.target, "GET", path, &[], "") {
///             Ok(request) => Next::Send(Box::new(Sending { step, target: 0, request: request.into() })),
///             Err(_) => Next::End { skipped: vec![step] },
///         }
///     }
///     fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass> {
///         self.link = outcome?.headers.get("link").and_then(|v| v.to_str().ok()).map(str::to_owned);
///         self.done |= self.link.is_none();
///         Ok(())
///     }
/// }
/// # let _ = Browse("http://localhost".parse().unwrap()).visit().next();
/// ```
pub trait Script: Send + Sync {
    /// The names of its steps; at least one.
    fn steps(&self) -> Vec<String>;
    /// One user who begins.
    fn visit(&self) -> Box<dyn Visit>;
}

const _: Option<&dyn Script> = None; // object-safe, or this does not compile

/// One user on the way through a flow.
pub trait Visit {
    /// What to do now: at the beginning, and after each outcome and each pause.
    fn next(&mut self) -> Next;

    /// Looks at what became of the request sent last. The class of a failed request is repeated or replaced.
    ///
    /// # Errors
    /// The class under which the answer counts as an error.
    fn seen(&mut self, outcome: Result<&Answer, ErrorClass>) -> Result<(), ErrorClass>;
}

const _: Option<&dyn Visit> = None; // object-safe, or this does not compile

/// What a visit does next.
pub enum Next {
    /// Send a request at once.
    Send(Box<Sending>),
    /// Wait; the connection is free meanwhile.
    Pause(Duration),
    /// Wait for something, such as a disk, before the next request; that request's intended start is then.
    After(Pin<Box<dyn Future<Output = ()>>>),
    /// The visit is over.
    End {
        /// Steps that are left out because of an error: they count as planned and not sent.
        skipped: Vec<usize>,
    },
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(sending) => f.debug_tuple("Send").field(sending).finish(),
            Self::Pause(length) => f.debug_tuple("Pause").field(length).finish(),
            Self::After(_) => f.write_str("After"),
            Self::End { skipped } => f.debug_struct("End").field("skipped", skipped).finish(),
        }
    }
}

/// A request of a visit.
#[derive(Debug)]
pub struct Sending {
    /// Which step it belongs to.
    pub step: usize,
    /// Which of the plan's targets it goes to.
    pub target: usize,
    /// What is sent; one that does not change is made once and shared.
    pub request: Arc<Prepared>,
}
