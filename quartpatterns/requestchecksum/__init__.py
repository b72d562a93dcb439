"""The checksum of a request's body, computed while it is read, and digests that clients declare.

.. code-block:: python

    from quartpatterns.requestchecksum import generate_checksum, verify_digest

    @app.post("/special-api")
    async def special_api():
        checksum = generate_checksum(request)
        files = await request.files
        return f"Hash was: {await checksum.hexdigest()}"

    @app.before_request
    async def check_digest():
        await verify_digest(request)
"""

from quartpatterns.requestchecksum.checksum import (
    Checksum,
    DigestError,
    generate_checksum,
    verify_digest,
)

__all__ = ["Checksum", "DigestError", "generate_checksum", "verify_digest"]
