use canary_controller::{Chat, Settings};
use tracing_subscriber::filter::LevelFilter;

use super::*;
use crate::environment::Environment;
use crate::logging::Encoding;

fn read(arguments: &[&str]) -> Result<Parsed, String> {
    parse(std::iter::once("canaryd").chain(arguments.iter().copied()).map(OsString::from))
}

fn flags(arguments: &[&str]) -> Flags {
    match read(arguments) {
        Ok(Parsed::Run(flags)) => *flags,
        Ok(Parsed::Tell(text)) => panic!("told {text}"),
        Err(refusal) => panic!("{arguments:?}: {refusal}"),
    }
}

fn refusal(arguments: &[&str]) -> String {
    match read(arguments) {
        Ok(_) => panic!("{arguments:?} was accepted"),
        Err(refusal) => refusal,
    }
}

fn settings(arguments: &[&str]) -> anyhow::Result<Settings> {
    flags(arguments).rollouts.settings(|name| match name {
        "istio" | "kubernetes" => Ok(()),
        _ => Err(anyhow::anyhow!("unknown mesh provider {name:?}; known are: istio, kubernetes")),
    })
}

fn chat(arguments: &[&str], environment: &Environment) -> Option<Chat> {
    flags(arguments).notices.recipients(environment).unwrap().chat
}

