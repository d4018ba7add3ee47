//! The cases, and what each wants.

use std::time::{Duration, Instant};

use canary_core::{MetricError, MetricProvider};

use super::backend::{Backend, ContractRequest, Deed, HUGE};
use super::subject::{Content, ProviderSubject, Several};

/// Names of the cases, in the order of [`provider_contract!`](crate::provider_contract).
pub const PROVIDER_CASES: [&str; 20] = [
    "a_value_is_that_value",
    "zero_is_a_value",
    "of_several_series_the_stated_one_counts",
    "an_empty_answer_is_no_data",
    "not_a_number_is_no_data",
    "infinity_is_never_a_finite_value",
    "null_is_no_data",
    "refused_credentials_are_denied",
    "a_forbidden_query_is_denied",
    "not_found_is_a_refusal",
    "too_many_requests_are_no_answer",
    "a_server_error_is_no_answer",
    "a_slow_answer_is_given_up",
    "an_answer_that_is_cut_off_is_no_answer",
    "what_is_not_the_format_is_unusable",
    "a_huge_answer_is_not_read_to_its_end",
    "a_wrong_certificate_is_refused",
    "nobody_there_is_unreachable",
    "errors_show_no_secrets",
    "the_check_tells_good_from_bad",
];

/// Long enough for an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of a provider whose backend never answers.
const SHORT_PATIENCE: Duration = Duration::from_millis(200);
/// More than any provider may take that has [`SHORT_PATIENCE`].
const FOREVER: Duration = Duration::from_secs(15);

type Answer = Result<Option<f64>, MetricError>;

