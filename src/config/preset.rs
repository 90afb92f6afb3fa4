//! The presets of channels of type `http`: what is known of a provider, as the very keys that a
//! file could say itself.

/// Each by its name in files.
pub(super) const PRESETS: &[(&str, &str)] = &[
    ("slack", include_str!("presets/slack.yaml")),
    ("wecom_robot", include_str!("presets/wecom_robot.yaml")),
    ("wecom_customer", include_str!("presets/wecom_customer.yaml")),
    ("dingtalk", include_str!("presets/dingtalk.yaml")),
    ("feishu", include_str!("presets/feishu.yaml")),
    ("twilio", include_str!("presets/twilio.yaml")),
    ("sendgrid", include_str!("presets/sendgrid.yaml")),
    ("fcm", include_str!("presets/fcm.yaml")),
    ("hubspot", include_str!("presets/hubspot.yaml")),
    ("zendesk", include_str!("presets/zendesk.yaml")),
    ("jira", include_str!("presets/jira.yaml")),
];
