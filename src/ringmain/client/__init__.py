"""The client library: a session with a market, over the gateway's binary TCP.

>>> client = Client.connect("127.0.0.1", port, token, SCHEMA)       # doctest: +SKIP
>>> number = client.send(PlaceOrder(product_id=1, ...))             # doctest: +SKIP
>>> events = client.wait_answer(number)                             # doctest: +SKIP

:class:`Client` is for programs that wait, :class:`AsyncClient` for asyncio. Both speak through one
:class:`ringmain.client.protocol.ClientProtocol`, which does no input or output.

A batch of events is an array of headers: view it as a record's dtype to read fields,
``events.view(OrderFilled.dtype)["quantity_lots"]``, and choose rows with :func:`pick`.

Programs that trade by themselves are written against :mod:`ringmain.client.strategy`.
"""

from ringmain.client.aio import AsyncClient
from ringmain.client.protocol import pick
from ringmain.client.sync import Client

__all__ = ["AsyncClient", "Client", "pick"]
