//! The fields of `AlertProvider.spec`.

use crate::schema::{Node, choice, object, text};

pub(super) fn alert_provider_spec() -> Node {
    object(
        "A chat or alert service. Its address is given here or in a Secret, not in both.",
        [
            (
                "type",
                choice("Kind of service.", &["slack", "msteams", "discord", "rocket", "gchat"]).open().expects("a text"),
            ),
            ("channel", text("Channel of the messages.").assumed("general")),
            ("username", text("Author of the messages.").assumed("flagger")),
            ("address", text("URL of the service.").hidden()),
            ("proxy", text("URL of the HTTP proxy to it.").hidden()),
            (
                "secretRef",
                object(
                    "The Secret with the keys `address` (URL of the service) and `token` (bearer token, Slack only), in \
                     the namespace of this object.",
                    [("name", text("Name of the Secret.").required())],
                ),
            ),
        ],
    )
    .exactly_one_of(&[&["type", "address"], &["type", "secretRef"]])
}