fn variables(values: &'static [(&str, &str)]) -> Environment {
    Environment::read(|name| values.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
}

#[test]
fn without_flags_the_settings_are_the_librarys_defaults() {
    assert_eq!(settings(&[]).unwrap(), Settings::default());
    let flags = flags(&[]);
    assert_eq!((flags.process.port, flags.process.enable_leader_election), (8080, false));
    assert_eq!(flags.process.leader_election_namespace, "kube-system");
    assert_eq!((flags.logging.log_level.0, flags.logging.zap_encoding), (LevelFilter::DEBUG, Encoding::Json));
    assert_eq!((flags.cluster.kubeconfig_qps, flags.cluster.kubeconfig_burst), (None, 250));
}

#[test]
fn one_dash_or_two_and_both_ways_to_give_a_value_mean_the_same() {
    for arguments in [
        ["-namespace", "test"].as_slice(),
        &["--namespace", "test"],
        &["-namespace=test"],
        &["--namespace=test"],
    ] {
        assert_eq!(settings(arguments).unwrap().namespace.as_deref(), Some("test"), "{arguments:?}");
    }
}

#[test]
fn a_value_may_look_like_a_flag_and_the_last_of_several_counts() {
    let settings =
        settings(&["-cluster-name", "-a", "-ingress-class", "-port", "-namespace=a", "-namespace=b"]);
    let settings = settings.unwrap();
    assert_eq!((settings.ingress_class.as_str(), settings.namespace.as_deref()), ("-port", Some("b")));
}

#[test]
fn booleans_are_read_as_go_reads_them() {
    for (argument, on) in [
        ("-enable-leader-election", true),
        ("--enable-leader-election", true),
        ("-enable-leader-election=true", true),
        ("-enable-leader-election=T", true),
        ("-enable-leader-election=1", true),
        ("-enable-leader-election=false", false),
        ("-enable-leader-election=0", false),
    ] {
        assert_eq!(flags(&[argument, "-port", "1"]).process.enable_leader_election, on, "{argument}");
    }
    assert!(!settings(&["-enable-config-tracking=false"]).unwrap().config_tracking);
    assert!(refusal(&["-enable-leader-election=yes"]).contains("true or false"));
    let misplaced = refusal(&["-enable-leader-election", "true", "-port", "1"]);
    assert!(misplaced.contains("-flag=true"), "{misplaced}");
}

#[test]
fn flags_of_flaggers_logger_and_workers_are_accepted_without_effect() {
    let flags = flags(&[
        "-v=4",
        "-v",
        "4",
        "-logtostderr",
        "-alsologtostderr=true",
        "-stderrthreshold",
        "INFO",
        "-threadiness",
        "8",
        "-zap-replace-globals",
        "-log_dir=/x",
        "-port=1",
    ]);
    assert_eq!(flags.process.port, 1);
}

#[test]
fn every_flag_of_a_real_installation_is_understood() {
    let arguments = [
        "-kubeconfig",
        "/k",
        "-mesh-provider",
        "istio",
        "-metrics-server",
        "http://prometheus.istio-system:9090",
        "-slack-url",
        "http://127.0.0.1:1/slack",
        "-slack-channel",
        "general",
        "-slack-user",
        "flagger",
        "-event-webhook",
        "http://127.0.0.1:1/event",
        "-control-loop-interval",
        "1s",
        "-log-level",
        "info",
        "-include-label-prefix",
        "team,example.com/",
        "-selector-labels",
        "team,app",
        "-enable-config-tracking=false",
        "-cluster-name",
        "prod",
        "-port",
        "20001",
    ];
    let settings = settings(&arguments).unwrap();
    assert_eq!(settings.include_label_prefix, ["team", "example.com/"]);
    assert_eq!(settings.selector_labels, ["team", "app"]);
    assert_eq!(settings.control_loop_interval.as_secs(), 1);
    let recipients = flags(&arguments).notices.recipients(&Environment::default()).unwrap();
    assert_eq!(recipients.cluster_name, "prod");
    assert_eq!(recipients.event_webhook.unwrap().reveal(), "http://127.0.0.1:1/event");
}

#[test]
fn what_cannot_work_is_refused_with_what_would_be_right() {
    for (arguments, expected) in [
        (&["-mesh-provider", "istoi"][..], "known are: istio, kubernetes"),
        (&["-metrics-server", "prometheus:9090"], "-metrics-server is not an HTTP address; it takes"),
        (&["-metrics-server", "http://a b"], "-metrics-server is malformed; it takes"),
        (&["-metrics-server="], "-metrics-server is empty"),
    ] {
        let error = format!("{:#}", settings(arguments).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    for (arguments, expected) in [
        (&["-log-level", "loud"][..], "debug, info, warn, error, fatal or panic"),
        (&["-zap-encoding=xml"], "json, console"),
        (&["-control-loop-interval=0s"], "a duration above zero"),
        (&["-control-loop-interval=-1s"], "a duration above zero"),
        (&["-control-loop-interval=10"], "a duration above zero"),
        (&["-port=http"], "invalid value 'http'"),
        (&["-metric-server=x"], "--metrics-server"),
        (&["-namespace"], "-namespace needs a value"),
        (&["---namespace=x"], "is not a flag"),
    ] {
        let text = refusal(arguments);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn warning_means_warn_as_documented() {
    for (name, level) in
        [("warning", LevelFilter::WARN), ("warn", LevelFilter::WARN), ("error", LevelFilter::ERROR)]
    {
        assert_eq!(flags(&["-log-level", name]).logging.log_level.0, level);
    }
}

#[test]
fn a_malformed_address_is_refused_without_being_repeated() {
    let flags = flags(&["-slack-url", "hooks.example.com/services/hidden", "-slack-channel", "general"]);
    let error = format!("{:#}", flags.notices.recipients(&Environment::default()).unwrap_err());
    assert!(error.starts_with("-slack-url is malformed") && !error.contains("hidden"), "{error}");

    let environment = variables(&[("EVENT_WEBHOOK_URL", "nowhere")]);
    let from_environment = flags_of_nobody().recipients(&environment).unwrap_err();
    assert!(format!("{from_environment:#}").starts_with("EVENT_WEBHOOK_URL is malformed"));
}

fn flags_of_nobody() -> NoticeFlags {
    flags(&[]).notices
}

#[test]
fn the_environment_wins_over_flags_unless_it_is_empty() {
    let arguments = ["-slack-url=http://flag", "-slack-channel=general", "-slack-token=flag"];
    let url = |environment: &Environment| match chat(&arguments, environment) {
        Some(Chat::Slack(slack)) => (slack.url.reveal().to_owned(), slack.token.unwrap().reveal().to_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!(url(&variables(&[("SLACK_URL", "")])), ("http://flag".into(), "flag".into()));
    let both = variables(&[("SLACK_URL", "http://variable"), ("SLACK_TOKEN", "variable")]);
    assert_eq!(url(&both), ("http://variable".into(), "variable".into()));
}

#[test]
fn a_teams_address_takes_the_place_of_slack_and_slack_needs_a_channel() {
    let slack = ["-slack-url=http://slack", "-slack-channel=general"];
    assert!(matches!(chat(&slack, &variables(&[("MSTEAMS_URL", "http://teams")])), Some(Chat::MsTeams(_))));
    assert!(matches!(chat(&slack, &Environment::default()), Some(Chat::Slack(_))));
    assert_eq!(chat(&["-slack-url=http://slack"], &Environment::default()), None);
    assert_eq!(chat(&[], &Environment::default()), None);
}

#[test]
fn version_and_help_are_told_on_request() {
    for (argument, expected) in [("-version", VERSION), ("--version=true", VERSION), ("-h", "-mesh-provider")]
    {
        match read(&[argument]) {
            Ok(Parsed::Tell(text)) => assert!(text.contains(expected), "{text}"),
            Ok(Parsed::Run(_)) => panic!("{argument} did not stop"),
            Err(refusal) => panic!("{refusal}"),
        }
    }
}
