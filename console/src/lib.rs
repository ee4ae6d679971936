//! How the two programs speak to an operator.
