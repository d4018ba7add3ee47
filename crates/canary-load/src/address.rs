//! Which addresses may be dialled. Asked after the name is resolved, so that a name cannot lead around it.

use std::net::IpAddr;

/// Says whether an address may be dialled.
///
/// ```
/// use std::net::IpAddr;
/// use canary_load::AddressPolicy;
///
/// struct NoLoopback;
/// impl AddressPolicy for NoLoopback {
///     fn permit(&self, host: &str, address: IpAddr) -> Result<(), String> {
///         if address.is_loopback() {
///             return Err(format!("{host} leads to this machine"));
///         }
///         Ok(())
///     }
/// }
/// assert!(NoLoopback.permit("localhost", IpAddr::from([127, 0, 0, 1])).is_err());
/// ```
pub trait AddressPolicy: Send + Sync {
    /// Permits the address to which `host` was resolved.
    ///
    /// # Errors
    /// Why it may not be dialled.
    fn permit(&self, host: &str, address: IpAddr) -> Result<(), String>;
}

const _: Option<&dyn AddressPolicy> = None; // object-safe, or this does not compile

/// Permits every address.
#[derive(Clone, Copy, Debug)]
pub struct AnyAddress;

impl AddressPolicy for AnyAddress {
    fn permit(&self, _: &str, _: IpAddr) -> Result<(), String> {
        Ok(())
    }
}