/// Plays one case of the contract, in a runtime of its own.
///
/// # Errors
/// What the provider did, and what was expected.
pub fn provider_case(name: &str, subject: &(impl ProviderSubject + Clone + 'static)) -> Result<(), String> {
    // Providers with TLS need the process to have chosen its cryptography; whoever chose first is right.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Servers run in tasks of their own, which outlive every borrow; one subject for each case is little to leak.
    let subject: &'static dyn ProviderSubject = Box::leak(Box::new(subject.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("there is no runtime: {error}"))?;
    runtime.block_on(case(name, subject)).map_err(|why| format!("{name}: {why}"))
}

/// Plays all cases; what went wrong with which.
pub fn provider_failures(subject: &(impl ProviderSubject + Clone + 'static)) -> Vec<(&'static str, String)> {
    PROVIDER_CASES.iter().filter_map(|name| Some((*name, provider_case(name, subject).err()?))).collect()
}

async fn case(name: &str, subject: &'static dyn ProviderSubject) -> Result<(), String> {
    let says = |content| said(subject, content);
    let refuses = async |status| answer(subject, Deed::Refuse(status)).await.map(|(answer, _)| answer);
    match name {
        "a_value_is_that_value" => wanted(says(Content::Value(97.5)).await?, &[Ok(Some(97.5))]),
        "zero_is_a_value" => wanted(says(Content::Value(0.0)).await?, &[Ok(Some(0.0))]),
        "of_several_series_the_stated_one_counts" => {
            match (says(Content::Several(vec![11.0, 12.0, 13.0])).await?, subject.several()) {
                (None | Some(Err(MetricError::Unusable(_))), Several::Refused) => Ok(()),
                (answer, Several::First) => wanted(answer, &[Ok(Some(11.0))]),
                (answer, Several::Last) => wanted(answer, &[Ok(Some(13.0))]),
                (answer, Several::Refused) => Err(format!("expected Unusable, found {answer:?}")),
            }
        }
        "an_empty_answer_is_no_data" => wanted(says(Content::Empty).await?, &[Ok(None)]),
        "not_a_number_is_no_data" => wanted(says(Content::Value(f64::NAN)).await?, &[Ok(None)]),
        "infinity_is_never_a_finite_value" => match says(Content::Value(f64::INFINITY)).await? {
            None | Some(Ok(None) | Err(MetricError::Unusable(_))) => Ok(()),
            Some(Ok(Some(value))) if value == f64::INFINITY => Ok(()),
            answer => Err(format!("expected infinity, no data or Unusable, found {answer:?}")),
        },
        "null_is_no_data" => wanted(says(Content::Null).await?, &[Ok(None)]),
        "refused_credentials_are_denied" => category(&refuses(401).await?, &["denied"]),
        "a_forbidden_query_is_denied" => category(&refuses(403).await?, &["denied"]),
        "not_found_is_a_refusal" => category(&refuses(404).await?, &["refused"]),
        "too_many_requests_are_no_answer" => category(&refuses(429).await?, &["unavailable"]),
        "a_server_error_is_no_answer" => category(&refuses(500).await?, &["unavailable"]),
        "a_slow_answer_is_given_up" => slow(subject).await,
        "an_answer_that_is_cut_off_is_no_answer" => {
            category(&answer(subject, Deed::CutOff(Content::Value(97.5))).await?.0, &["unreachable"])
        }
        "what_is_not_the_format_is_unusable" => {
            category(&answer(subject, Deed::Babble).await?.0, &["unusable"])
        }
        "a_huge_answer_is_not_read_to_its_end" => {
            let (answer, backend) = answer(subject, Deed::Huge(Content::Value(97.5))).await?;
            category(&answer, &["unusable"])?;
            if backend.written() < HUGE { Ok(()) } else { Err("all of it was read".into()) }
        }
        "a_wrong_certificate_is_refused" => {
            let (answer, backend) = answer(subject, Deed::WrongCertificate).await?;
            category(&answer, &["unreachable", "configuration", "denied"])?;
            if backend.requests() == 0 { Ok(()) } else { Err("the query was sent all the same".into()) }
        }
        "nobody_there_is_unreachable" => nobody(subject).await,
        "errors_show_no_secrets" => {
            for status in [401, 404, 500] {
                let Err(error) = refuses(status).await? else { return Err("expected an error".into()) };
                // Both forms: the second one is what a panic would show.
                let text = format!("{error} {error:?}");
                if let Some(n) = subject.secrets().iter().position(|secret| text.contains(secret.as_str())) {
                    return Err(format!("secret {n} is in the text of the error for status {status}"));
                }
            }
            Ok(())
        }
        "the_check_tells_good_from_bad" => check(subject).await,
        other => Err(format!("there is no case {other}")),
    }
}

/// The answer to a backend that says `content`, if its format can.
async fn said(subject: &'static dyn ProviderSubject, content: Content) -> Result<Option<Answer>, String> {
    if subject.answer(&content, &ContractRequest::default()).is_none() {
        return Ok(None);
    }
    Ok(Some(answer(subject, Deed::Say(content)).await?.0))
}

async fn answer(subject: &'static dyn ProviderSubject, deed: Deed) -> Result<(Answer, Backend), String> {
    let backend = start(subject, deed).await?;
    let answer = ask(subject, &backend.address, PATIENCE).await;
    Ok((answer, backend))
}

async fn start(subject: &'static dyn ProviderSubject, deed: Deed) -> Result<Backend, String> {
    Backend::start(subject, deed).await.map_err(|error| format!("the backend cannot be started: {error}"))
}

async fn ask(subject: &dyn ProviderSubject, address: &str, patience: Duration) -> Answer {
    subject.provider(address, patience).await?.query(&subject.query()).await
}

async fn slow(subject: &'static dyn ProviderSubject) -> Result<(), String> {
    let backend = start(subject, Deed::Sleep).await?;
    let begin = Instant::now();
    let answer = tokio::time::timeout(FOREVER, ask(subject, &backend.address, SHORT_PATIENCE)).await;
    match answer {
        Ok(answer) => category(&answer, &["unreachable"]),
        Err(_) => {
            Err(format!("still waiting after {:?} with a patience of {SHORT_PATIENCE:?}", begin.elapsed()))
        }
    }
}

async fn nobody(subject: &dyn ProviderSubject) -> Result<(), String> {
    // Held without listening, so that nobody else takes the port meanwhile.
    let held = tokio::net::TcpSocket::new_v4().and_then(|socket| {
        socket.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(socket)
    });
    let held = held.map_err(|error| format!("there is no free port: {error}"))?;
    let address = held.local_addr().map_err(|error| format!("there is no free port: {error}"))?;
    category(&ask(subject, &format!("http://{address}"), PATIENCE).await, &["unreachable"])
}

async fn check(subject: &'static dyn ProviderSubject) -> Result<(), String> {
    let provider = async |backend: &Backend| {
        let made = subject.provider(&backend.address, PATIENCE).await;
        made.map_err(|error| format!("the provider cannot be made: {error}"))
    };
    let backend = start(subject, Deed::Say(Content::Value(1.0))).await?;
    provider(&backend)
        .await?
        .check()
        .await
        .map_err(|error| format!("a good backend is told as bad: {error}"))?;
    for deed in [Deed::Refuse(401), Deed::Refuse(503)] {
        let shown = format!("{deed:?}");
        let backend = start(subject, deed).await?;
        if provider(&backend).await?.check().await.is_ok() {
            return Err(format!("a backend that answers {shown} is told as good"));
        }
    }
    Ok(())
}

/// One of the answers that are right; `None` is for a format that cannot say it.
fn wanted(answer: Option<Answer>, right: &[Answer]) -> Result<(), String> {
    match answer {
        None => Ok(()),
        Some(answer) if right.contains(&answer) => Ok(()),
        Some(answer) => Err(format!("expected {}, found {answer:?}", list(right))),
    }
}

fn list(answers: &[Answer]) -> String {
    answers.iter().map(|answer| format!("{answer:?}")).collect::<Vec<_>>().join(" or ")
}

fn category(answer: &Answer, right: &[&str]) -> Result<(), String> {
    match answer {
        Err(error) if right.contains(&error.category()) => Ok(()),
        other => Err(format!("expected an error of the category {}, found {other:?}", right.join(" or "))),
    }
}

/// Keeps the trait object-safe for those who hold several subjects.
const _: Option<(&dyn ProviderSubject, &dyn MetricProvider)> = None;
