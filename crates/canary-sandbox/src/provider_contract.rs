//! What every metric provider has to do, whoever wrote it: a value is a value, nothing is nothing, and every fault is an error
//! that says which, over real HTTP on the loopback interface. The author supplies how his backend writes each content.

mod backend;
mod cases;
mod subject;

#[cfg(test)]
mod tests;

pub use backend::{ContractReply, ContractRequest};
pub use cases::{PROVIDER_CASES, provider_case, provider_failures};
pub use subject::{Connection, Content, ProviderSubject, Several};

/// Tests a metric provider: one test for each case of the contract, in a module of that name.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use async_trait::async_trait;
/// use canary_core::{MetricError, MetricProvider};
/// use canary_sandbox::{Content, ContractReply, ContractRequest, ProviderSubject};
/// # struct Acme(String);
/// # #[async_trait]
/// # impl MetricProvider for Acme {
/// #     async fn query(&self, _: &str) -> Result<Option<f64>, MetricError> { Ok(None) }
/// #     async fn check(&self) -> Result<(), MetricError> { Ok(()) }
/// # }
///
/// struct AcmeBackend;
///
/// #[async_trait]
/// impl ProviderSubject for AcmeBackend {
///     async fn provider(&self, address: &str, _patience: Duration) -> Result<Arc<dyn MetricProvider>, MetricError> {
///         Ok(Arc::new(Acme(address.to_owned())))
///     }
///     fn query(&self) -> String {
///         "errors".into()
///     }
///     fn answer(&self, content: &Content, _: &ContractRequest) -> Option<ContractReply> {
///         let values: Vec<_> = content.values().iter().map(|value| value.map_or("null".into(), |v| v.to_string())).collect();
///         Some(ContractReply::json(format!("[{}]", values.join(","))))
///     }
/// }
///
/// canary_sandbox::provider_contract!(acme, AcmeBackend);
/// ```
#[macro_export]
macro_rules! provider_contract {
    ($module:ident, $subject:expr) => {
        $crate::provider_contract! { @cases $module, $subject;
            a_value_is_that_value
            zero_is_a_value
            of_several_series_the_stated_one_counts
            an_empty_answer_is_no_data
            not_a_number_is_no_data
            infinity_is_never_a_finite_value
            null_is_no_data
            refused_credentials_are_denied
            a_forbidden_query_is_denied
            not_found_is_a_refusal
            too_many_requests_are_no_answer
            a_server_error_is_no_answer
            a_slow_answer_is_given_up
            an_answer_that_is_cut_off_is_no_answer
            what_is_not_the_format_is_unusable
            a_huge_answer_is_not_read_to_its_end
            a_wrong_certificate_is_refused
            nobody_there_is_unreachable
            errors_show_no_secrets
            the_check_tells_good_from_bad
        }
    };
    (@cases $module:ident, $subject:expr; $($case:ident)*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[test]
                fn $case() {
                    if let Err(why) = $crate::provider_case(stringify!($case), &$subject) {
                        panic!("{why}");
                    }
                }
            )*

            #[test]
            fn all_cases_are_played() {
                assert_eq!([$(stringify!($case)),*], $crate::PROVIDER_CASES);
            }
        }
    };
}
