//! How the process learns that it shall stop.

use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};

/// Waits until the process is told to stop, by SIGTERM or from the keyboard.
pub async fn stop_signal() {
    tokio::select! {
        () = terminated() => {}
        _ = ctrl_c() => {}
    }
}

/// Waits for SIGTERM.
pub(crate) async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}
