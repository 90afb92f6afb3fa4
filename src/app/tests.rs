//! The service whole, from a request to a webhook.
