//! The control socket: `/reload`, for whoever may open its file.

use std::sync::Arc;

use poem::{EndpointExt, IntoEndpoint, Route, endpoint::make, post};

use super::{
    failure, methods,
    reload::{self, Reload},
};

/// Everything on the control socket.
pub fn routes(reloads: Arc<dyn Reload>) -> impl IntoEndpoint<Endpoint: 'static> {
    let reload = make(move |request| {
        let reloads = Arc::clone(&reloads);
        async move { reload::answer(&request, &*reloads).await }
    });
    Route::new()
        .at(methods::RELOAD, post(reload))
        .catch_all_error(async |error| failure::shape(error))
        .around(methods::tell)
}
