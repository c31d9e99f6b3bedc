//! fake-cloudflare.
