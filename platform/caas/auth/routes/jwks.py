"""The public key set (RFC 7517)."""

from litestar import get
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency

from caas.auth.service.services import AuthServices
from caas.contracts.auth.identity import JWKS_PATH, Jwks
from caas.runtime.http.operations import operation

CACHED_S = 5


@get(
    JWKS_PATH,
    tags=["keys"],
    cache_control=CacheControlHeader(public=True, max_age=CACHED_S),
    **operation(),
)
async def get_key_set(auth: NamedDependency[AuthServices]) -> Jwks:
    """Publish the keys that verify tokens, the latest first."""
    return Jwks(keys=tuple(await auth.signing_keys.public_keys()))
