"""Answers that a load balancer makes itself: errors, fixed responses and redirects. Pure.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#load-balancer-http-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.client import responses
from typing import Any

from tenant_operator.sandbox.aws.traffic.http1 import Request, Response, header

SERVER = "awselb/2.0"
_KEYWORD = re.compile(r"#\{(protocol|host|port|path|query)\}")


def error(status: int) -> Response:
    """The page that goes with an error."""
    title = f"{status} {responses[status]}"
    page = f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n</body>\n</html>\n"
    return Response(status, [("server", SERVER), ("content-type", "text/html")], page.encode())


def fixed(config: Mapping[str, Any]) -> Response:
    """What a fixed-response action says."""
    content_type = config.get("ContentType") or "text/plain"
    headers = [("server", SERVER), ("content-type", content_type)]
    return Response(int(config["StatusCode"]), headers, config.get("MessageBody", "").encode())


def redirect(config: Mapping[str, Any], request: Request, protocol: str, port: int) -> Response:
    """Where a redirect action points; parts that it leaves out stay as they are.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html
    """
    own = {
        "protocol": protocol.lower(),
        "host": header(request.headers, "host").partition(":")[0],
        "port": str(port),
        "path": request.path.removeprefix("/"),
        "query": request.query,
    }

    def part(name: str, default: str) -> str:
        return _KEYWORD.sub(lambda keyword: own[keyword.group(1)], config.get(name) or default)

    scheme = part("Protocol", "#{protocol}").lower()
    query = part("Query", "#{query}")
    location = f"{scheme}://{part('Host', '#{host}')}:{part('Port', '#{port}')}{part('Path', '/#{path}')}"
    location += f"?{query}" if query else ""
    status = 301 if config["StatusCode"] == "HTTP_301" else 302
    answer = error(status)
    answer.headers.append(("location", location))
    return answer
