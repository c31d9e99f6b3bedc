//! cloudflare-tokens.
