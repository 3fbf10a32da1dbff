//! A private PostgreSQL cluster, found or fetched, started and stopped.
