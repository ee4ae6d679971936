//! The harness itself: a server that lies about TLS or about creating once, or a sample CRM that
//! differs from run to run, would make every other test worthless.

mod sample_crm;
mod servers;
mod versions;
