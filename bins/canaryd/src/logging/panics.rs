//! What is logged of a panic: where it happened, and its text only where that is a part of the program. A text that was put
//! together may hold a value, and the value may be a secret.

use std::any::Any;

/// From here on panics are log lines, and nothing of them is written elsewhere.
pub(super) fn log() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        tracing::error!(place = place.unwrap_or_default(), "panicked: {}", told(panic.payload()));
    }));
}

/// What of a panic's text may be told.
fn told(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("its text is withheld, since it may hold values")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_text_with_values_is_withheld_and_one_of_the_program_is_told() {
        let token = std::hint::black_box("hush-token");
        let failed: Result<(), &str> = std::hint::black_box(Err(token));
        let told = |panic: Box<dyn Any + Send>| told(&*panic).to_owned();
        for panic in [
            catch_unwind(|| panic!("no rule for {token}")).unwrap_err(),
            catch_unwind(|| failed.expect("the login works")).unwrap_err(),
            catch_unwind(|| std::panic::panic_any(token.to_owned())).unwrap_err(),
        ] {
            assert_eq!(told(panic), "its text is withheld, since it may hold values");
        }
        assert_eq!(told(catch_unwind(|| panic!("a bug")).unwrap_err()), "a bug");
    }
}
