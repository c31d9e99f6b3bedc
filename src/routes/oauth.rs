//! `/oauth/…`: what standard clients speak. Forms come in; errors are those of RFC 6749.

use brevet_core::broker::{self, Fault, Ports, RequestError};
use brevet_core::form::Form;
use brevet_core::json::Object;
use brevet_core::secret::Secret;

use super::answer::{Reply, of_json};
use super::{Inbound, MOST_CALL_BYTES};

fn form(inbound: &Inbound) -> Result<Form, Fault> {
    Form::read(inbound.bytes(MOST_CALL_BYTES)?, "resource")
        .map_err(|error| Fault::from(RequestError::Form(error)))
}

/// `POST /oauth/revoke` (RFC 7009): `token`, and perhaps `account`, the account that it belongs to. Other fields are
/// passed over, as the RFC wants it. A value that is in no book is answered as one that was: it is good for nothing here.
pub(super) async fn surrender<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let form = form(inbound)?;
    let missing = RequestError::Field("invalid_request", "token", "the value of the token to end");
    let value = form.get("token").ok_or(Fault::from(missing))?;
    broker::surrender(ports, &inbound.visitor, Secret::new(value.to_owned()), form.get("account")).await?;
    Ok(of_json(200, Object::new()))
}
