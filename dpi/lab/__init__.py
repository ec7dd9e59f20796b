"""A small internet in network namespaces: clients, the box, an internet of real servers, and a cache.

    client ── lan0 [box] wan0 ── inet      any name resolves, and answers DNS, HTTP, TLS 1.2/1.3 and HTTP/3
                    cdn0 ── cache          answers for the same addresses, when the box sends flows there

Everything lives in namespaces that the lab makes and removes; nothing outside of them is touched.  The box is
an ordinary Linux router: `dpi run` inside it sees what it would see in the field.
"""
