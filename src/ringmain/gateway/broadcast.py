"""What is sent to many: records that are encoded once for each encoding."""


class Broadcast(bytes):
    """Records that several connections are sent; none of them copies or encodes them for itself.

    Attributes
    ----------
    sbe : bytes
        The same as SBE messages, once somebody needed them; empty until then.
    """

    sbe: bytes = b""
