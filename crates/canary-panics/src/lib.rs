#![doc = include_str!("../README.md")]

use std::any::Any;

/// From here on panics are log lines, and nothing of them is written elsewhere.
pub fn log() {
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
    use std::io::Write;
    use std::panic::catch_unwind;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_a_line_of_the_log_with_its_place_and_without_a_value() {
        let lines = Lines::default();
        let out = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || out.clone()).finish();
        let token = std::hint::black_box("hush-token");
        tracing::subscriber::with_default(subscriber, || {
            log();
            catch_unwind(|| panic!("no rule for {token}")).unwrap_err();
        });
        drop(std::panic::take_hook());
        let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("panicked: its text is withheld") && said.contains("lib.rs:"), "{said}");
        assert!(!said.contains("hush-token"), "{said}");
    }

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
