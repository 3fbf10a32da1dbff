//! Who may answer, and answering.
