//! The flag syntax of Go programs, turned into clap's.
//!
//! Go takes one dash for two, takes the next argument as a value whatever it looks like, and knows more words for yes and no.

use std::ffi::OsString;

use clap::Command;

/// Flags of Flagger's that mean nothing here, and whether each takes a value.
const WITHOUT_EFFECT: [(&str, bool); 15] = [
    ("threadiness", true),
    ("zap-replace-globals", false),
    ("v", true),
    ("vmodule", true),
    ("logtostderr", false),
    ("alsologtostderr", false),
    ("stderrthreshold", true),
    ("log_dir", true),
    ("log_file", true),
    ("log_file_max_size", true),
    ("log_backtrace_at", true),
    ("skip_headers", false),
    ("skip_log_headers", false),
    ("add_dir_header", false),
    ("one_output", false),
];

/// Rewrites every flag as `--name` or `--name=value`; `command` (built) tells which ones take a value.
pub(super) fn to_clap(
    arguments: impl IntoIterator<Item = OsString>,
    command: &Command,
) -> Result<Vec<String>, String> {
    let mut arguments = arguments.into_iter().map(|argument| {
        argument.into_string().map_err(|raw| format!("the argument {} is not valid UTF-8", raw.display()))
    });
    let mut out = vec![arguments.next().transpose()?.unwrap_or_default()];
    while let Some(argument) = arguments.next().transpose()? {
        let (name, value) = name_and_value(&argument)?;
        if name == "h" || name == "help" {
            out.push("--help".to_owned());
            continue;
        }
        let ignored = WITHOUT_EFFECT.iter().find(|(known, _)| *known == name);
        let takes_value = match ignored {
            Some((_, takes_value)) => *takes_value,
            // clap reports unknown ones, with what may have been meant.
            None => command.get_arguments().any(|flag| {
                flag.get_long() == Some(name)
                    && flag.get_num_args().is_some_and(|number| number.min_values() > 0)
            }),
        };
        let value = match value {
            None if takes_value => {
                Some(arguments.next().transpose()?.ok_or_else(|| format!("the flag -{name} needs a value"))?)
            }
            given => given.map(str::to_owned),
        };
        if ignored.is_none() {
            out.push(value.map_or_else(|| format!("--{name}"), |value| format!("--{name}={value}")));
        }
    }
    Ok(out)
}

fn name_and_value(argument: &str) -> Result<(&str, Option<&str>), String> {
    let Some(flag) =
        argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).filter(|f| !f.is_empty())
    else {
        return Err(format!(
            "unexpected argument {argument:?}: all settings are flags, and a flag that is on or off takes its value as \
             -flag=true or -flag=false"
        ));
    };
    if flag.starts_with(['-', '=']) {
        return Err(format!("{argument:?} is not a flag; flags look like -name or -name=value"));
    }
    Ok(flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value))))
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub(super) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it takes true or false".to_owned()),
    }
}
